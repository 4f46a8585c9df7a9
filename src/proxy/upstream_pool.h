#ifndef OCIPROXY_SRC_PROXY_UPSTREAM_POOL_H
#define OCIPROXY_SRC_PROXY_UPSTREAM_POOL_H

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ociproxy/base/clock.h"
#include "proxy/work.h"

namespace ociproxy {

// The threads that talk to upstreams: bounded, in three lanes, fills with a limit
// per upstream so that one that hangs does not take all of them. Threads are started
// when there is work for them and stay. Any thread may submit.
class UpstreamPool {
public:
    struct Options {
        unsigned smallThreads = 16;
        unsigned fillThreads = 24;
        unsigned fillsPerUpstream = 16;
        unsigned passThreads = 32;
        Millis queueTimeout{25'000};
        WorkResult expired;  // what sessions get whose work waited too long
        WorkResult stopped;
    };

    explicit UpstreamPool(const Options& options);
    ~UpstreamPool();  // stop()

    // Joins `session` (may be nullptr: a take-over that nobody waits for) to an equal
    // work that is still queued or has not released its sessions, or queues `work`.
    void submit(WorkPtr work, SessionPtr session);
    // Releases works that were queued for too long; called now and then.
    void expire();
    // Whether a work of the fill lane is running.
    bool filling() const;
    // Releases what is queued and joins the threads, waiting for what runs.
    void stop();

private:
    struct Queued {
        WorkPtr work;
        TimePoint since;
    };
    struct LaneState {
        std::deque<Queued> queue;
        unsigned threads = 0;
        unsigned idle = 0;
        unsigned maxThreads = 0;
    };

    LaneState& lane(const Work& work);
    void runThread(LaneState* lane, const char* name);
    WorkPtr takeNext(LaneState* lane);
    bool mayRun(const Work& work) const;
    void finished(const WorkPtr& work);
    void startThreadIfUseful(LaneState* lane, const char* name);
    std::array<LaneState*, 3> lanes() { return {&small_, &fill_, &pass_}; }
    std::vector<WorkPtr> takeExpired(LaneState* lane, TimePoint limit);

    Options options_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    LaneState small_;
    LaneState fill_;
    LaneState pass_;
    std::map<std::string, WorkPtr> joinable_;          // by join key, queued or running
    std::map<std::string, unsigned> runningFills_;     // by upstream
    std::vector<std::thread> threads_;
    bool stopping_ = false;
};

}  // namespace ociproxy

#endif
