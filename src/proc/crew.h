#ifndef OCIPROXY_SRC_PROC_CREW_H
#define OCIPROXY_SRC_PROC_CREW_H

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/proc/child_policy.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/master.h"

namespace ociproxy {

// The children of the master: one place per worker and one for the janitor. Knows
// how to start, hear, watch, signal and bury them; when to do which is the master's
// business. Not synchronized: the master's one thread.
class Crew {
public:
    // Both must outlive the crew.
    Crew(const Heritage& heritage, const Master::Options& options);

    // Starts whoever may be started.
    void startDue(TimePoint now);
    // The next time at which startDue() has something to do.
    std::optional<TimePoint> due() const noexcept;

    // Buries the dead: raises the epoch and sweeps the claims first.
    void reap(TimePoint now);
    // Reads what children say of their boot; waits for it up to `atMost`.
    void hear(Millis atMost);
    // Ends workers whose heart has stopped. Beats before `since` do not count as
    // missed: everybody, the master included, was stopped then.
    void watch(TimePoint now, TimePoint since);
    void signalAll(int number) noexcept;

    // From here on children are expected to end, and nobody is started again.
    void expectEnd() noexcept { ending_ = true; }

    bool empty() const noexcept;
    bool booting() const noexcept;  // somebody has not spoken yet
    bool allWorkersReady() const noexcept;
    bool allWorkersGaveUp() const noexcept;
    // A worker that could not be forked, or died before it was ready; nullopt: none yet.
    const std::optional<FatalError>& bootFailure() const noexcept { return bootFailure_; }
    // A child failed while it ended, or a sanitizer found something in one.
    bool faulty() const noexcept { return faulty_; }

private:
    struct Child {
        Child(ChildRole itsRole, std::uint32_t itsIndex, const ChildPolicy::Limits& limits)
            : role(itsRole), index(itsIndex), policy(limits) {}

        ChildRole role;
        std::uint32_t index;
        ChildPolicy policy;
        pid_t pid = 0;  // 0: none runs
        WorkerId id;
        unsigned life = 0;
        TimePoint startedAt{};
        std::optional<TimePoint> abortedAt;  // hung: ABRT was sent
        Fd boot;           // valid until the child has spoken
        std::string said;  // so far, if not "ready"
        bool ready = false;

        std::string name() const;
    };

    void start(Child& child, TimePoint now);
    [[noreturn]] void becomeChild(const Child& child, Fd pipe, pid_t master) noexcept;
    void noteForkFailure(Child& child, TimePoint now, int code);
    Child* find(pid_t pid) noexcept;
    void bury(Child& child, const ChildEnd& end, TimePoint now);
    unsigned disown(const Child& child) noexcept;
    void logEnd(const Child& child, const ChildEnd& end, unsigned orphaned, TimePoint now);
    static bool failedFirst(const Child& child) noexcept;
    static std::string outlook(const Child& child, TimePoint now);
    void logExpectedEnd(const std::string& who, const ChildEnd& end);
    void noteFaults(const Child& child, const ChildEnd& end);
    void hearFrom(Child& child);
    void watchOne(Child& child, TimePoint now, TimePoint since);

    const Heritage& heritage_;
    const Master::Options& options_;
    std::vector<Child> children_;  // workers by index, then the janitor; never resized
    std::optional<FatalError> bootFailure_;
    bool ending_ = false;
    bool killed_ = false;  // KILL was sent to all
    bool faulty_ = false;
};

}  // namespace ociproxy

#endif
