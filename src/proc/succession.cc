#include "proc/succession.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <sys/wait.h>
#include <utility>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

// A generation has one half of the indices, its neighbours the other.
constexpr std::uint32_t kHalf = kMaxWorkers / 2;

}  // namespace

template <class Call>
void Succession::each(Call&& call) const {
    for (Crew* crew : {leaving_.get(), current_.get(), next_.get()}) {
        if (crew) call(*crew);
    }
}

Succession::Succession(const Generation& first, const Master::Options& options)
    : options_(options), current_(makeCrew(first, 0)) {}

std::unique_ptr<Crew> Succession::makeCrew(const Generation& generation,
                                           std::uint32_t firstIndex) {
    OCIPROXY_ASSERT(generation.workers <= kHalf);
    // A child of one crew that kept the sockets of another would keep addresses open
    // on which nobody answers.
    auto partFromOthers = [this, firstIndex] {
        each([&](Crew& crew) {
            if (crew.firstIndex() != firstIndex) crew.closeCopies();
        });
    };
    return std::make_unique<Crew>(generation, firstIndex, options_, partFromOthers);
}

void Succession::renew(const Generation& generation, TimePoint now) {
    OCIPROXY_ASSERT(settled());
    next_ = makeCrew(generation, current_->firstIndex() == 0 ? kHalf : 0);
    next_->startDue(now, false);
}

Succession::Step Succession::advance(TimePoint now) {
    enforceLimit(now);
    if (leaving_ && leaving_->empty()) {
        faulty_ = faulty_ || leaving_->faulty();
        leaving_.reset();
        limit_.reset();
    }
    if (next_ && next_->bootFailure()) {
        refusal_ = next_->bootFailure()->what();
        retire(std::move(next_), now);
        return Step::kRefused;
    }
    if (next_ && next_->allWorkersReady()) {
        std::swap(current_, next_);
        retire(std::move(next_), now);
        return Step::kReplaced;
    }
    return Step::kNone;
}

void Succession::retire(std::unique_ptr<Crew> crew, TimePoint now) {
    leaving_ = std::move(crew);
    leaving_->retire();
    limit_ = now + leaving_->generation().drainLimit;
    hurried_ = false;
}

void Succession::enforceLimit(TimePoint now) {
    if (!leaving_ || !limit_ || now < *limit_) return;
    Log& log = *current_->heritage().log;
    log.warning(cat("processes of the previous generation that are ",
                    hurried_ ? "killed" : "cut short", ": ", leaving_->living()));
    leaving_->signalAll(hurried_ ? SIGKILL : SIGINT);
    limit_ = hurried_ ? std::nullopt : std::make_optional(now + options_.hurryLimit);
    hurried_ = true;
}

void Succession::startDue(TimePoint now) {
    current_->startDue(now, !leaving_ || !leaving_->hasJanitor());
    if (next_) next_->startDue(now, false);
}

std::optional<TimePoint> Succession::due() const noexcept {
    std::optional<TimePoint> first = current_->due(!leaving_ || !leaving_->hasJanitor());
    std::optional<TimePoint> other = next_ ? next_->due(false) : std::nullopt;
    return first && other ? std::min(*first, *other) : (first ? first : other);
}

void Succession::reap(TimePoint now) {
    ChildEnd end;
    pid_t pid;
    while ((pid = ::waitpid(-1, &end.waitStatus, WNOHANG)) > 0) bury(pid, end, now);
}

// One that is nobody's was left behind by whoever became us by exec.
void Succession::bury(pid_t pid, const ChildEnd& end, TimePoint now) {
    bool ours = false;
    each([&](Crew& crew) { ours = ours || crew.bury(pid, end, now); });
}

// Only who boots is waited for.
void Succession::hear(Millis atMost) {
    each([&](Crew& crew) {
        crew.hear(&crew == next_.get() || !next_ ? atMost : Millis::zero());
    });
}

void Succession::watch(TimePoint now, TimePoint since) {
    each([&](Crew& crew) { crew.watch(now, since); });
}

void Succession::signalAll(int number) noexcept {
    each([&](Crew& crew) { crew.signalAll(number); });
}

void Succession::expectEnd() noexcept {
    each([](Crew& crew) { crew.expectEnd(); });
    limit_.reset();
}

void Succession::reopenLogs() const {
    each([](Crew& crew) { crew.heritage().reopenLogs(); });
}

bool Succession::empty() const noexcept {
    bool empty = true;
    each([&](Crew& crew) { empty = empty && crew.empty(); });
    return empty;
}

bool Succession::booting() const noexcept {
    bool booting = false;
    each([&](Crew& crew) { booting = booting || crew.booting(); });
    return booting;
}

}  // namespace ociproxy
