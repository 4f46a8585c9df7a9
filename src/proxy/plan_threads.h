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
// thread may push.
class PlanThreads {
public:
    explicit PlanThreads(std::function<void(SessionPtr)> step) : step_(std::move(step)) {}
    ~PlanThreads() { stop(); }

    void start(unsigned threads);
    void push(SessionPtr session);
    // Steps through what is queued and joins; what is pushed later is stepped at once.
    void stop();

private:
    void run();

    std::function<void(SessionPtr)> step_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<SessionPtr> queue_;
    std::vector<std::thread> threads_;
    bool stopping_ = false;
};

}  // namespace ociproxy

#endif
