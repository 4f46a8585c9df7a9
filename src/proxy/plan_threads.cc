#include "proxy/plan_threads.h"

#include <pthread.h>

namespace ociproxy {

void PlanThreads::start(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] {
            pthread_setname_np(pthread_self(), "planner");
            run();
        });
    }
}

void PlanThreads::push(SessionPtr session) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!stopping_) {
            queue_.push_back(std::move(session));
            changed_.notify_one();
            return;
        }
    }
    step_(std::move(session));
}

void PlanThreads::run() {
    for (;;) {
        SessionPtr session;
        {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) return;
            session = std::move(queue_.front());
            queue_.pop_front();
        }
        step_(std::move(session));
    }
}

void PlanThreads::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

}  // namespace ociproxy
