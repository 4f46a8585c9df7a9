#include "ociproxy/proc/pid_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"

namespace ociproxy {

namespace {

constexpr Millis kRetryEvery{50};

std::string directoryOf(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

// What root writes below a directory of somebody else, that somebody chooses.
void requireSafeDirectory(const std::string& path) {
    if (::geteuid() != 0) return;
    const std::string directory = directoryOf(path);
    struct stat info{};
    if (::stat(directory.c_str(), &info) != 0) throwErrno("pid file: look at " + directory);
    const bool foreign = info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    if (foreign) {
        throw Error(cat("pid file: ", directory, " can be written to by others than root; set "
                        "pid_file to a place that cannot"));
    }
}

Fd openPidFile(const std::string& path) {
    requireSafeDirectory(path);
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
    if (!fd) throwErrno("pid file: open " + path);
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) throwErrno("pid file: look at " + path);
    if (!S_ISREG(info.st_mode) || info.st_nlink > 1) {
        throw Error(cat("pid file: ", path, " is no plain file of its own; remove it"));
    }
    // Whatever the umask: everybody may know.
    if (info.st_uid == ::geteuid()) ::fchmod(fd.get(), 0644);
    return fd;
}

std::string ownerIn(const Fd& fd) {
    char text[32];
    const ssize_t count = ::pread(fd.get(), text, sizeof text, 0);
    const std::string_view number(text, count > 0 ? static_cast<std::size_t>(count) : 0);
    const auto pid = parseUnsigned(number.substr(0, number.find('\n')));
    return pid ? cat(" as process ", *pid) : "";
}

[[noreturn]] void failLocked(const std::string& path, const Fd& fd) {
    throw FatalError(EX_UNAVAILABLE,
                     cat("it runs already", ownerIn(fd), ": pid file ", path, " is locked"));
}

}  // namespace

PidFile::PidFile(const std::string& path, Millis patience) : path_(path) {
    const TimePoint deadline = now() + patience;
    for (;;) {
        fd_ = orFailWith(EX_CANTCREAT, [&] { return openPidFile(path); });
        // The one that was locked may have been removed by its owner meanwhile.
        if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0 && isStillThere()) break;
        if (now() >= deadline) failLocked(path, fd_);
        std::this_thread::sleep_for(kRetryEvery);
    }
    orFailWith(EX_CANTCREAT, [&] {
        if (::ftruncate(fd_.get(), 0) != 0) throwErrno("pid file: empty " + path);
        const std::string line = cat(::getpid(), "\n");
        pwriteAll(fd_.get(), line.data(), line.size(), 0, "pid file: write " + path);
    });
}

PidFile::~PidFile() {
    if (!fd_ || !isStillThere()) return;
    if (::unlink(path_.c_str()) != 0 && ::ftruncate(fd_.get(), 0) != 0) {
        // What is left has no lock, and so says nothing.
    }
}

bool PidFile::isStillThere() const noexcept {
    struct stat held{};
    struct stat named{};
    return ::fstat(fd_.get(), &held) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace ociproxy
