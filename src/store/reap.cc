#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/tree.h"
#include "store/usage.h"

namespace ociproxy {

namespace {

// Unlinks idle files directory by directory and counts them.
class Reaper {
public:
    using IsOurs = std::function<bool(const std::string& name)>;

    Reaper(Tree& tree, Millis idle) : tree_(tree), idle_(idle) {}

    // Files of `path` for which `isOurs` says so.
    void reapFiles(const std::string& path, const IsOurs& isOurs);
    // Scratch files in the directories that are `depth` levels below `path` or less.
    void reapScratch(const std::string& path, unsigned depth);
    unsigned count() const noexcept { return count_; }

private:
    void reapOne(const Fd& directory, const std::string& path, const std::string& name);
    bool isIdle(const Fd& directory, const std::string& name) const noexcept;

    Tree& tree_;
    const Millis idle_;
    unsigned count_ = 0;
};

void Reaper::reapFiles(const std::string& path, const IsOurs& isOurs) {
    Fd directory = tree_.findDirectory(path);
    if (!directory) return;
    forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
        if (isOurs(name) && isIdle(directory, name)) reapOne(directory, path, name);
    });
}

void Reaper::reapScratch(const std::string& path, unsigned depth) {
    reapFiles(path, [](const std::string& name) { return isScratchName(name); });
    if (depth == 0) return;
    Fd directory = tree_.findDirectory(path);
    if (!directory) return;
    forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
        struct stat status = {};
        if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(status.st_mode)) {
            reapScratch(cat(path, '/', name), depth - 1);
        }
    });
}

void Reaper::reapOne(const Fd& directory, const std::string& path, const std::string& name) {
    if (::unlinkat(directory.get(), name.c_str(), 0) == 0) {
        ++count_;
    } else if (errno != ENOENT && errno != EPERM) {  // EPERM: made immutable, not our affair
        throwErrno(cat("unlink ", tree_.absolute(path), '/', name));
    }
}

bool Reaper::isIdle(const Fd& directory, const std::string& name) const noexcept {
    struct stat status = {};
    if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !isOwnFile(status)) {
        return false;
    }
    Millis since = sinceWritten(status);
    if (since >= Millis(0)) return since >= idle_;
    // Written by a clock that was ahead. From now on it ages.
    struct timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    (void)::utimensat(directory.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
    return false;
}

}  // namespace

Millis sinceWritten(const struct stat& status) noexcept {
    struct timespec wall = {};
    ::clock_gettime(CLOCK_REALTIME, &wall);
    return Millis((wall.tv_sec - status.st_mtim.tv_sec) * 1000 +
                  (wall.tv_nsec - status.st_mtim.tv_nsec) / 1000000);
}

unsigned reapTemporaryFiles(Tree& tree, const std::set<std::uint64_t>& inUse, Millis idle) {
    Reaper reaper(tree, idle);
    reaper.reapFiles(kTemporaryDirectory, [&](const std::string& name) {
        std::optional<std::uint64_t> lineage = lineageOf(name);
        return lineage && inUse.count(*lineage) == 0;
    });
    reaper.reapScratch(".", 0);
    reaper.reapScratch(kMetadataDirectory, 2);      // algorithm, fan-out
    reaper.reapScratch(kRepositoriesDirectory, 2);  // repository, links or tags
    return reaper.count();
}

}  // namespace ociproxy
