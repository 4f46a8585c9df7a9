#include "ociproxy/store/throttle.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace ociproxy {

namespace {

constexpr std::uint64_t kNanosOfSecond = 1'000'000'000;
constexpr std::uint64_t kMostAtOnce = 1ull << 30;  // times the above fits into 64 bits

void sleepForReal(Millis time) { std::this_thread::sleep_for(time); }

}  // namespace

Throttle::Throttle(std::uint64_t rate, Sleep sleep)
    : rate_(rate), sleep_(sleep ? std::move(sleep) : Sleep(sleepForReal)) {}

void Throttle::spend(std::uint64_t bytes) {
    if (rate_ == 0) return;
    const std::uint64_t nanos = std::min(bytes, kMostAtOnce) * kNanosOfSecond / rate_;
    const TimePoint present = now();
    free_ = std::max(free_, present) + std::chrono::nanoseconds(nanos);
    const Millis wait = std::chrono::duration_cast<Millis>(free_ - present);
    if (wait > Millis{0}) sleep_(wait);
}

}  // namespace ociproxy
