#ifndef OCIPROXY_TESTS_INTEGRATION_CROWD_H
#define OCIPROXY_TESTS_INTEGRATION_CROWD_H

#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "integration/patience.h"

namespace ociproxy::itest {

// Many clients at once: runs work(0) ... work(count - 1), each on a thread of its
// own, all let go together. Destroying it joins them.
class Crowd {
public:
    Crowd(unsigned count, std::function<void(unsigned)> work);
    ~Crowd();
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    // Waits for a condition that they bring about, as await() does; rethrows the first
    // failure of a client as soon as there is one, for then it may never come true.
    void await(const std::string& what, const std::function<bool()>& condition);
    // Waits for all of them; rethrows the first failure.
    void join();

private:
    void run(unsigned index);
    void joinAll();
    bool failed();
    void rethrow();

    std::function<void(unsigned)> work_;
    Gate start_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

}  // namespace ociproxy::itest

#endif
