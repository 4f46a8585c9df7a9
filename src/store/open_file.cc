#include "store/open_file.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

int retryingOpen(int directory, const char* name, int flags) noexcept {
    int fd;
    do {
        fd = ::openat(directory, name, flags);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int callOpenat2(int root, const char* path, int flags) noexcept {
    struct open_how how = {};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    long fd;
    do {
        fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    } while (fd < 0 && errno == EINTR);
    return static_cast<int>(fd);
}

// O_NONBLOCK was for the opening only.
void makeBlocking(int fd, const std::string& what) {
    int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) throwErrno(what);
}

}  // namespace

int openBeneath(int root, const std::string& path, int flags) {
    int fd = callOpenat2(root, path.c_str(), flags | kAlways);
    // EPERM: seccomp filters of containers refuse system calls that they do not know.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return openStepwise(root, path, flags);
    return fd;
}

int openStepwise(int root, const std::string& path, int flags) {
    Fd held;
    int at = root;
    std::size_t begin = 0;
    for (;;) {
        std::size_t end = path.find('/', begin);
        std::string name = path.substr(begin, end - begin);
        if (name.empty() || name == "..") {
            errno = EXDEV;
            return -1;
        }
        if (end == std::string::npos) return retryingOpen(at, name.c_str(), flags | kAlways);
        held.reset(retryingOpen(at, name.c_str(), O_PATH | O_DIRECTORY | kAlways));
        if (!held) return -1;
        at = held.get();
        begin = end + 1;
    }
}

bool meansAbsent(int code) noexcept {
    switch (code) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENXIO:
    case ENODEV:
    case EACCES:
    case EISDIR: return true;
    default: return false;
    }
}

Fd openOwnFile(int root, const std::string& path, int access, struct stat* status,
               const std::string& what) {
    Fd file(openBeneath(root, path, access | O_NONBLOCK));
    if (!file) {
        if (meansAbsent(errno)) return Fd();
        throwErrno("open " + what);
    }
    *status = statusOf(file.get(), what);
    if (!isOwnFile(*status)) {
        errno = ENXIO;
        return Fd();
    }
    makeBlocking(file.get(), what);
    return file;
}

bool isOwnFile(const struct stat& status) noexcept {
    return S_ISREG(status.st_mode) && status.st_uid == ::geteuid();
}

bool isSameFile(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

struct stat statusOf(int fd, const std::string& what) {
    struct stat status = {};
    if (::fstat(fd, &status) != 0) throwErrno("fstat " + what);
    return status;
}

}  // namespace ociproxy
