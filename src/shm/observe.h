#ifndef OCIPROXY_SRC_SHM_OBSERVE_H
#define OCIPROXY_SRC_SHM_OBSERVE_H

#include <algorithm>

#include "shm/layout.h"

namespace ociproxy {

// Relaxed throughout: a counter says nothing of other memory.
inline void bump(std::atomic<std::uint64_t>* cell, std::uint64_t amount = 1) noexcept {
    cell->fetch_add(amount, std::memory_order_relaxed);
}

// Puts one observation into its bucket; a clock that went back took no time.
inline void observe(HistogramCells* cells, Micros took) noexcept {
    const auto* bound = std::lower_bound(kHistogramBounds.begin(), kHistogramBounds.end(), took);
    bump(&cells->buckets[bound - kHistogramBounds.begin()]);
    bump(&cells->sumMicros, static_cast<std::uint64_t>(std::max<Micros::rep>(took.count(), 0)));
}

}  // namespace ociproxy

#endif
