#ifndef OCIPROXY_SRC_STORE_IMAGE_GRAPH_H
#define OCIPROXY_SRC_STORE_IMAGE_GRAPH_H

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ociproxy/base/digest.h"
#include "store/content_index.h"

namespace ociproxy {

class Tree;

// Which content is part of which image, as far as both are in the store: learned from
// the links of manifests, whose text is read once. From that follows the order of
// eviction: content is as young as the youngest image that it is part of, and of what is
// equally young the image goes before its parts. One thread.
class ImageGraph {
public:
    explicit ImageGraph(ContentIndex* index) noexcept : index_(index) {}

    // Finds manifests that are new to the store and lets go of those that have left it.
    // REQUIRES: the index has been refreshed. Throws SysError.
    void refresh(Tree& tree, const ContentIndex::Worked& worked);

    // Sets `youngest` and `depth` of what is present.
    void order();

    // Marks the content and all that it refers to as pinned.
    void pin(ContentIndex::Id id);

    std::size_t manifests() const noexcept { return nodes_.size(); }

private:
    using Id = ContentIndex::Id;

    struct Node {
        std::vector<Id> parts;
        bool read = false;
        unsigned absent = 0;  // for how many refreshes
    };
    struct LinkDirectory {
        std::int64_t changedNs = 0;
        bool settled = false;
        bool seen = false;
    };

    void findManifests(Tree& tree, const ContentIndex::Worked& worked);
    void readLinks(Tree& tree, const std::string& repository);
    void noteLink(const std::string& name);
    void readManifest(Tree& tree, Id id, Node* node);
    void letGo(Node* node);
    bool passOn(Id id, const Node& node);

    ContentIndex* index_;
    std::unordered_map<Id, Node> nodes_;  // each refers to its entry, and to its parts'
    std::map<std::string, LinkDirectory> directories_;
};

// Every digest that stands in the text as a JSON string.
std::vector<Digest> digestsIn(std::string_view text);

}  // namespace ociproxy

#endif
