#ifndef OCIPROXY_SRC_FRONT_PACE_H
#define OCIPROXY_SRC_FRONT_PACE_H

#include <cstdint>

#include "ociproxy/base/clock.h"

namespace ociproxy {

struct PaceLimits {
    Millis writeStall{15'000};
    std::uint64_t minRate = 1024;  // bytes per second over a window
    Millis minRateWindow{30'000};
};

// Judges whether the reader of one reply is too slow. Only time during which bytes were
// ready and the socket had no room counts: neither waiting for a fill nor for a sender
// thread is the reader's fault. Progress is what left the socket's queue, not what was
// put into it, so a slow reader behind large kernel buffers is seen to read. Times and
// numbers are passed in; a plain value. Serves as well for the client that sends a body:
// then what was received counts, and the time spent waiting for more.
class Pace {
public:
    explicit Pace(const PaceLimits& limits) : limits_(limits) {}

    // The socket has no room; `delivered` bytes of this connection left its queue so
    // far (only differences count).
    void blocked(TimePoint now, std::int64_t delivered);
    // When tooSlow() is to be asked. REQUIRES: blocked.
    TimePoint deadline() const;
    // Whether the reader is to be cut. If not, there is a new deadline().
    bool tooSlow(TimePoint now, std::int64_t delivered);
    // The socket has room again.
    void resumed(TimePoint now, std::int64_t delivered);

private:
    void account(TimePoint now, std::int64_t delivered);

    PaceLimits limits_;
    TimePoint since_;             // time before it is accounted for
    TimePoint::duration stalled_{0};  // since the last progress
    TimePoint::duration window_{0};   // spent in the current window
    std::int64_t last_ = 0;
    std::int64_t windowStart_ = 0;
    bool started_ = false;
};

}  // namespace ociproxy

#endif
