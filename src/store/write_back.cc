#include "store/write_back.h"

#include <fcntl.h>

namespace ociproxy {

namespace {

constexpr std::uint64_t kWindow = 8 * 1024 * 1024;

}  // namespace

void WriteBack::written(int fd, std::uint64_t size) noexcept {
    if (!wanted_ || size - begun_ < kWindow) return;
    const off64_t begin = static_cast<off64_t>(begun_);
    const off64_t count = static_cast<off64_t>(size - begun_);
    // A file system that cannot is not asked again; an error of the disk is left to fsync.
    wanted_ = ::sync_file_range(fd, begin, count, SYNC_FILE_RANGE_WRITE) == 0;
    begun_ = size;
}

}  // namespace ociproxy
