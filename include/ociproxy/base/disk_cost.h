#ifndef OCIPROXY_BASE_DISK_COST_H
#define OCIPROXY_BASE_DISK_COST_H

#include <algorithm>
#include <cstdint>

namespace ociproxy {

// What content of `size` bytes takes on disk: whole blocks, and one for its record. The
// one way to count, for who stores and for who measures. Sums of some of these do not
// overflow.
constexpr std::uint64_t diskCost(std::uint64_t size) noexcept {
    constexpr std::uint64_t kBlock = 4096;
    constexpr std::uint64_t kMost = std::uint64_t{1} << 60;  // far beyond any disk
    return (std::min(size, kMost) + kBlock - 1) / kBlock * kBlock + kBlock;
}

}  // namespace ociproxy

#endif
