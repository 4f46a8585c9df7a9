#ifndef OCIPROXY_PROC_CHILD_POLICY_H
#define OCIPROXY_PROC_CHILD_POLICY_H

#include <optional>
#include <string>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// How a child ended: the status of waitpid(2) with names for what we ask of it.
struct ChildEnd {
    int waitStatus = 0;

    bool clean() const noexcept;          // exited with 0
    bool configFailure() const noexcept;  // exited with EX_CONFIG
    bool bootFailure() const noexcept;    // exited with EX_CONFIG or EX_OSERR
    bool exited() const noexcept;
    bool killedBy(int signal) const noexcept;
    std::string text() const;  // "exited with status 71", "was killed by SIGKILL"
};

// When a child may be started (again): one policy per place in the crew, data and
// predicates without clock, process or log of its own.
//
// A child that lived for `steady` is started again at once. One that did not waits
// `firstDelay`, doubled each time up to `longestDelay`; so does one that could not be
// forked. A child that finds its configuration unusable is not started again: the
// same configuration would fail the same way.
//
// Not synchronized; belongs to the master's one thread.
class ChildPolicy {
public:
    struct Limits {
        Millis steady{30'000};
        Millis firstDelay{100};
        Millis longestDelay{5'000};
    };

    explicit ChildPolicy(const Limits& limits) noexcept : limits_(limits) {}

    // Whether one is to be started now.
    bool mayStart(TimePoint now) const noexcept { return due_ && *due_ <= now; }
    // When; nullopt while one runs, and after the last one gave up.
    std::optional<TimePoint> due() const noexcept { return due_; }
    bool gaveUp() const noexcept { return gaveUp_; }

    void started(TimePoint now) noexcept;
    void forkFailed(TimePoint now) noexcept;
    void ended(TimePoint now, const ChildEnd& end) noexcept;

private:
    void backOff(TimePoint now) noexcept;

    Limits limits_;
    std::optional<TimePoint> due_ = TimePoint::min();  // the first at once
    TimePoint startedAt_{};
    unsigned shortLives_ = 0;  // in a row
    bool gaveUp_ = false;
};

}  // namespace ociproxy

#endif
