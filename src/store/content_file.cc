#include "ociproxy/store/content_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/open_file.h"

namespace ociproxy {

namespace {

// A file system that has no disk does not know RWF_NOWAIT, and does not need it.
bool isInMemory(const Fd& file) noexcept {
    struct statfs system = {};
    return ::fstatfs(file.get(), &system) == 0 && system.f_type == TMPFS_MAGIC;
}

ssize_t readNoWait(const Fd& file, std::uint64_t offset, char* data, std::size_t size) noexcept {
    const iovec place{data, size};
    const off_t at = static_cast<off_t>(offset);
    const ssize_t got = ::preadv2(file.get(), &place, 1, at, RWF_NOWAIT);
    if (got >= 0 || errno != EOPNOTSUPP || !isInMemory(file)) return got;
    return ::pread(file.get(), data, size, at);
}

}  // namespace

namespace {

FileState stateOf(const struct stat& status) noexcept {
    return FileState{static_cast<std::uint64_t>(status.st_size),
                     static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                         status.st_mtim.tv_nsec};
}

}  // namespace

FileIdentity identityOf(const Fd& file) {
    const struct stat status = statusOf(file.get(), "stored content");
    return FileIdentity{status.st_dev, status.st_ino, stateOf(status)};
}

std::optional<FileState> lookAtFile(const Fd& file) noexcept {
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0 || status.st_nlink != 1) return std::nullopt;
    return stateOf(status);
}

std::optional<std::string> readVerified(const Fd& file, std::uint64_t size,
                                        const Digest& digest) {
    std::string bytes(static_cast<std::size_t>(size), '\0');
    const std::size_t got = preadAll(file.get(), bytes.data(), bytes.size(), 0, digest.text());
    if (got != bytes.size() || digestOf(digest.algorithm(), bytes) != digest) return std::nullopt;
    return bytes;
}

bool readResident(const Fd& file, std::uint64_t offset, std::size_t size, std::string* out) {
    const std::size_t before = out->size();
    out->resize(before + size);
    const ssize_t got = readNoWait(file, offset, out->data() + before, size);
    if (got == static_cast<ssize_t>(size)) return true;
    out->resize(before);
    return false;
}

bool isResident(const Fd& file, std::uint64_t size) noexcept {
    std::array<char, 16 * 1024> bytes;
    std::uint64_t offset = 0;
    while (offset < size) {
        const std::uint64_t wanted = std::min<std::uint64_t>(size - offset, bytes.size());
        const ssize_t got =
            readNoWait(file, offset, bytes.data(), static_cast<std::size_t>(wanted));
        if (got <= 0) return false;
        offset += static_cast<std::uint64_t>(got);
    }
    return true;
}

}  // namespace ociproxy
