#include "ociproxy/proc/janitor.h"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <set>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/signals.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/disk_space.h"
#include "ociproxy/store/evictor.h"
#include "ociproxy/store/scrub.h"
#include "ociproxy/store/store.h"
#include "proc/disk_keeper.h"
#include "proc/module_options.h"

namespace ociproxy {

namespace {

// Times of files come from a clock that ticks as slowly as this.
constexpr Millis kClockTick{10};
constexpr Millis kServiceEnd{1'000};
constexpr std::uint64_t kPartialsShare = 10;

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
    } catch (const std::exception& e) {
        options_.log->warning(failureText(e));
    }
    return std::min(checkAt_, reapAt_);
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
    if (options_.partialMaxAge.count() > 0) {
        const unsigned kept = options_.store->keepPartials(*inUse, age);
        if (kept > 0) options_.log->info(cat("kept ", kept, " unfinished downloads"));
    }
    unsigned count = options_.store->reapTemporary(*inUse, age);
    if (count > 0) options_.log->info(cat("reaped ", count, " temporary files"));
    unsigned old = options_.store->trimQuarantine();
    if (old > 0) options_.log->info(cat("removed ", old, " files from quarantine"));
    reapPartials();
}

// All of them may take a tenth of the cache.
void Janitor::reapPartials() {
    const std::uint64_t limit = options_.shared->budget().limit();
    const std::uint64_t most =
        limit == StoreBudget::kUnlimited ? UINT64_MAX : limit / kPartialsShare;
    const unsigned count = options_.store->reapPartials(options_.partialMaxAge, most);
    if (count > 0) options_.log->info(cat("removed ", count, " unfinished downloads"));
}

Millis Janitor::reapAge(TimePoint now) noexcept {
    if (!options_.allEarlierGone) return options_.reapIdle;
    options_.allEarlierGone = false;
    Millis since = std::chrono::ceil<Millis>(now - options_.earlier) + kClockTick;
    return std::min(since, options_.reapIdle);
}

namespace {

constexpr Millis kLookEvery{1'000};
// Unlinking a million files must not slow who serves them.
constexpr int kNice = 5;
constexpr int kLowestPriority = 19;
constexpr Millis kScrubRetry{60'000};

// Works when work is due; never stopped: the process is left instead.
[[noreturn]] void workForEver(Janitor& janitor) {
    for (;;) std::this_thread::sleep_until(janitor.work(now()));
}

[[noreturn]] void keepForEver(DiskKeeper& keeper, const StoreBudget& budget) {
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    for (;;) {
        const std::uint32_t seen = budget.bell();
        keeper.work(now());
        budget.wait(seen, kLookEvery);
    }
}

// What follows reads for nobody who waits: the disk's idle time is enough.
void becomeIdle() noexcept {
    constexpr int kWhoThread = 1;       // IOPRIO_WHO_PROCESS, and 0: this thread
    constexpr int kIdleClass = 3 << 13;  // IOPRIO_CLASS_IDLE
    (void)::syscall(SYS_ioprio_set, kWhoThread, 0, kIdleClass);
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowestPriority);
}

[[noreturn]] void scrubForEver(Scrub& scrub, Log& log) {
    becomeIdle();
    for (;;) {
        Millis wait = kScrubRetry;
        try {
            wait = scrub.work();
        } catch (const std::exception& e) {
            log.warning(cat("scrubbing: ", failureText(e)));
        }
        std::this_thread::sleep_for(wait);
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
    Store store(storeOptions(heritage));
    Janitor::Options options;
    options.store = &store;
    options.shared = heritage.shared;
    options.log = heritage.log;
    options.allEarlierGone = seat.life == 1;
    options.earlier = heritage.lockedAt;
    options.partialMaxAge = heritage.config->partialMaxAge;
    Janitor janitor(options);
    StatusPages pages(statusOptions(heritage));
    std::optional<FrontServer> front;
    if (heritage.adminListeners) front.emplace(adminFrontOptions(heritage), &pages);
    Evictor evictor(evictorOptions(heritage));
    DiskSpace space(heritage.config->cacheDir);
    DiskKeeper::Options keeperOptions;
    keeperOptions.evictor = &evictor;
    keeperOptions.space = &space;
    keeperOptions.shared = heritage.shared;
    keeperOptions.log = heritage.log;
    keeperOptions.maxSize = heritage.config->cacheMaxSize;
    keeperOptions.minFree = heritage.config->cacheMinFree;
    DiskKeeper keeper(keeperOptions);
    std::thread worker([&janitor] { workForEver(janitor); });
    std::thread keeping([&] { keepForEver(keeper, heritage.shared->budget()); });
    std::optional<Scrub> scrub;
    std::thread scrubbing;
    if (heritage.config->scrubRate > 0) {
        scrub.emplace(scrubOptions(heritage));
        scrubbing = std::thread([&] { scrubForEver(*scrub, *heritage.log); });
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
