#include "store/content_index.h"

#include <algorithm>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/disk_cost.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// File systems that keep whole seconds, some of them even ones, are the coarsest.
constexpr std::int64_t kSettledSeconds = 3;

std::int64_t nanoseconds(const struct timespec& time) noexcept {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

std::uint32_t usedAtOf(std::int64_t accessed, std::int64_t present) noexcept {
    const std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(std::min(accessed, present), 0, most));
}

void ContentIndex::refresh(Tree& tree, const Worked& worked) {
    if (shelves_.empty()) {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                          DigestAlgorithm::kSha512}) {
            for (unsigned i = 0; i < kFanOut; ++i) {
                shelves_.emplace_back();
                shelves_.back().algorithm = algorithm;
                shelves_.back().fanOut = i;
            }
        }
    }
    for (Shelf& shelf : shelves_) refreshShelf(tree, &shelf, worked);
}

void ContentIndex::refreshShelf(Tree& tree, Shelf* shelf, const Worked& worked) {
    const std::string path =
        cat(kBlobsDirectory, '/', algorithmName(shelf->algorithm), '/', fanOutName(shelf->fanOut));
    const std::int64_t present = wallSeconds();
    const Fd directory = tree.findDirectory(path);
    if (!directory) {
        shelf->settled = false;
        for (const Id id : shelf->ids) unshelve(id);
        shelf->ids.clear();
        return;
    }
    const struct stat status = statusOf(directory.get(), tree.absolute(path));
    const std::int64_t changedNs = nanoseconds(status.st_mtim);
    if (shelf->settled && shelf->changedNs == changedNs) return;
    readShelf(directory.get(), tree.absolute(path), shelf);
    shelf->changedNs = changedNs;
    shelf->settled = present - static_cast<std::int64_t>(status.st_mtim.tv_sec) >= kSettledSeconds;
    worked(shelf->ids.size());
}

void ContentIndex::readShelf(int directory, const std::string& what, Shelf* shelf) {
    for (const Id id : shelf->ids) entries_[id].seen = false;
    const std::string fanOut = fanOutName(shelf->fanOut);
    forEachName(directory, what, [&](const std::string& name) {
        if (isContentName(shelf->algorithm, fanOut, name)) note(directory, name, shelf);
    });
    std::vector<Id> kept;
    kept.reserve(shelf->ids.size());
    for (const Id id : shelf->ids) {
        if (entries_[id].seen) kept.push_back(id);
        else unshelve(id);
    }
    shelf->ids.swap(kept);
}

// What is known already is not looked at again: content does not change, and its time of
// use is looked up when it matters.
void ContentIndex::note(int directory, const std::string& name, Shelf* shelf) {
    const std::optional<Digest> digest =
        Digest::parse(cat(algorithmName(shelf->algorithm), ':', name));
    OCIPROXY_ASSERT(digest.has_value());
    const Id known = find(*digest);
    if (known != kNone && entries_[known].present) {
        entries_[known].seen = true;
        return;
    }
    struct stat status = {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!isOwnFile(status)) return;
    const Id id = known != kNone ? known : place(*digest);
    appear(id, static_cast<std::uint64_t>(status.st_size), status.st_atim.tv_sec);
    if (entries_[id].shelved) return;
    entries_[id].shelved = true;
    shelf->ids.push_back(id);
}

void ContentIndex::appear(Id id, std::uint64_t size, std::int64_t usedAt) {
    Entry& entry = entries_[id];
    entry.size = size;
    entry.usedAt = usedAtOf(usedAt, wallSeconds());
    entry.present = entry.seen = true;
    files_ += 1;
    bytes_ += size;
    cost_ += diskCost(size);
}

ContentIndex::Id ContentIndex::find(const Digest& digest) const {
    return table_.find(digest);
}

ContentIndex::Id ContentIndex::place(const Digest& digest) {
    bool fresh = false;
    const Id id = table_.place(digest, &fresh);
    if (id >= entries_.size()) entries_.resize(id + 1);
    if (fresh) entries_[id] = Entry();
    return id;
}

ContentIndex::Id ContentIndex::refer(const Digest& digest) {
    const Id id = place(digest);
    entries_[id].references += 1;
    return id;
}

void ContentIndex::release(Id id) {
    OCIPROXY_ASSERT(entries_[id].references > 0);
    entries_[id].references -= 1;
    forgetIfUnused(id);
}

void ContentIndex::vanish(Id id) {
    Entry& entry = entries_[id];
    if (!entry.present) return;
    entry.present = false;
    files_ -= 1;
    bytes_ -= entry.size;
    cost_ -= diskCost(entry.size);
    forgetIfUnused(id);  // not while it is on a shelf
}

void ContentIndex::unshelve(Id id) {
    vanish(id);
    entries_[id].shelved = false;
    forgetIfUnused(id);
}

void ContentIndex::forgetIfUnused(Id id) {
    const Entry& entry = entries_[id];
    if (!entry.present && !entry.shelved && entry.references == 0) table_.drop(id);
}

Digest ContentIndex::digest(Id id) const {
    return table_.digest(id);
}

void ContentIndex::forEachPresent(const std::function<void(Id id, Entry& entry)>& visit) {
    for (Id id = 0; id < entries_.size(); ++id) {
        if (entries_[id].present) visit(id, entries_[id]);
    }
}

}  // namespace ociproxy
