#include "ociproxy/proc/master.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <unistd.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/signals.h"
#include "proc/succession.h"

namespace ociproxy {

namespace {

constexpr Millis kTurn{1'000};
// While children boot both their reports and signals are waited for, in turns.
constexpr Millis kBootTurn{20};
// A turn that took this long was not ours: the whole process group was stopped.
constexpr Millis kStopped{5'000};

// In this order; never back.
enum class Phase { kStarting, kRunning, kDraining, kStopping, kHurrying, kKilling };

// Our terminal has gone, and whoever tells us need not be the kernel: a shell passes a
// hang-up on to its jobs.
bool terminalIsGone() noexcept {
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::isatty(fd) == 0 && errno == EIO) return true;
    }
    return false;
}

const char* phaseName(Phase phase) noexcept {
    static const char* const kNames[] = {"starting", "running",  "draining",
                                         "stopping", "hurrying", "killing"};
    return kNames[static_cast<unsigned>(phase)];
}

}  // namespace

class Master::Impl {
public:
    Impl(const Generation& first, const Options& options)
        : options_(options), crews_(first, options_) {}
    ~Impl();

    int run();

private:
    std::optional<Signal> await();
    Millis untilNext(TimePoint now) const;
    void takeTurn(const std::optional<Signal>& signal);
    void obey(const Signal& signal, TimePoint now);
    void hangUp(const Signal& signal, TimePoint now);
    void renewWhenPossible(TimePoint now);
    void renew(TimePoint now);
    void refuseRenewal(const std::string& reason);
    void judgeRenewal(TimePoint now);
    void announce(Milestone milestone);
    std::string status() const;
    void stopFor(const Signal& signal, TimePoint now);
    void reopenLogs();
    void judgeBoot(TimePoint now);
    void judgeCrew(TimePoint now);
    void fail(const FatalError& failure, TimePoint now);
    void enforceLimit(TimePoint now);
    void enter(Phase phase, int signal, std::optional<TimePoint> limit);
    void noteStop(TimePoint now);

    Log& log() const noexcept { return *crews_.heritage().log; }
    const Crew& crew() const noexcept { return crews_.current(); }

