#include "proc/crew.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/signals.h"
#include "ociproxy/shm/shared_state.h"
#include "proc/child_entry.h"
#include "proc/instrumented.h"
#include "proc/worker_count.h"

namespace ociproxy {

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr unsigned kForeignThreads = 1;  // the sanitizer's own
#else
constexpr unsigned kForeignThreads = 0;
#endif

}  // namespace

std::string Crew::Child::name() const {
    return role == ChildRole::kWorker ? cat("worker ", number) : "janitor";
}

Crew::Crew(const Generation& generation, std::uint32_t firstIndex, const Master::Options& options,
           Part partFromOthers)
    : generation_(generation),
      firstIndex_(firstIndex),
      options_(options),
      partFromOthers_(std::move(partFromOthers)) {
    OCIPROXY_ASSERT(generation.workers >= 1 && firstIndex + generation.workers <= kMaxWorkers);
    for (unsigned i = 0; i < generation.workers; ++i) {
        children_.emplace_back(ChildRole::kWorker, i, options.policy);
    }
    children_.emplace_back(ChildRole::kJanitor, 0, options.policy);
}

bool Crew::wants(const Child& child, bool janitorToo) const noexcept {
    return !ending_ && (janitorToo || child.role != ChildRole::kJanitor);
}

void Crew::startDue(TimePoint now, bool janitorToo) {
    for (Child& child : children_) {
        if (wants(child, janitorToo) && child.policy.mayStart(now)) start(child, now);
    }
}

std::optional<TimePoint> Crew::due(bool janitorToo) const noexcept {
    std::optional<TimePoint> first;
    for (const Child& child : children_) {
        if (!wants(child, janitorToo)) continue;
        std::optional<TimePoint> due = child.policy.due();
        if (due && (!first || *due < *first)) first = due;
    }
    return first;
}

void Crew::start(Child& child, TimePoint now) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return noteForkFailure(child, now, errno);
    child.boot.reset(ends[0]);  // before the fork: the new child closes all of these
    Fd writeEnd(ends[1]);
    ::fcntl(child.boot.get(), F_SETFL, O_NONBLOCK);
    // Before the fork: whatever an earlier one of this index left behind is dead now.
    if (child.role == ChildRole::kWorker) {
        child.id = heritage().shared->workers().raise(indexOf(child));
    }
    // Another thread's locks would stay locked in the child for ever.
    OCIPROXY_ASSERT(threadCount() <= 1 + kForeignThreads);
    std::fflush(nullptr);  // or the child prints it again
    pid_t master = ::getpid();
    pid_t pid = ::fork();
    if (pid < 0) return noteForkFailure(child, now, errno);
    if (pid == 0) becomeChild(child, std::move(writeEnd), master);
    countStart(heritage(), child.role);
    ++child.life;
    child.pid = pid;
    child.startedAt = now;
    child.policy.started(now);
}

void Crew::becomeChild(const Child& child, Fd pipe, pid_t master) noexcept {
    Seat seat{child.role, child.id,     child.number,
              child.life + 1, master, BootReport(std::move(pipe))};
    for (Child& sibling : children_) sibling.boot.reset();
    partFromOthers_();
    bool worker = seat.role == ChildRole::kWorker;
    enterChild(heritage(), seat, worker ? options_.worker : options_.janitor);
}

void Crew::noteForkFailure(Child& child, TimePoint now, int code) {
    child.boot.reset();
    child.policy.forkFailed(now);
    std::string message = cat("cannot start ", child.name(), ": ", errnoText(code));
    log().error(message);
    if (!bootFailure_) bootFailure_.emplace(EX_OSERR, message);
}

Crew::Child* Crew::find(pid_t pid) noexcept {
    for (Child& child : children_) {
        if (child.pid == pid) return &child;
    }
    return nullptr;
}

bool Crew::bury(pid_t pid, const ChildEnd& end, TimePoint now) {
    Child* child = find(pid);
    if (child) bury(*child, end, now);
    return child != nullptr;
}

void Crew::bury(Child& child, const ChildEnd& end, TimePoint now) {
    unsigned orphaned = disown(child);
    countEnd(heritage(), child.role, end);
    hearFrom(child);
    noteFaults(child, end);
    child.policy.ended(now, end);
    if (failedFirst(child) && !bootFailure_) {
        std::string reason = child.said.empty() ? cat("it ", end.text()) : child.said;
        bootFailure_.emplace(end.configFailure() ? EX_CONFIG : EX_OSERR,
                             cat("cannot start ", child.name(), ": ", reason));
    }
    logEnd(child, end, orphaned, now);
    child.pid = 0;
    child.boot.reset();
    child.said.clear();
    child.ready = false;
    child.abortedAt.reset();
}

bool Crew::failedFirst(const Child& child) noexcept {
    return child.role == ChildRole::kWorker && child.life == 1 && !child.ready;
}

// The epoch first: from then on nobody takes the dead one's claims for live ones.
unsigned Crew::disown(const Child& child) noexcept {
    if (child.role != ChildRole::kWorker) return 0;
    heritage().shared->workers().raise(indexOf(child));
    return heritage().shared->claims().sweep(child.id);
}

void Crew::noteFaults(const Child& child, const ChildEnd& end) {
    bool killedByUs = (killed_ && end.killedBy(SIGKILL)) ||
                      (child.abortedAt && (end.killedBy(SIGABRT) || end.killedBy(SIGKILL)));
    bool failedAtEnd = stopping_ && child.ready && !end.clean() && !killedByUs;
    bool sanitizerSpoke = kSanitized && end.exited() && !end.clean() && !end.bootFailure();
    faulty_ = faulty_ || failedAtEnd || sanitizerSpoke;
}

