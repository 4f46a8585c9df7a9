#ifndef OCIPROXY_SRC_PROXY_CLAIM_WATCHER_H
#define OCIPROXY_SRC_PROXY_CLAIM_WATCHER_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/shm/claim_table.h"

namespace ociproxy {

// Wakes what this worker has waiting on claims of any worker: one thread that sleeps
// on the worker's doorbell, so that waiting holds none. Any thread may call the
// methods. Callbacks run on the watcher's thread without any lock of the watcher
// held, and must not block.
class ClaimWatcher {
public:
    ClaimWatcher(ClaimTable* claims, WorkerTable* workers, std::uint32_t self);
    ~ClaimWatcher();  // stop()

    void start();
    // Ends the thread. Waits that are left fire once more, on the calling thread.
    void stop();

    // Calls `done` once: when the claim differs from `seen` in more than its
    // progress, when its progress crosses the hold-back, or when `until` is reached.
    void awaitChange(const ClaimKey& key, const ClaimView& seen, TimePoint until,
                     std::function<void()> done);

    // Calls `changed` after every change of the claim, progress included, as long as
    // the returned ticket lives and was not cancelled.
    class Ticket;
    std::shared_ptr<Ticket> follow(const ClaimKey& key, std::function<void()> changed);

    // Called about every half second on the watcher's thread; set before start().
    void setTick(std::function<void()> tick) { tick_ = std::move(tick); }

private:
    struct Waiter {
        ClaimView seen;
        TimePoint until;
        std::function<void()> done;
    };
    struct Watched {
        ClaimView last;
        std::list<Waiter> waiters;
        std::vector<std::weak_ptr<Ticket>> followers;
    };
    using Callbacks = std::vector<std::function<void()>>;

    void run();
    TimePoint fireDue(Callbacks* due);
    void collect(const ClaimKey& key, Watched* watched, TimePoint present, TimePoint* next,
                 Callbacks* due);
    void fireAll();

    ClaimTable* claims_;
    WorkerTable* workers_;
    std::uint32_t self_;
    std::function<void()> tick_;
    std::mutex mutex_;
    std::map<ClaimKey, Watched> watched_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Keeps a follower's callback alive and ends it.
class ClaimWatcher::Ticket {
public:
    explicit Ticket(std::function<void()> changed) : changed_(std::move(changed)) {}
    ~Ticket() = default;

    void call();
    // After return the callback neither runs nor will run.
    void cancel();

private:
    std::mutex mutex_;
    std::function<void()> changed_;
};

}  // namespace ociproxy

#endif