    const Options options_;
    Succession crews_;
    bool renewalAsked_ = false;
    Phase phase_ = Phase::kStarting;
    std::optional<TimePoint> limit_;  // of this phase
    std::optional<FatalError> failure_;
    TimePoint lastTurn_ = now();
    TimePoint continuedAt_ = TimePoint::min();
};

// Only an exception leaves children behind.
Master::Impl::~Impl() {
    crews_.expectEnd();
    crews_.signalAll(SIGKILL);
    while (!crews_.empty()) {
        nextSignal(kBootTurn);
        crews_.reap(now());
    }
}

int Master::Impl::run() {
    crews_.startDue(now());
    while (!crews_.empty() || phase_ <= Phase::kRunning) takeTurn(await());
    if (failure_) throw *failure_;
    log().info("stopped");
    return crews_.faulty() ? EX_SOFTWARE : EX_OK;
}

void Master::Impl::takeTurn(const std::optional<Signal>& signal) {
    TimePoint at = now();
    noteStop(at);
    // This first: who waits for a dead worker's claims can go on.
    crews_.reap(at);
    crews_.hear(Millis::zero());
    if (signal) obey(*signal, at);
    // A stop that was asked for during the start is no failed start.
    judgeBoot(at);
    judgeCrew(at);
    judgeRenewal(at);
    renewWhenPossible(at);
    enforceLimit(at);
    crews_.watch(at, continuedAt_);
    if (phase_ <= Phase::kRunning) crews_.startDue(at);
    announce(Milestone::kAlive);
}

std::optional<Signal> Master::Impl::await() {
    Millis atMost = untilNext(now());
    if (!crews_.booting()) return nextSignal(atMost);
    crews_.hear(std::min(atMost, kBootTurn));
    return nextSignal(Millis::zero());
}

Millis Master::Impl::untilNext(TimePoint now) const {
    TimePoint next = now + kTurn;
    if (limit_) next = std::min(next, *limit_);
    if (crews_.limit()) next = std::min(next, *crews_.limit());
    std::optional<TimePoint> due = crews_.due();
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
            return hangUp(signal, now);
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

void Master::Impl::hangUp(const Signal& signal, TimePoint now) {
    if (!options_.renew || signal.fromKernel || terminalIsGone()) return stopFor(signal, now);
    if (phase_ > Phase::kRunning) {
        log().info(cat("received SIGHUP while ", phaseName(phase_), ": not reloaded"));
        return;
    }
    renewalAsked_ = true;
    if (crews_.settled() && phase_ == Phase::kRunning) return;
    log().info(cat("received SIGHUP: reloads when the present generation is ready and of the "
                   "previous one nobody is left (now ", crews_.leaving(), ")"));
}

void Master::Impl::renewWhenPossible(TimePoint now) {
    if (renewalAsked_ && phase_ == Phase::kRunning && crews_.settled()) renew(now);
}

void Master::Impl::renew(TimePoint now) {
    renewalAsked_ = false;
    announce(Milestone::kReloading);
    try {
        crews_.renew(options_.renew(), now);
    } catch (const std::exception& e) {
        refuseRenewal(failureText(e));
    }
}

void Master::Impl::judgeRenewal(TimePoint now) {
    if (phase_ > Phase::kRunning) return;
    Succession::Step step = crews_.advance(now);
    if (step == Succession::Step::kNone) return;
    if (step == Succession::Step::kReplaced) {
        log().info(crews_.generation().greeting);
        announce(Milestone::kReloaded);
    } else {
        refuseRenewal(crews_.refusal());
    }
}

void Master::Impl::refuseRenewal(const std::string& reason) {
    log().error(cat("not reloaded, what runs goes on: ", reason));
    announce(Milestone::kReloadRefused);
}

std::string Master::Impl::status() const {
    if (phase_ > Phase::kRunning) return phaseName(phase_);
    std::string old = crews_.leaving() ? cat("; leaving: ", crews_.leaving()) : "";
    return cat(phaseName(phase_), ": ", crew().readyWorkers(), " of ",
               crews_.generation().workers, " workers", old);
}

void Master::Impl::announce(Milestone milestone) {
    if (options_.announce) options_.announce(milestone, status());
}

void Master::Impl::stopFor(const Signal& signal, TimePoint now) {
    log().info(cat("received ", signalName(signal.number), " while ", phaseName(phase_)));
    if (signal.number == SIGQUIT) {
        TimePoint limit = now + crews_.generation().drainLimit;
        if (phase_ < Phase::kDraining) enter(Phase::kDraining, SIGQUIT, limit);
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
        log().warning("children that do not leave are killed");
        enter(Phase::kKilling, SIGKILL, std::nullopt);
    }
}

void Master::Impl::enter(Phase phase, int signal, std::optional<TimePoint> limit) {
    log().debug(cat(phaseName(phase_), " -> ", phaseName(phase)));
    phase_ = phase;
    limit_ = limit;
    crews_.expectEnd();
    crews_.signalAll(signal);
    announce(Milestone::kStopping);
}

void Master::Impl::reopenLogs() {
    crews_.reopenLogs();
    crews_.signalAll(SIGUSR1);
}

void Master::Impl::judgeBoot(TimePoint now) {
    if (phase_ != Phase::kStarting) return;
    if (crew().bootFailure()) {
        fail(*crew().bootFailure(), now);
    } else if (crew().allWorkersReady()) {
        phase_ = Phase::kRunning;
        log().info(crews_.generation().greeting);
        announce(Milestone::kReady);
    }
}

void Master::Impl::judgeCrew(TimePoint now) {
    if (phase_ == Phase::kRunning && crew().allWorkersGaveUp()) {
        fail(FatalError(EX_CONFIG, "no worker can use the configuration any more"), now);
    }
}

void Master::Impl::fail(const FatalError& failure, TimePoint now) {
    failure_ = failure;
    enter(Phase::kHurrying, SIGINT, now + options_.hurryLimit);
}

Master::Master(const Generation& first, const Options& options)
    : impl_(std::make_unique<Impl>(first, options)) {}

Master::~Master() = default;

int Master::run() {
    return impl_->run();
}

}  // namespace ociproxy
