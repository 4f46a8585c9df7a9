#include "proxy/upstream_pool.h"

#include <algorithm>
#include <pthread.h>
#include <system_error>

namespace ociproxy {

namespace {

const char* threadName(Lane lane) {
    switch (lane) {
    case Lane::kSmall: return "upstream";
    case Lane::kPass: return "pass";
    case Lane::kFill: break;
    }
    return "fill";
}

}  // namespace

UpstreamPool::UpstreamPool(const Options& options) : options_(options) {
    small_.maxThreads = options.smallThreads;
    fill_.maxThreads = options.fillThreads;
    pass_.maxThreads = options.passThreads;
}

UpstreamPool::~UpstreamPool() { stop(); }

UpstreamPool::LaneState& UpstreamPool::lane(const Work& work) {
    switch (work.lane()) {
    case Lane::kSmall: return small_;
    case Lane::kPass: return pass_;
    case Lane::kFill: break;
    }
    return fill_;
}

void UpstreamPool::submit(WorkPtr work, SessionPtr session) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto same = joinable_.find(work->joinKey());
    if (same != joinable_.end() && (!session || same->second->join(session))) return;
    if (session) work->join(std::move(session));
    if (stopping_) {
        lock.unlock();
        work->release(options_.stopped);
        return;
    }
    joinable_[work->joinKey()] = work;
    LaneState& queueing = lane(*work);
    queueing.queue.push_back({work, now()});
    startThreadIfUseful(&queueing, threadName(work->lane()));
    lock.unlock();
    changed_.notify_all();
}

void UpstreamPool::startThreadIfUseful(LaneState* lane, const char* name) {
    if (lane->idle >= lane->queue.size() || lane->threads >= lane->maxThreads) return;
    try {
        threads_.emplace_back([this, lane, name] { runThread(lane, name); });
        ++lane->threads;
    } catch (const std::system_error&) {
        // No thread to be had now: the work waits for one that there is, or expires.
    }
}

void UpstreamPool::runThread(LaneState* lane, const char* name) {
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        const WorkPtr work = takeNext(lane);
        if (!work) return;
        work->run();
        finished(work);
    }
}

bool UpstreamPool::mayRun(const Work& work) const {
    if (work.lane() != Lane::kFill) return true;
    const auto running = runningFills_.find(work.upstream());
    return running == runningFills_.end() || running->second < options_.fillsPerUpstream;
}

// The oldest work whose upstream is below its limit; nullptr when stopping.
WorkPtr UpstreamPool::takeNext(LaneState* lane) {
    std::unique_lock<std::mutex> lock(mutex_);
    ++lane->idle;
    for (;;) {
        if (stopping_) return nullptr;
        const auto next = std::find_if(lane->queue.begin(), lane->queue.end(),
                                       [this](const Queued& q) { return mayRun(*q.work); });
        if (next != lane->queue.end()) {
            WorkPtr work = std::move(next->work);
            lane->queue.erase(next);
            --lane->idle;
            if (work->lane() == Lane::kFill) ++runningFills_[work->upstream()];
            return work;
        }
        changed_.wait(lock);
    }
}

void UpstreamPool::finished(const WorkPtr& work) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto same = joinable_.find(work->joinKey());
        if (same != joinable_.end() && same->second == work) joinable_.erase(same);
        if (work->lane() == Lane::kFill && --runningFills_[work->upstream()] == 0) {
            runningFills_.erase(work->upstream());
        }
    }
    changed_.notify_all();
}

std::vector<WorkPtr> UpstreamPool::takeExpired(LaneState* lane, TimePoint limit) {
    std::vector<WorkPtr> expired;
    while (!lane->queue.empty() && lane->queue.front().since < limit) {
        WorkPtr work = std::move(lane->queue.front().work);
        lane->queue.pop_front();
        const auto same = joinable_.find(work->joinKey());
        if (same != joinable_.end() && same->second == work) joinable_.erase(same);
        expired.push_back(std::move(work));
    }
    return expired;
}

void UpstreamPool::expire() {
    std::vector<WorkPtr> expired;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const TimePoint limit = now() - options_.queueTimeout;
        for (LaneState* state : lanes()) {
            for (WorkPtr& work : takeExpired(state, limit)) expired.push_back(std::move(work));
        }
    }
    for (const WorkPtr& work : expired) work->release(options_.expired);
}

bool UpstreamPool::filling() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !runningFills_.empty();
}

void UpstreamPool::stop() {
    std::vector<WorkPtr> left;
    std::vector<std::thread> threads;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        for (LaneState* state : lanes()) {
            for (Queued& queued : state->queue) left.push_back(std::move(queued.work));
            state->queue.clear();
        }
        threads.swap(threads_);
    }
    changed_.notify_all();
    for (const WorkPtr& work : left) work->release(options_.stopped);
    for (std::thread& thread : threads) thread.join();
}

}  // namespace ociproxy
