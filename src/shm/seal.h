#ifndef OCIPROXY_SRC_SHM_SEAL_H
#define OCIPROXY_SRC_SHM_SEAL_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ociproxy {

// A number that changes with any one word of what it seals: tells memory that somebody
// else wrote to from our own. No defence against who computes a seal.
inline std::uint64_t sealOfBytes(std::uint64_t seed, const char* bytes,
                                 std::size_t size) noexcept {
    std::uint64_t sum = seed ^ 0x6f63697072786c79;
    while (size > 0) {
        std::uint64_t word = 0;
        const std::size_t step = std::min(size, sizeof word);
        std::memcpy(&word, bytes, step);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15;
        sum ^= sum >> 32;
        bytes += step;
        size -= step;
    }
    return sum;
}

}  // namespace ociproxy

#endif
