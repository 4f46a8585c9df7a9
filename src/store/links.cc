#include "store/links.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
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
    std::string directory = repositoryDirectory(where);
    if (tree.openDirectory(cat(directory, '/', kLinksDirectory))) return;
    tree.writeSmall({directory, kNameFile}, cat(where.upstream, '\n', where.repository, '\n'),
                    Sync::kYes);
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
    tree.writeSmall(linkPath(where, kind, digest), formatLink(Link{wallSeconds()}), sync);
}

void makeLinkDurable(Tree& tree, const RepositoryKey& where, ContentKind kind,
                     const Digest& digest) {
    if (tree.durability() != Durability::kFull) return;
    const StorePath path = linkPath(where, kind, digest);
    struct stat status = {};
    const Fd file = tree.openFile(path, O_RDONLY, &status);
    if (!file) return;
    if (::fsync(file.get()) != 0) throwErrno("fsync " + tree.absolute(path.text()));
    const Fd directory = tree.openDirectory(path.directory);
    if (directory) syncDirectory(directory.get(), tree.absolute(path.directory));
}

}  // namespace ociproxy
