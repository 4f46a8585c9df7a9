// How long the tests wait for what must happen, and how they wait for it: on a
// condition with a deadline, never for a fixed time.
#ifndef OCIPROXY_TESTS_INTEGRATION_PATIENCE_H
#define OCIPROXY_TESTS_INTEGRATION_PATIENCE_H

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

namespace ociproxy::itest {

using std::chrono::milliseconds;

// How many times slower than a plain build on an idle machine things may be: 1, more
// with a sanitizer; OCIPROXY_TEST_SLOWNESS overrides it.
unsigned slowness();
bool underSanitizer();

// Patience with one thing: generous, because a test that passes does not need it.
milliseconds patience();

// The point in time at which patience is over. A plain value.
class Deadline {
public:
    explicit Deadline(milliseconds after = patience());
    bool over() const;
    int leftMillis() const;  // for poll(2): at least 0
    std::chrono::steady_clock::time_point when() const { return when_; }

private:
    std::chrono::steady_clock::time_point when_;
};

// Whether `condition` became true in time; it is asked every few milliseconds.
bool eventually(const std::function<bool()>& condition, milliseconds within = patience());
// Fails the running test, naming `what`, when it did not.
void await(const std::string& what, const std::function<bool()>& condition,
           milliseconds within = patience());

// A place where threads stop until it is opened. Any thread. Whoever waits loses
// patience in the end, so that a broken test ends.
class Gate {
public:
    // Counts the arrival and waits until the gate is open.
    void pass();
    void open();
    unsigned arrivals() const;
    // Fails the running test when `count` threads do not arrive in time.
    void awaitArrivals(unsigned count);

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    unsigned arrivals_ = 0;
    bool open_ = false;
};

}  // namespace ociproxy::itest

#endif
