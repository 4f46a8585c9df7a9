#ifndef OCIPROXY_SRC_STORE_WRITE_BACK_H
#define OCIPROXY_SRC_STORE_WRITE_BACK_H

#include <cstdint>

namespace ociproxy {

// Has the kernel write a growing file to disk while it grows, so that the fsync at its end
// finds little left to do. Only a hint: nothing here waits for the disk, makes anything
// durable, or fails. One thread.
class WriteBack {
public:
    // `wanted`: whether there will be an fsync at all.
    explicit WriteBack(bool wanted) noexcept : wanted_(wanted) {}

    // The file has been written up to `size`.
    void written(int fd, std::uint64_t size) noexcept;

private:
    bool wanted_;
    std::uint64_t begun_ = 0;  // handed to the disk up to here
};

}  // namespace ociproxy

#endif
