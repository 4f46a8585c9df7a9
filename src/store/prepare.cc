#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/store/store.h"
#include "store/cache_directory.h"
#include "store/layout.h"
#include "store/open_file.h"

namespace ociproxy {

namespace {

constexpr Millis kLockPoll{20};

Fd openLock(int directory, const std::string& file, int access) {
    Fd lock(::openat(directory, kLockFile,
                     access | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600));
    if (!lock) throwErrno("open " + file);
    if (!isOwnFile(statusOf(lock.get(), file))) {
        throw Error(cat(file, " is not a regular file of ours: remove it or choose another "
                              "cache_dir"));
    }
    return lock;
}

// Whether the name still means this file: a lock on a removed one excludes nobody.
bool isStillThere(int directory, const Fd& lock, const std::string& file) {
    struct stat named = {};
    return ::fstatat(directory, kLockFile, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           isSameFile(named, statusOf(lock.get(), file));
}

int lockNow(const Fd& lock) {
    int result;
    do {
        result = ::flock(lock.get(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return result;
}

// Not for writing: a file system with such a file cannot be made read-only while we run.
// NFS wants that for an exclusive lock.
Fd tryLock(int directory, const std::string& file) {
    Fd lock = openLock(directory, file, O_RDONLY);
    int result = lockNow(lock);
    if (result != 0 && errno == EBADF) {
        lock = openLock(directory, file, O_RDWR);
        result = lockNow(lock);
    }
    if (result != 0 && errno != EWOULDBLOCK) throwErrno("flock " + file);
    if (result != 0 || !isStillThere(directory, lock, file)) return Fd();
    return lock;
}

Fd lockWithin(int directory, const std::string& path, Millis patience) {
    std::string file = cat(path, '/', kLockFile);
    TimePoint end = now() + patience;
    for (;;) {
        Fd lock = tryLock(directory, file);
        if (lock) return lock;
        if (now() >= end) break;
        std::this_thread::sleep_for(kLockPoll);
    }
    throw Error(cat("cache directory ", path, " is used by another ociproxy, which holds ", file,
                    ": stop it or choose another cache_dir"));
}

}  // namespace

Fd Store::prepare(const std::string& directory, Millis patience) {
    Fd root = openCacheDirectory(directory, IfMissing::kMake);
    // Before anything is touched, and again under the lock: who held it may have been
    // another version.
    checkLayoutVersion(root.get(), directory);
    restrictToOwner(root.get(), directory);
    Fd lock = lockWithin(root.get(), directory, patience);
    checkLayoutVersion(root.get(), directory);
    makeTree(root.get(), directory);
    return lock;
}

}  // namespace ociproxy
