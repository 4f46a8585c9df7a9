#include "store/links.h"

#include "ociproxy/base/clock.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/tree.h"

namespace ociproxy {

std::string formatLink(const Link& link) {
    Record record;
    record.setTime("confirmed", link.confirmedAt);
    return record.text();
}

std::optional<Link> parseLink(const std::string& text) {
    const std::optional<Record> record = Record::parse(text);
    if (!record) return std::nullopt;
    const std::optional<std::int64_t> confirmed = record->getTime("confirmed");
    if (!confirmed) return std::nullopt;
    return Link{*confirmed};
}

void makeRepository(Tree& tree, const RepositoryKey& where) {
    const StorePath name{repositoryDirectory(where), kNameFile};
    // A power cut may have emptied it.
    if (!tree.readSmall(name).value_or(std::string()).empty()) return;
    tree.writeSmall(name, cat(where.upstream, '\n', where.repository, '\n'), Sync::kNo);
}

std::optional<Link> readLink(Tree& tree, const RepositoryKey& where, ContentKind kind,
                             const Digest& digest) {
    std::optional<std::string> text = tree.readSmall(linkPath(where, kind, digest));
    if (!text) return std::nullopt;
    return parseLink(*text);
}

void writeLink(Tree& tree, const RepositoryKey& where, ContentKind kind, const Digest& digest,
               Sync sync) {
    makeRepository(tree, where);
    tree.writeSmall(linkPath(where, kind, digest), formatLink(Link{wallSeconds()}), Sync::kNo);
    if (sync == Sync::kYes) makeLinkDurable(tree, where, kind, digest);
}

void makeLinkDurable(Tree& tree, const RepositoryKey& where, ContentKind kind,
                     const Digest& digest) {
    if (tree.durability() != Durability::kFull) return;
    const StorePath path = linkPath(where, kind, digest);
    if (!tree.syncFile(path)) return;
    const Fd directory = tree.openDirectory(path.directory);
    if (directory) syncDirectory(directory.get(), tree.absolute(path.directory));
    // Written without a sync, when the first byte was waited for.
    tree.syncOnce({repositoryDirectory(where), kNameFile});
}

}  // namespace ociproxy
