#include "proc/socket_path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr mode_t kMask = 0117;  // leaves 0660

sockaddr_un addressOf(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throwErrno("path of a socket", ENAMETOOLONG);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Fd makeSocket(int flags) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    if (!fd) throwErrno("socket");
    return fd;
}

// A full backlog is an answer, too.
bool somebodyAnswers(const sockaddr_un& address) {
    const Fd probe = makeSocket(SOCK_NONBLOCK);
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        return true;
    }
    if (errno == ECONNREFUSED || errno == ENOENT) return false;
    if (errno == EAGAIN) return true;
    throwErrno(cat("connect to ", address.sun_path));
}

void removeLeftOver(const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(address.sun_path, &status) != 0) return;  // bind tells what is wrong
    if (!S_ISSOCK(status.st_mode)) {
        throwErrno(cat(address.sun_path, " is there and no socket"), EEXIST);
    }
    if (somebodyAnswers(address)) throwErrno("bind", EADDRINUSE);
    if (::unlink(address.sun_path) != 0 && errno != ENOENT) {
        throwErrno(cat("remove the left-over socket ", address.sun_path));
    }
}

int bindRestricted(const Fd& socket, const sockaddr_un& address) noexcept {
    const mode_t before = ::umask(kMask);
    const int result =
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int code = errno;
    ::umask(before);
    errno = code;
    return result;
}

// Inode numbers come again at once, so the time counts, too.
bool isSame(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

Fd listenOnPath(const std::string& path, int backlog) {
    const sockaddr_un address = addressOf(path);
    removeLeftOver(address);
    Fd fd = makeSocket(0);
    if (bindRestricted(fd, address) != 0) throwErrno("bind");
    if (::listen(fd.get(), backlog) != 0) throwErrno("listen");
    return fd;
}

SocketPath::SocketPath(std::string path) noexcept : path_(std::move(path)), owner_(::getpid()) {
    if (::lstat(path_.c_str(), &made_) != 0) owner_ = 0;
}

void SocketPath::giveTo(uid_t owner, gid_t group) {
    const Fd fd(::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) throwErrno(cat("look at ", path_));
    if (!isSame(status, made_) || status.st_nlink != 1) {
        throwErrno(cat("give away ", path_), ESTALE);
    }
    if (::fchownat(fd.get(), "", owner, group, AT_EMPTY_PATH) != 0) {
        throwErrno(cat("give away ", path_));
    }
}

SocketPath::~SocketPath() {
    if (owner_ != ::getpid()) return;
    struct stat status {};
    if (::lstat(path_.c_str(), &status) == 0 && isSame(status, made_)) ::unlink(path_.c_str());
}

}  // namespace ociproxy
