#include "front/pace.h"

#include <algorithm>

namespace ociproxy {

void Pace::blocked(TimePoint now, std::int64_t delivered) {
    since_ = now;
    if (!started_) {
        started_ = true;
        last_ = windowStart_ = delivered;
    } else if (delivered > last_) {
        last_ = delivered;
        stalled_ = TimePoint::duration{0};
    }
}

TimePoint Pace::deadline() const {
    const TimePoint::duration stall = limits_.writeStall - stalled_;
    const TimePoint::duration window = limits_.minRateWindow - window_;
    // Often enough that progress soon after the last look does not double the patience.
    const TimePoint::duration look = limits_.writeStall / 3;
    return since_ + std::min({stall, window, look});
}

void Pace::account(TimePoint now, std::int64_t delivered) {
    const TimePoint::duration spent = now - since_;
    since_ = now;
    window_ += spent;
    if (delivered > last_) {
        last_ = delivered;
        stalled_ = TimePoint::duration{0};
    } else {
        stalled_ += spent;
    }
}

bool Pace::tooSlow(TimePoint now, std::int64_t delivered) {
    account(now, delivered);
    if (stalled_ >= limits_.writeStall) return true;
    if (window_ < limits_.minRateWindow) return false;
    const double seconds = std::chrono::duration<double>(window_).count();
    const double wanted = seconds * static_cast<double>(limits_.minRate);
    if (static_cast<double>(delivered - windowStart_) < wanted) return true;
    window_ = TimePoint::duration{0};
    windowStart_ = delivered;
    return false;
}

void Pace::resumed(TimePoint now, std::int64_t delivered) {
    account(now, delivered);
}

}  // namespace ociproxy
