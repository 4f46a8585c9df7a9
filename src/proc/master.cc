#include "ociproxy/proc/master.h"

#include <algorithm>
#include <csignal>
#include <optional>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/signals.h"
#include "proc/crew.h"

namespace ociproxy {

namespace {

constexpr Millis kTurn{1'000};
// While children boot both their reports and signals are waited for, in turns.
constexpr Millis kBootTurn{20};
// A turn that took this long was not ours: the whole process group was stopped.
constexpr Millis kStopped{5'000};

// In this order; never back.
enum class Phase { kStarting, kRunning, kDraining, kStopping, kHurrying, kKilling };

const char* phaseName(Phase phase) noexcept {
    static const char* const kNames[] = {"starting", "running",  "draining",
                                         "stopping", "hurrying", "killing"};
    return kNames[static_cast<unsigned>(phase)];
}

}  // namespace

class Master::Impl {
public:
    Impl(const Heritage& heritage, const Options& options)
        : heritage_(heritage), options_(options), crew_(heritage_, options_) {}
    ~Impl();

    int run();

private:
    std::optional<Signal> await();
    Millis untilNext(TimePoint now) const;
    void obey(const Signal& signal, TimePoint now);
    void stopFor(const Signal& signal, TimePoint now);
    void reopenLogs();
    void judgeBoot(TimePoint now);
    void judgeCrew(TimePoint now);
    void fail(const FatalError& failure, TimePoint now);
    void enforceLimit(TimePoint now);
    void enter(Phase phase, int signal, std::optional<TimePoint> limit);
    void noteStop(TimePoint now);

    const Heritage& heritage_;
    const Options options_;
    Crew crew_;
    Phase phase_ = Phase::kStarting;
    std::optional<TimePoint> limit_;  // of this phase
    std::optional<FatalError> failure_;
    TimePoint lastTurn_ = now();
    TimePoint continuedAt_ = TimePoint::min();
};

// Only an exception leaves children behind.
Master::Impl::~Impl() {
    crew_.expectEnd();
    crew_.signalAll(SIGKILL);
    while (!crew_.empty()) {
        nextSignal(kBootTurn);
        crew_.reap(now());
    }
}

int Master::Impl::run() {
    crew_.startDue(now());
    while (!crew_.empty() || phase_ <= Phase::kRunning) {
        std::optional<Signal> signal = await();
        TimePoint at = now();
        noteStop(at);
        // This first: who waits for a dead worker's claims can go on.
        crew_.reap(at);
        crew_.hear(Millis::zero());
        if (signal) obey(*signal, at);
        // A stop that was asked for during the start is no failed start.
        judgeBoot(at);
        judgeCrew(at);
        enforceLimit(at);
        crew_.watch(at, continuedAt_);
        if (phase_ <= Phase::kRunning) crew_.startDue(at);
    }
    if (failure_) throw *failure_;
    heritage_.log->info("stopped");
    return crew_.faulty() ? EX_SOFTWARE : EX_OK;
}

std::optional<Signal> Master::Impl::await() {
    Millis atMost = untilNext(now());
    if (!crew_.booting()) return nextSignal(atMost);
    crew_.hear(std::min(atMost, kBootTurn));
    return nextSignal(Millis::zero());
}

Millis Master::Impl::untilNext(TimePoint now) const {
    TimePoint next = now + kTurn;
    if (limit_) next = std::min(next, *limit_);
    std::optional<TimePoint> due = crew_.due();
    if (due && phase_ <= Phase::kRunning) next = std::min(next, *due);
    return std::max(std::chrono::ceil<Millis>(next - now), Millis::zero());
}

void Master::Impl::noteStop(TimePoint now) {
    if (now - lastTurn_ >= kStopped) continuedAt_ = now;
    lastTurn_ = now;
}

void Master::Impl::obey(const Signal& signal, TimePoint now) {
    switch (signal.number) {
        case SIGHUP:
        case SIGINT:
        case SIGTERM:
        case SIGQUIT:
            return stopFor(signal, now);
        case SIGUSR1:
            return reopenLogs();
        default:
            return;  // CHLD: the turn reaps anyway; USR2: not used
    }
}

void Master::Impl::stopFor(const Signal& signal, TimePoint now) {
    heritage_.log->info(cat("received ", signalName(signal.number), " while ", phaseName(phase_)));
    if (signal.number == SIGQUIT) {
        if (phase_ < Phase::kDraining) enter(Phase::kDraining, SIGQUIT, now + options_.drainLimit);
    } else if (phase_ < Phase::kStopping) {
        enter(Phase::kStopping, SIGTERM, now + options_.stopLimit - options_.hurryLimit);
    } else if (phase_ == Phase::kStopping) {
        enter(Phase::kHurrying, SIGINT, now + options_.hurryLimit);
    }
}

void Master::Impl::enforceLimit(TimePoint now) {
    if (!limit_ || now < *limit_) return;
    if (phase_ < Phase::kHurrying) {
        enter(Phase::kHurrying, SIGINT, now + options_.hurryLimit);
    } else {
        heritage_.log->warning("children that do not leave are killed");
        enter(Phase::kKilling, SIGKILL, std::nullopt);
    }
}

void Master::Impl::enter(Phase phase, int signal, std::optional<TimePoint> limit) {
    heritage_.log->debug(cat(phaseName(phase_), " -> ", phaseName(phase)));
    phase_ = phase;
    limit_ = limit;
    crew_.expectEnd();
    crew_.signalAll(signal);
}

void Master::Impl::reopenLogs() {
    heritage_.reopenLogs();
    crew_.signalAll(SIGUSR1);
}

void Master::Impl::judgeBoot(TimePoint now) {
    if (phase_ != Phase::kStarting) return;
    if (crew_.bootFailure()) {
        fail(*crew_.bootFailure(), now);
    } else if (crew_.allWorkersReady()) {
        phase_ = Phase::kRunning;
        heritage_.log->info(options_.greeting);
    }
}

void Master::Impl::judgeCrew(TimePoint now) {
    if (phase_ == Phase::kRunning && crew_.allWorkersGaveUp()) {
        fail(FatalError(EX_CONFIG, "no worker can use the configuration any more"), now);
    }
}

void Master::Impl::fail(const FatalError& failure, TimePoint now) {
    failure_ = failure;
    enter(Phase::kHurrying, SIGINT, now + options_.hurryLimit);
}

Master::Master(const Heritage& heritage, const Options& options)
    : impl_(std::make_unique<Impl>(heritage, options)) {}

Master::~Master() = default;

int Master::run() {
    return impl_->run();
}

}  // namespace ociproxy
