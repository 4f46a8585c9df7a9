#include "store/pin_search.h"

#include <optional>
#include <string>

#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/links.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

void addTag(const std::optional<TagEntry>& entry, std::vector<Digest>* out) {
    if (!entry) return;
    out->push_back(entry->digest);
    if (entry->next) out->push_back(*entry->next);
}

// A record that does not say which tag it is of is written anew when the tag is next
// asked for.
bool admits(const Pin& pin, const std::string& text) {
    if (pin.tags.empty()) return true;
    const std::optional<std::string> tag = tagNameIn(text);
    return tag && pin.admitsTag(*tag);
}

void addTags(Tree& tree, const std::string& repository, const Pin& pin,
             std::vector<Digest>* out) {
    const std::string path = cat(repository, '/', kTagsDirectory);
    const Fd directory = tree.findDirectory(path);
    if (!directory) return;
    forEachName(directory.get(), tree.absolute(path), [&](const std::string& name) {
        if (isScratchName(name)) return;
        const std::optional<std::string> text = tree.readSmall({path, name});
        if (text && admits(pin, *text)) addTag(parseTag(*text), out);
    });
}

void addLinks(Tree& tree, const std::string& repository, std::vector<Digest>* out) {
    const std::string path = cat(repository, '/', kLinksDirectory);
    const Fd directory = tree.findDirectory(path);
    if (!directory) return;
    forEachName(directory.get(), tree.absolute(path), [&](const std::string& name) {
        const std::optional<LinkName> link = parseLinkName(name);
        if (link && link->kind == ContentKind::kManifest) out->push_back(link->digest);
    });
}

}  // namespace

std::vector<Digest> pinnedDigests(Tree& tree, const Pin& pin) {
    std::vector<Digest> out;
    const RepositoryKey where{pin.registry, pin.repository};
    if (pin.digest) {
        out.push_back(*pin.digest);
    } else if (pin.namesOneTag()) {
        addTag(readTag(tree, where, pin.tags), &out);
    } else {
        addTags(tree, repositoryDirectory(where), pin, &out);
        if (pin.tags.empty()) addLinks(tree, repositoryDirectory(where), &out);
    }
    return out;
}

}  // namespace ociproxy
