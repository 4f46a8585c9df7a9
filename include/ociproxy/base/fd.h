#ifndef OCIPROXY_BASE_FD_H
#define OCIPROXY_BASE_FD_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <utility>

namespace ociproxy {

// Fd owns one file descriptor and closes it. Movable, not copyable. Not
// synchronized: one thread at a time, as for any value.
class Fd {
public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}  // takes ownership; -1 is "none"
    ~Fd() { reset(); }
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;

    int get() const noexcept { return fd_; }
    bool valid() const noexcept { return fd_ >= 0; }
    explicit operator bool() const noexcept { return valid(); }
    // Gives the descriptor away; the caller closes it.
    int release() noexcept { return std::exchange(fd_, -1); }
    // Closes what is held (never retried on EINTR: the number is gone) and takes `fd`.
    void reset(int fd = -1) noexcept;

private:
    int fd_ = -1;
};

// Writes all `size` bytes at the current position, over EINTR and short writes.
// Throws SysError naming `what`.
void writeAll(int fd, const void* data, std::size_t size, const std::string& what);

// Writes all `size` bytes at `offset`. Throws SysError naming `what`.
void pwriteAll(int fd, const void* data, std::size_t size, std::uint64_t offset,
               const std::string& what);

// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
// Throws SysError naming `what`.
std::size_t preadAll(int fd, void* data, std::size_t size, std::uint64_t offset,
                     const std::string& what);

// Reads a whole file of at most `limit` bytes from `fd` (position 0 to end).
// Throws SysError, or Error when it is larger.
std::string readAll(int fd, std::size_t limit, const std::string& what);

}  // namespace ociproxy

#endif
