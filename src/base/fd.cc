#include "ociproxy/base/fd.h"

#include <cerrno>
#include <unistd.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

constexpr std::size_t kReadStep = 64 * 1024;

}  // namespace

void Fd::reset(int fd) noexcept {
    OCIPROXY_ASSERT(fd < 0 || fd != fd_);
    int old = std::exchange(fd_, fd);
    if (old < 0) return;
    // Descriptors are closed on the way out of failures, whose errno is still wanted.
    int saved = errno;
    // EBADF means that somebody else closed it, and next time closes a stranger's.
    OCIPROXY_ASSERT(::close(old) == 0 || errno != EBADF);
    errno = saved;
}

void writeAll(int fd, const void* data, std::size_t size, const std::string& what) {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
        ssize_t count = ::write(fd, from, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throwErrno(what, count < 0 ? errno : EIO);
        from += count;
        size -= static_cast<std::size_t>(count);
    }
}

void pwriteAll(int fd, const void* data, std::size_t size, std::uint64_t offset,
               const std::string& what) {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
        ssize_t count = ::pwrite(fd, from, size, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throwErrno(what, count < 0 ? errno : EIO);
        from += count;
        size -= static_cast<std::size_t>(count);
        offset += static_cast<std::uint64_t>(count);
    }
}

std::size_t preadAll(int fd, void* data, std::size_t size, std::uint64_t offset,
                     const std::string& what) {
    char* to = static_cast<char*>(data);
    std::size_t done = 0;
    while (done < size) {
        ssize_t count = ::pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throwErrno(what);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

std::string readAll(int fd, std::size_t limit, const std::string& what) {
    std::string out;
    for (;;) {
        // One byte beyond the limit tells "larger" from "exactly as large".
        std::size_t room = limit - out.size();
        std::size_t step = room < kReadStep ? room + 1 : kReadStep;
        std::size_t before = out.size();
        out.resize(before + step);
        std::size_t count = preadAll(fd, &out[before], step, before, what);
        out.resize(before + count);
        if (out.size() > limit) {
            throw Error(what + ": larger than " + std::to_string(limit) + " bytes");
        }
        if (count < step) return out;
    }
}

}  // namespace ociproxy
