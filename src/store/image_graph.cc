#include "store/image_graph.h"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kMaxManifest = 4 * 1024 * 1024;  // what the proxy stores as one
// An index of indexes of images is 3 deep; deeper ones get no order of their own.
constexpr std::uint8_t kMaxDepth = 16;
constexpr std::int64_t kSettledSeconds = 3;
// A link is written some moments before its manifest; then the next writes it anew.
constexpr unsigned kPatience = 10;

}  // namespace

// Not parsed: a digest in an annotation costs nothing but that what it names stays as
// long. None can be a part of itself, whatever is written.
std::vector<Digest> digestsIn(std::string_view text) {
    std::vector<Digest> out;
    std::size_t at = 0;
    while ((at = text.find("\"sha", at)) != std::string_view::npos) {
        const std::size_t end = text.find('"', at + 1);
        if (end == std::string_view::npos) break;
        const std::optional<Digest> digest = Digest::parse(text.substr(at + 1, end - at - 1));
        if (digest) out.push_back(*digest);
        at = digest ? end + 1 : at + 1;
    }
    return out;
}

void ImageGraph::refresh(Tree& tree, const ContentIndex::Worked& worked) {
    findManifests(tree, worked);
    for (auto at = nodes_.begin(); at != nodes_.end();) {
        const Id id = at->first;
        Node& node = at->second;
        const bool present = (*index_)[id].present;
        if (present && !node.read) {
            readManifest(tree, id, &node);
            worked(1);
        }
        node.absent = present ? 0 : node.absent + 1;
        if (!present && node.read) letGo(&node);
        if (node.absent < kPatience) {
            ++at;
            continue;
        }
        index_->release(id);
        at = nodes_.erase(at);
    }
}

void ImageGraph::findManifests(Tree& tree, const ContentIndex::Worked& worked) {
    const Fd repositories = tree.findDirectory(kRepositoriesDirectory);
    if (!repositories) return;
    for (auto& known : directories_) known.second.seen = false;
    forEachName(repositories.get(), tree.absolute(kRepositoriesDirectory),
                [&](const std::string& name) {
        readLinks(tree, name);
        worked(1);
    });
    for (auto at = directories_.begin(); at != directories_.end();) {
        at = at->second.seen ? std::next(at) : directories_.erase(at);
    }
}

void ImageGraph::readLinks(Tree& tree, const std::string& repository) {
    const std::string path = cat(kRepositoriesDirectory, '/', repository, '/', kLinksDirectory);
    const std::int64_t present = wallSeconds();
    const Fd directory = tree.findDirectory(path);
    if (!directory) return;
    LinkDirectory& known = directories_[repository];
    known.seen = true;
    const struct stat status = statusOf(directory.get(), tree.absolute(path));
    const std::int64_t changedNs =
        static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (known.settled && known.changedNs == changedNs) return;
    forEachName(directory.get(), tree.absolute(path),
                [&](const std::string& name) { noteLink(name); });
    known.changedNs = changedNs;
    known.settled = present - static_cast<std::int64_t>(status.st_mtim.tv_sec) >= kSettledSeconds;
}

void ImageGraph::noteLink(const std::string& name) {
    const std::optional<LinkName> link = parseLinkName(name);
    if (!link || link->kind != ContentKind::kManifest) return;
    const Id known = index_->find(link->digest);
    if (known != ContentIndex::kNone && nodes_.count(known) > 0) return;
    nodes_.emplace(index_->refer(link->digest), Node());
}

void ImageGraph::readManifest(Tree& tree, Id id, Node* node) {
    node->read = true;
    struct stat status = {};
    // Reading is no use of it.
    const StorePath path = contentPath(index_->digest(id));
    const Fd file = tree.openFile(path, O_RDONLY | O_NOATIME, &status);
    if (!file || static_cast<std::uint64_t>(status.st_size) > kMaxManifest) return;
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    const std::string what = tree.absolute(path.text());
    text.resize(preadAll(file.get(), text.data(), text.size(), 0, what));
    for (const Digest& digest : digestsIn(text)) {
        const Id part = index_->refer(digest);
        if (part == id) index_->release(part);
        else node->parts.push_back(part);
    }
}

void ImageGraph::letGo(Node* node) {
    for (const Id part : node->parts) index_->release(part);
    node->parts.clear();
    node->read = false;
}

void ImageGraph::order() {
    index_->forEachPresent([](Id, ContentIndex::Entry& entry) {
        entry.youngest = entry.usedAt;
        entry.depth = 0;
    });
    bool changed = true;
    for (unsigned round = 0; changed && round < kMaxDepth; ++round) {
        changed = false;
        for (const auto& [id, node] : nodes_) {
            if ((*index_)[id].present && passOn(id, node)) changed = true;
        }
    }
}

bool ImageGraph::passOn(Id id, const Node& node) {
    const ContentIndex::Entry& image = (*index_)[id];
    const std::uint8_t below = static_cast<std::uint8_t>(image.depth + 1);
    bool changed = false;
    for (const Id part : node.parts) {
        ContentIndex::Entry& entry = (*index_)[part];
        if (entry.youngest >= image.youngest && entry.depth >= below) continue;
        entry.youngest = std::max(entry.youngest, image.youngest);
        entry.depth = std::max(entry.depth, below);
        changed = true;
    }
    return changed;
}

void ImageGraph::pin(Id id) {
    std::vector<Id> open{id};
    while (!open.empty()) {
        const Id here = open.back();
        open.pop_back();
        if ((*index_)[here].pinned) continue;
        (*index_)[here].pinned = true;
        const auto node = nodes_.find(here);
        if (node == nodes_.end()) continue;
        open.insert(open.end(), node->second.parts.begin(), node->second.parts.end());
    }
}

}  // namespace ociproxy
