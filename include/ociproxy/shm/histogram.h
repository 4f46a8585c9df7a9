#ifndef OCIPROXY_SHM_HISTOGRAM_H
#define OCIPROXY_SHM_HISTOGRAM_H

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ociproxy {

using Micros = std::chrono::microseconds;

// Upper bounds of the buckets, included, from what a hit takes to what a large body over
// a slow line does. One more bucket holds what takes longer.
constexpr std::array<Micros, 17> kHistogramBounds{
    Micros{500},       Micros{1'000},     Micros{2'500},     Micros{5'000},
    Micros{10'000},    Micros{25'000},    Micros{50'000},    Micros{100'000},
    Micros{250'000},   Micros{500'000},   Micros{1'000'000}, Micros{2'500'000},
    Micros{5'000'000}, Micros{10'000'000}, Micros{30'000'000}, Micros{60'000'000},
    Micros{300'000'000}};
constexpr std::size_t kHistogramBuckets = kHistogramBounds.size() + 1;

struct HistogramCells;  // src/shm: the shared layout

// How long things took, as counts per bucket. A plain value: what was read from shared
// memory, perhaps of several workers.
struct Histogram {
    std::array<std::uint64_t, kHistogramBuckets> buckets{};  // each without the ones below
    std::uint64_t sumMicros = 0;

    std::uint64_t count() const noexcept;
    // Adds what the cells hold now. A reader between the stores of one observation may see
    // it in the bucket and not yet in the sum.
    void add(const HistogramCells& cells) noexcept;
};

}  // namespace ociproxy

#endif
