#ifndef OCIPROXY_SRC_UPSTREAM_MINIMUM_RATE_H
#define OCIPROXY_SRC_UPSTREAM_MINIMUM_RATE_H

#include <cstddef>
#include <cstdint>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// Whether bytes come fast enough: a trickle never falls silent, so that a limit for silence
// alone would wait for it for ever. Once between two windows of time that were met a pause
// as long as a window is forgiven: silence has a limit of its own, and what comes after it
// shall not be too late already. A plain value.
class MinimumRate {
public:
    // `rate` bytes per second, on average over `window`; 0: any rate will do.
    MinimumRate(std::uint64_t rate, Millis window, TimePoint start) noexcept
        : quota_(rate * static_cast<std::uint64_t>(window.count()) / 1000), window_(window),
          mark_(start) {}

    void received(std::size_t count, TimePoint present) noexcept {
        count_ += count;
        if (count_ < quota_) return;
        forgiven_ = false;
        restart(present);
    }
    // Nothing came in this time, and then something.
    void paused(TimePoint from, TimePoint to) noexcept {
        if (to - from < window_ || forgiven_) return;
        forgiven_ = true;
        restart(to);
    }
    // REQUIRES: not asked in the midst of a pause.
    bool tooSlow(TimePoint present) const noexcept {
        return quota_ > 0 && present - mark_ >= window_;
    }

private:
    void restart(TimePoint present) noexcept {
        count_ = 0;
        mark_ = present;
    }

    std::uint64_t quota_;
    Millis window_;
    TimePoint mark_;  // since when `count_` counts
    std::uint64_t count_ = 0;
    bool forgiven_ = false;
};

}  // namespace ociproxy

#endif
