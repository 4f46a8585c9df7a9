#include "ociproxy/shm/histogram.h"

#include <numeric>

#include "shm/layout.h"

namespace ociproxy {

std::uint64_t Histogram::count() const noexcept {
    return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

void Histogram::add(const HistogramCells& cells) noexcept {
    for (std::size_t i = 0; i < kHistogramBuckets; ++i) {
        buckets[i] += cells.buckets[i].load(std::memory_order_relaxed);
    }
    sumMicros += cells.sumMicros.load(std::memory_order_relaxed);
}

}  // namespace ociproxy
