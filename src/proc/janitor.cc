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

namespace ociproxy {

namespace {

// Times of files come from a clock that ticks as slowly as this.
constexpr Millis kClockTick{10};

}  // namespace

Janitor::Janitor(const Options& options) noexcept : options_(options) {}

TimePoint Janitor::work(TimePoint now) {
    try {
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
    return std::min(reapAt_, measureAt_);
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
    std::thread worker([&janitor] { workForEver(janitor); });
    seat.boot.ready();
    for (;;) {
        std::optional<Signal> signal = nextSignal(Millis{60'000});
        if (!signal || !toldToLeave(heritage, seat, *signal)) continue;
        heritage.flushLogs();
        leaveProcess(EX_OK);
    }
}

}  // namespace ociproxy
