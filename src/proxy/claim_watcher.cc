#include "proxy/claim_watcher.h"

#include <algorithm>
#include <pthread.h>

#include "proxy/plan.h"

namespace ociproxy {

namespace {

// The doorbell may be missed by nobody, but a worker that hangs rings none.
constexpr Millis kLookAtLeast{500};

bool pastHoldBack(const ClaimView& view) { return view.bytes > kHoldBack; }

// What a waiting plan cares about.
bool decisive(const ClaimView& seen, const ClaimView& present) {
    return seen.state != present.state || seen.generation != present.generation ||
           seen.started != present.started || seen.lineage != present.lineage ||
           seen.ownerResponsive != present.ownerResponsive ||
           pastHoldBack(seen) != pastHoldBack(present);
}

bool anyChange(const ClaimView& seen, const ClaimView& present) {
    return decisive(seen, present) || seen.bytes != present.bytes || seen.total != present.total;
}

}  // namespace

void ClaimWatcher::Ticket::call() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (changed_) changed_();
}

void ClaimWatcher::Ticket::cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_ = nullptr;
}

ClaimWatcher::ClaimWatcher(ClaimTable* claims, WorkerTable* workers, std::uint32_t self)
    : claims_(claims), workers_(workers), self_(self) {}

ClaimWatcher::~ClaimWatcher() { stop(); }

void ClaimWatcher::start() {
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "watcher");
        run();
    });
}

void ClaimWatcher::stop() {
    stopping_ = true;
    workers_->ring(self_);
    if (thread_.joinable()) thread_.join();
    fireAll();
}

void ClaimWatcher::awaitChange(const ClaimKey& key, const ClaimView& seen, TimePoint until,
                               std::function<void()> done) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        watched_[key].waiters.push_back({seen, until, std::move(done)});
    }
    workers_->ring(self_);  // the change may have come before the entry
    if (stopping_) fireAll();
}

std::shared_ptr<ClaimWatcher::Ticket> ClaimWatcher::follow(const ClaimKey& key,
                                                           std::function<void()> changed) {
    std::shared_ptr<Ticket> ticket = std::make_shared<Ticket>(std::move(changed));
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        watched_[key].followers.push_back(ticket);
    }
    workers_->ring(self_);
    return ticket;
}

void ClaimWatcher::run() {
    TimePoint nextTick = now();
    while (!stopping_) {
        const std::uint32_t bell = workers_->doorbell(self_);  // before looking at the state
        Callbacks due;
        const TimePoint next = fireDue(&due);
        for (const std::function<void()>& callback : due) callback();
        if (tick_ && now() >= nextTick) {
            tick_();
            nextTick = now() + kLookAtLeast;
        }
        const Millis left = std::chrono::duration_cast<Millis>(next - now()) + Millis{1};
        workers_->wait(self_, bell, std::clamp(left, Millis{0}, kLookAtLeast));
    }
}

// Collects what is to be called; the next time at which a wait is over.
TimePoint ClaimWatcher::fireDue(Callbacks* due) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const TimePoint present = now();
    TimePoint next = present + kLookAtLeast;
    for (auto entry = watched_.begin(); entry != watched_.end();) {
        collect(entry->first, &entry->second, present, &next, due);
        const bool empty = entry->second.waiters.empty() && entry->second.followers.empty();
        entry = empty ? watched_.erase(entry) : std::next(entry);
    }
    return next;
}

void ClaimWatcher::collect(const ClaimKey& key, Watched* watched, TimePoint present,
                           TimePoint* next, Callbacks* due) {
    std::vector<std::weak_ptr<Ticket>>& followers = watched->followers;
    followers.erase(std::remove_if(followers.begin(), followers.end(),
                                   [](const std::weak_ptr<Ticket>& f) { return f.expired(); }),
                    followers.end());
    // Looking says that the claim is wanted, so nobody looks for those who have gone.
    if (followers.empty() && watched->waiters.empty()) return;
    const ClaimView view = claims_->find(key, self_).value_or(ClaimView{});
    for (auto waiter = watched->waiters.begin(); waiter != watched->waiters.end();) {
        if (waiter->until <= present || decisive(waiter->seen, view)) {
            due->push_back(std::move(waiter->done));
            waiter = watched->waiters.erase(waiter);
        } else {
            *next = std::min(*next, waiter->until);
            ++waiter;
        }
    }
    const bool changed = anyChange(watched->last, view);
    watched->last = view;
    // A fill that nobody owns any more does not change by itself: its followers are asked
    // again and again to have it taken over, since one order may be lost.
    const bool ownerless = view.state == ClaimState::kOrphaned ||
                           (view.state == ClaimState::kRunning && !view.ownerResponsive);
    if (!changed && !ownerless) return;
    for (const std::weak_ptr<Ticket>& follower : followers) {
        due->push_back([follower] {
            if (const std::shared_ptr<Ticket> ticket = follower.lock()) ticket->call();
        });
    }
}

void ClaimWatcher::fireAll() {
    std::map<ClaimKey, Watched> left;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        left.swap(watched_);
    }
    for (auto& entry : left) {
        for (Waiter& waiter : entry.second.waiters) waiter.done();
    }
}

}  // namespace ociproxy
