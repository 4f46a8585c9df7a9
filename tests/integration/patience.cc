#include "integration/patience.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include <cppunit/TestAssert.h>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

#if defined(OCIPROXY_ASAN) || defined(OCIPROXY_TSAN) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__)
constexpr bool kSanitizer = true;
#else
constexpr bool kSanitizer = false;
#endif

unsigned readSlowness() {
    const char* text = std::getenv("OCIPROXY_TEST_SLOWNESS");
    const int value = text != nullptr ? std::atoi(text) : 0;
    if (value > 0) return static_cast<unsigned>(value);
    return kSanitizer ? 6 : 1;
}

}  // namespace

bool underSanitizer() { return kSanitizer; }

unsigned slowness() {
    static const unsigned value = readSlowness();
    return value;
}

milliseconds patience() { return milliseconds(20'000) * slowness(); }

Deadline::Deadline(milliseconds after) : when_(std::chrono::steady_clock::now() + after) {}

bool Deadline::over() const { return std::chrono::steady_clock::now() >= when_; }

int Deadline::leftMillis() const {
    const std::chrono::nanoseconds left = when_ - std::chrono::steady_clock::now();
    const milliseconds millis = std::chrono::ceil<milliseconds>(left);
    return static_cast<int>(std::max<milliseconds::rep>(0, millis.count()));
}

bool eventually(const std::function<bool()>& condition, milliseconds within) {
    const Deadline deadline(within);
    while (!condition()) {
        if (deadline.over()) return condition();
        std::this_thread::sleep_for(milliseconds(3));
    }
    return true;
}

void await(const std::string& what, const std::function<bool()>& condition,
           milliseconds within) {
    CPPUNIT_ASSERT_MESSAGE(cat("did not happen in time: ", what), eventually(condition, within));
}

void Gate::pass() {
    const Deadline deadline(patience() * 3);
    std::unique_lock<std::mutex> lock(mutex_);
    ++arrivals_;
    changed_.notify_all();
    changed_.wait_until(lock, deadline.when(), [this] { return open_; });
}

void Gate::open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
}

unsigned Gate::arrivals() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return arrivals_;
}

void Gate::awaitArrivals(unsigned count) {
    const Deadline deadline;
    std::unique_lock<std::mutex> lock(mutex_);
    const bool came =
        changed_.wait_until(lock, deadline.when(), [&] { return arrivals_ >= count; });
    CPPUNIT_ASSERT_MESSAGE(cat("only ", arrivals_, " of ", count, " arrived at the gate"), came);
}

}  // namespace ociproxy::itest
