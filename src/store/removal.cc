#include "store/removal.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/layout.h"
#include "store/metadata.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// Longer than the fsync between record and rename can take.
constexpr std::int64_t kYoung = 3600;  // seconds
// How far clocks may differ without a file counting as one from the future.
constexpr std::int64_t kSlack = 60;

struct Place {
    Fd directory;
    struct stat status;
};

// Where the regular file of ours is; nullopt when there is none.
std::optional<Place> findFile(Tree& tree, const StorePath& path) {
    Place place = {tree.findDirectory(path.directory), {}};
    if (!place.directory) return std::nullopt;
    if (::fstatat(place.directory.get(), path.name.c_str(), &place.status,
                  AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return std::nullopt;
        throwErrno("stat " + tree.absolute(path.text()));
    }
    if (!isOwnFile(place.status)) return std::nullopt;
    return place;
}

void unlinkFile(Tree& tree, const Place& place, const StorePath& path) {
    if (::unlinkat(place.directory.get(), path.name.c_str(), 0) == 0 || errno == ENOENT) return;
    throwErrno("unlink " + tree.absolute(path.text()));
}

// From now on it ages: one stamped by a clock that was ahead would stay for ever.
void stampNow(const Place& place, const StorePath& path) noexcept {
    const struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    (void)::utimensat(place.directory.get(), path.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

// REQUIRES: the lock of its directory is held.
bool removeOldRecord(Tree& tree, const Digest& digest) {
    const StorePath path = metadataPath(digest);
    const std::optional<Place> place = findFile(tree, path);
    if (!place) return false;
    const std::int64_t written = place->status.st_mtim.tv_sec;
    const std::int64_t age = wallSeconds() - written;
    if (age < -kSlack) stampNow(*place, path);
    if (age < kYoung) return false;
    unlinkFile(tree, *place, path);
    return true;
}

}  // namespace

std::optional<std::int64_t> lastUse(Tree& tree, const Digest& digest) {
    const StorePath path = contentPath(digest);
    const std::optional<Place> place = findFile(tree, path);
    if (!place) return std::nullopt;
    const std::int64_t used = place->status.st_atim.tv_sec;
    const std::int64_t present = wallSeconds();
    if (used <= present + kSlack) return used;
    struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    (void)::utimensat(place->directory.get(), path.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
    return present;
}

Removal removeContent(Tree& tree, const Digest& digest, std::int64_t usedAt) {
    const MetadataLock lock(tree, digest);
    if (!lock.held()) throwErrno("lock record of " + digest.text(), EWOULDBLOCK);
    const StorePath path = contentPath(digest);
    const std::optional<Place> place = findFile(tree, path);
    if (!place) return Removal::kGone;
    // Used since, or another file than was looked at: one that was just committed.
    if (place->status.st_atim.tv_sec > usedAt) return Removal::kUsed;
    unlinkFile(tree, *place, path);
    removeOldRecord(tree, digest);
    return Removal::kRemoved;
}

bool removeStaleRecord(Tree& tree, const Digest& digest) {
    const MetadataLock lock(tree, digest);
    if (!lock.held() || findFile(tree, contentPath(digest))) return false;
    return removeOldRecord(tree, digest);
}

}  // namespace ociproxy
