#ifndef OCIPROXY_SRC_PROXY_PLAN_THREADS_H
#define OCIPROXY_SRC_PROXY_PLAN_THREADS_H

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/session.h"

namespace ociproxy {

// The threads on which sessions are planned anew after a wait or a work: planning
// looks at the disk, so neither the watcher nor an upstream thread does it. Any
// thread may push, and post what else may wait for the disk.
class PlanThreads {
public:
    explicit PlanThreads(std::function<void(SessionPtr)> step) : step_(std::move(step)) {}
    ~PlanThreads() { stop(); }

    void start(unsigned threads);
    void push(SessionPtr session) {
        post([this, session = std::move(session)] { step_(session); });
    }
    void post(std::function<void()> task);
    // Does what is queued and joins; what comes later is done at once.
    void stop();

private:
    void run();

    std::function<void(SessionPtr)> step_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> queue_;
    std::vector<std::thread> threads_;
    bool stopping_ = false;
};

}  // namespace ociproxy

#endif
