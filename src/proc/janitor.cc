#include "ociproxy/proc/janitor.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/signals.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/store.h"
#include "ociproxy/store/unsynced.h"
#include "proc/module_options.h"

namespace ociproxy {

namespace {

// Times of files come from a clock that ticks as slowly as this.
constexpr Millis kClockTick{10};
constexpr Millis kServiceEnd{1'000};
constexpr Millis kSyncEvery{60'000};

}  // namespace

Janitor::Janitor(const Options& options) noexcept : options_(options) {}

TimePoint Janitor::work(TimePoint now) {
    try {
        if (now >= checkAt_) {
            checkAt_ = now + options_.checkEvery;
            check();
        }
        if (now >= reapAt_) {
            reapAt_ = now + options_.reapEvery;
            reap(now);
        }
        if (now >= measureAt_) {
            measureAt_ = now + options_.measureEvery;
            measure();
        }
    } catch (const std::exception& e) {
        options_.log->warning(failureText(e));
    }
    return std::min({checkAt_, reapAt_, measureAt_});
}

// Said once, when it begins and when it is over.
void Janitor::check() {
    Counters& counters = options_.shared->counters();
    try {
        options_.store->checkWritable();
        if (failing_) options_.log->info("the cache can be written to again");
        failing_ = false;
    } catch (const std::exception& e) {
        if (!failing_) options_.log->error(cat("the cache cannot be written to: ", e.what()));
        failing_ = true;
    }
    counters.set(Gauge::kStoreWritable, failing_ ? 0 : 1);
}

void Janitor::reap(TimePoint now) {
    // The age before the claims: a file that comes after them is then too young.
    Millis age = reapAge(now);
    std::optional<std::set<std::uint64_t>> inUse = options_.shared->claims().lineagesInUse();
    if (!inUse) {
        options_.log->warning("temporary files are not reaped: the claim table is locked");
        return;
    }
    unsigned count = options_.store->reapTemporary(*inUse, age);
    if (count > 0) options_.log->info(cat("reaped ", count, " temporary files"));
}

Millis Janitor::reapAge(TimePoint now) noexcept {
    if (!options_.allEarlierGone) return options_.reapIdle;
    options_.allEarlierGone = false;
    Millis since = std::chrono::ceil<Millis>(now - options_.earlier) + kClockTick;
    return std::min(since, options_.reapIdle);
}

void Janitor::measure() {
    Store::Usage usage = options_.store->measure();
    Counters& counters = options_.shared->counters();
    counters.set(Gauge::kStoreBytes, usage.bytes);
    counters.set(Gauge::kStoreFiles, usage.files);
    options_.log->debug(cat("store: ", usage.bytes, " bytes in ", usage.files, " files"));
}

namespace {

// Works when work is due; never stopped: the process is left instead.
[[noreturn]] void workForEver(Janitor& janitor) {
    for (;;) std::this_thread::sleep_until(janitor.work(now()));
}

// What is cached without syncs is synced behind everybody's back.
[[noreturn]] void syncForEver(const std::string& directory, Log& log) {
    for (;;) {
        std::this_thread::sleep_for(kSyncEvery);
        try {
            markSynced(directory);
        } catch (const std::exception& e) {
            log.warning(failureText(e));
        }
    }
}

// Replies that have begun get a moment; who has not been accepted is the next one's.
void endService(FrontServer& front) {
    front.drain();
    const TimePoint limit = now() + kServiceEnd;
    while (!front.idle() && now() < limit) std::this_thread::sleep_for(kClockTick);
    front.stop();
}

bool toldToLeave(const Heritage& heritage, const Seat& seat, const Signal& signal) {
    if (signal.number == SIGUSR1) heritage.reopenLogs();
    // Nothing it does needs to be finished.
    return signal.number == SIGTERM || (signal.number != SIGUSR1 && signal.sender == seat.master);
}

}  // namespace

int runJanitor(const Heritage& heritage, Seat& seat) {
    heritage.listeners->close();
    Store store(Store::Options{heritage.config->cacheDir, heritage.log});
    Janitor::Options options;
    options.store = &store;
    options.shared = heritage.shared;
    options.log = heritage.log;
    options.allEarlierGone = seat.life == 1;
    options.earlier = heritage.lockedAt;
    Janitor janitor(options);
    StatusPages pages(statusOptions(heritage));
    std::optional<FrontServer> front;
    if (heritage.adminListeners) front.emplace(adminFrontOptions(heritage), &pages);
    std::thread worker([&janitor] { workForEver(janitor); });
    std::thread syncing;
    if (heritage.config->durability == DurabilitySetting::kNone) {
        syncing = std::thread([&heritage] {
            syncForEver(heritage.config->cacheDir, *heritage.log);
        });
    }
    if (front) front->start();
    seat.boot.ready();
    for (;;) {
        std::optional<Signal> signal = nextSignal(Millis{60'000});
        if (!signal || !toldToLeave(heritage, seat, *signal)) continue;
        if (front) endService(*front);
        heritage.flushLogs();
        leaveProcess(EX_OK);
    }
}

}  // namespace ociproxy