void Crew::logEnd(const Child& child, const ChildEnd& end, unsigned orphaned, TimePoint now) {
    std::string who = cat(child.name(), " (pid ", child.pid, ")");
    // A failed start of the service is told by whoever started it.
    if (ending_ || failedFirst(child)) return logExpectedEnd(who, end);
    std::string why = child.said.empty() ? "" : cat(": ", child.said);
    std::string claims = orphaned > 0 ? cat(", unfinished claims: ", orphaned) : "";
    log().error(cat(who, " ", end.text(), why, claims, "; ", outlook(child, now)));
}

std::string Crew::outlook(const Child& child, TimePoint now) {
    std::optional<TimePoint> due = child.policy.due();
    if (!due) return "not started again: its configuration is unusable";
    Millis delay = std::chrono::duration_cast<Millis>(*due - now);
    return delay.count() > 0 ? cat("started again in ", delay.count(), " ms") : "started again";
}

void Crew::logExpectedEnd(const std::string& who, const ChildEnd& end) {
    bool bad = ending_ && !end.clean();
    log().write(bad ? LogLevel::kWarning : LogLevel::kDebug, cat(who, " ", end.text()));
}

void Crew::hear(Millis atMost) {
    std::vector<pollfd> silent;
    for (const Child& child : children_) {
        if (child.boot) silent.push_back(pollfd{child.boot.get(), POLLIN, 0});
    }
    if (silent.empty()) return;
    if (::poll(silent.data(), silent.size(), static_cast<int>(atMost.count())) <= 0) return;
    for (Child& child : children_) hearFrom(child);
}

void Crew::hearFrom(Child& child) {
    char buffer[512];
    while (child.boot) {
        ssize_t count = ::read(child.boot.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            child.boot.reset();
        } else if (buffer[0] == BootReport::kReady) {
            child.ready = true;
            child.boot.reset();
            log().write(child.life == 1 ? LogLevel::kDebug : LogLevel::kInfo,
                                 cat(child.name(), " (pid ", child.pid, ") is ready"));
        } else {
            child.said.append(buffer, static_cast<std::size_t>(count));
        }
    }
}

void Crew::watch(TimePoint now, TimePoint since) {
    for (Child& child : children_) {
        if (child.role == ChildRole::kWorker && child.pid != 0) watchOne(child, now, since);
    }
}

void Crew::watchOne(Child& child, TimePoint now, TimePoint since) {
    if (child.abortedAt) {
        // Stopped processes do not act on ABRT until they are continued.
        if (now - *child.abortedAt >= options_.abortLimit) ::kill(child.pid, SIGKILL);
        return;
    }
    WorkerTable& table = heritage().shared->workers();
    table.affirm(child.id);
    std::chrono::nanoseconds beat(table.lastBeatNs(indexOf(child)));
    TimePoint last = std::max({TimePoint(beat), child.startedAt, since});
    if (now - last < options_.hungAfter) return;
    child.abortedAt = now;
    log().error(cat(child.name(), " (pid ", child.pid, ") has not shown life for ",
                             std::chrono::duration_cast<Millis>(now - last).count(),
                             " ms: aborting it"));
    ::kill(child.pid, SIGABRT);
}

void Crew::signalAll(int number) noexcept {
    if (number == SIGKILL) killed_ = true;
    for (const Child& child : children_) {
        if (child.pid != 0) ::kill(child.pid, number);
    }
}

void Crew::retire() noexcept {
    ending_ = true;
    for (const Child& child : children_) {
        if (child.pid == 0) continue;
        ::kill(child.pid, child.role == ChildRole::kWorker ? SIGUSR2 : SIGTERM);
    }
}

void Crew::closeCopies() noexcept {
    for (Child& child : children_) child.boot.reset();
    if (heritage().listeners) heritage().listeners->close();
    if (heritage().adminListeners) heritage().adminListeners->close();
}

bool Crew::hasJanitor() const noexcept {
    return std::any_of(children_.begin(), children_.end(), [](const Child& child) {
        return child.role == ChildRole::kJanitor && child.pid != 0;
    });
}

unsigned Crew::living() const noexcept {
    return static_cast<unsigned>(
        std::count_if(children_.begin(), children_.end(),
                      [](const Child& child) { return child.pid != 0; }));
}

unsigned Crew::readyWorkers() const noexcept {
    return static_cast<unsigned>(
        std::count_if(children_.begin(), children_.end(), [](const Child& child) {
            return child.role == ChildRole::kWorker && child.ready;
        }));
}

bool Crew::empty() const noexcept {
    return std::all_of(children_.begin(), children_.end(),
                       [](const Child& child) { return child.pid == 0; });
}

bool Crew::booting() const noexcept {
    return std::any_of(children_.begin(), children_.end(),
                       [](const Child& child) { return child.boot.valid(); });
}

bool Crew::allWorkersReady() const noexcept {
    return std::all_of(children_.begin(), children_.end(), [](const Child& child) {
        return child.role != ChildRole::kWorker || child.ready;
    });
}

bool Crew::allWorkersGaveUp() const noexcept {
    return std::all_of(children_.begin(), children_.end(), [](const Child& child) {
        return child.role != ChildRole::kWorker || child.policy.gaveUp();
    });
}

}  // namespace ociproxy
