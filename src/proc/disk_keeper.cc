#include "proc/disk_keeper.h"

#include <algorithm>
#include <exception>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/shm/shared_state.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kMostMinFree = std::uint64_t{1} << 30;

std::uint64_t markOf(std::uint64_t bound) noexcept { return bound - bound / 20; }
std::uint64_t targetOf(std::uint64_t bound) noexcept { return bound - bound / 10; }

std::uint64_t sum(const StoreBudget& budget) noexcept {
    return budget.used() + budget.inFlight();
}

}  // namespace

DiskKeeper::DiskKeeper(const Options& options) noexcept : options_(options) {}

void DiskKeeper::work(TimePoint now) {
    try {
        look(now);
    } catch (const std::exception& e) {
        if (now < failedAt_) return;
        failedAt_ = now + options_.sayEvery;
        options_.log->warning(cat("the disk is not looked after: ", failureText(e)));
    }
}

void DiskKeeper::look(TimePoint now) {
    figures_ = options_.space->figures();
    options_.shared->budget().setInFlight(options_.space->inFlight());
    if (!bounded_) findBounds();
    if (now >= refreshAt_) refresh(now);
    if (!bounded_) findBounds();
    makeRoom(now);
    judge(now);
    publish();
    sweep(now);
}

// The automatic bound is known at once but for the first start of all, when the store
// has to be measured first.
void DiskKeeper::findBounds() {
    minFree_ = options_.minFree.value_or(std::min(figures_.total / 50, kMostMinFree));
    if (options_.maxSize) return setBound(*options_.maxSize);
    if (const auto known = options_.space->rememberedBound()) return setBound(*known);
    if (refreshAt_ == TimePoint::min()) return;
    const std::uint64_t ours = options_.evictor->state().cost + figures_.available;
    const std::uint64_t bound = std::max<std::uint64_t>(ours - ours / 10, 1);
    options_.space->rememberBound(bound);
    setBound(bound);
    options_.log->info(cat("cache_max_size = auto: ", bound, " bytes from now on"));
}

void DiskKeeper::setBound(std::uint64_t bytes) {
    bounded_ = true;
    options_.shared->budget().setLimit(bytes, markOf(bytes));
}

void DiskKeeper::refresh(TimePoint now) {
    refreshAt_ = now + options_.refreshEvery;
    StoreBudget& budget = options_.shared->budget();
    const std::uint64_t then = budget.used();
    options_.evictor->refresh();
    budget.correct(then, options_.evictor->state().cost);
    budget.setEvictable(options_.evictor->state().evictable);
}

bool DiskKeeper::lacksSpace() const noexcept {
    return minFree_ > 0 && figures_.available < minFree_;
}

// How much is to go.
std::uint64_t DiskKeeper::excess(TimePoint now) const noexcept {
    const StoreBudget& budget = options_.shared->budget();
    const std::uint64_t bound = budget.limit();
    std::uint64_t over = 0;
    if (bound != StoreBudget::kUnlimited && sum(budget) > budget.mark()) {
        over = sum(budget) - targetOf(bound);
    }
    if (lacksSpace() && now >= freeAt_) {
        over = std::max(over, minFree_ + minFree_ / 10 - figures_.available);
    }
    return over;
}

void DiskKeeper::makeRoom(TimePoint now) {
    if (excess(now) == 0 || now < retryAt_) return;
    refresh(now);
    const std::uint64_t wanted = excess(now);
    if (lacksSpace()) freeAt_ = now + options_.retryEvery;
    if (wanted == 0) return;
    const std::uint64_t before = options_.evictor->state().cost;
    evict(wanted);
    const std::uint64_t freed = before - options_.evictor->state().cost;
    if (freed == 0) retryAt_ = now + options_.retryEvery;
}

void DiskKeeper::evict(std::uint64_t cost) {
    StoreBudget& budget = options_.shared->budget();
    const Evictor::Result done = options_.evictor->evict(cost);
    budget.correct(done.cost, 0);
    budget.setEvictable(options_.evictor->state().evictable);
    if (done.files == 0) return;
    options_.shared->counters().add(Counter::kEvictedFiles, done.files);
    options_.shared->counters().add(Counter::kEvictedBytes, done.bytes);
    options_.log->info(cat("evicted ", done.files, " files with ", done.bytes,
                           " bytes; the cache now takes ", sum(budget), " bytes"));
}

// Whether anything can be stored at all.
void DiskKeeper::judge(TimePoint now) {
    StoreBudget& budget = options_.shared->budget();
    const bool over = budget.limit() != StoreBudget::kUnlimited && sum(budget) > budget.limit();
    const bool full = (over || lacksSpace()) && budget.evictable() == 0;
    budget.setFull(full);
    if (full && now >= sayAt_) {
        sayAt_ = now + options_.sayEvery;
        options_.log->warning(cat(over ? "the cache is larger than cache_max_size"
                                       : "less than cache_min_free is free",
                                  " and there is nothing left to evict: what is fetched now is "
                                  "not stored"));
    }
    if (full_ && !full) options_.log->info("there is room in the cache again");
    full_ = full;
}

void DiskKeeper::sweep(TimePoint now) {
    if (!sweepAt_) sweepAt_ = now + options_.sweepEvery / 12;
    if (now < *sweepAt_) return;
    sweepAt_ = now + options_.sweepEvery;
    const unsigned count = options_.evictor->sweep();
    if (count > 0) options_.log->info(cat("removed ", count, " records of content that is gone"));
}

void DiskKeeper::publish() {
    const Evictor::State state = options_.evictor->state();
    const StoreBudget& budget = options_.shared->budget();
    Counters& counters = options_.shared->counters();
    counters.set(Gauge::kStoreBytes, state.bytes);
    counters.set(Gauge::kStoreFiles, state.files);
    counters.set(Gauge::kStoreUsed, sum(budget));
    counters.set(Gauge::kStoreLimit, budget.limit());
}

}  // namespace ociproxy
