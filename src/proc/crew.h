#ifndef OCIPROXY_SRC_PROC_CREW_H
#define OCIPROXY_SRC_PROC_CREW_H

#include <cstdint>
#include <functional>
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

class Log;

// The children of one generation: one place per worker and one for the janitor. Knows
// how to start, hear, watch, signal and bury them; when to do which is the master's
// business. Not synchronized: the master's one thread.
class Crew {
public:
    // Runs in a new child, before anything else: lets go of what is other crews'.
    using Part = std::function<void()>;

    // Its workers have the indices from `firstIndex` on. `options` must outlive the crew.
    Crew(const Generation& generation, std::uint32_t firstIndex, const Master::Options& options,
         Part partFromOthers);

    const Generation& generation() const noexcept { return generation_; }
    const Heritage& heritage() const noexcept { return *generation_.heritage; }
    std::uint32_t firstIndex() const noexcept { return firstIndex_; }

    // Starts whoever may be started; the janitor only if there is no other one.
    void startDue(TimePoint now, bool janitorToo);
    // The next time at which startDue() has something to do.
    std::optional<TimePoint> due(bool janitorToo) const noexcept;

    // Buries the child of that pid: raises the epoch and sweeps the claims first.
    // False if it is none of ours.
    bool bury(pid_t pid, const ChildEnd& end, TimePoint now);
    // Reads what children say of their boot; waits for it up to `atMost`.
    void hear(Millis atMost);
    // Ends workers whose heart has stopped. Beats before `since` do not count as
    // missed: everybody, the master included, was stopped then.
    void watch(TimePoint now, TimePoint since);
    void signalAll(int number) noexcept;
    // The workers leave when their clients are served; the janitor at once.
    void retire() noexcept;
    // In a child of another crew: closes its copies of what is this one's.
    void closeCopies() noexcept;

    // From here on children are expected to end, and nobody is started again.
    void expectEnd() noexcept { ending_ = stopping_ = true; }

    bool empty() const noexcept;
    bool hasJanitor() const noexcept;
    unsigned living() const noexcept;
    unsigned readyWorkers() const noexcept;
    bool booting() const noexcept;  // somebody has not spoken yet
    bool allWorkersReady() const noexcept;
    bool allWorkersGaveUp() const noexcept;
    // A worker that could not be forked, or died before it was ready; nullopt: none yet.
    const std::optional<FatalError>& bootFailure() const noexcept { return bootFailure_; }
    // A child failed while it ended, or a sanitizer found something in one.
    bool faulty() const noexcept { return faulty_; }

private:
    struct Child {
        Child(ChildRole itsRole, unsigned itsNumber, const ChildPolicy::Limits& limits)
            : role(itsRole), number(itsNumber), policy(limits) {}

        ChildRole role;
        unsigned number;
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
    bool wants(const Child& child, bool janitorToo) const noexcept;
    [[noreturn]] void becomeChild(const Child& child, Fd pipe, pid_t master) noexcept;
    void noteForkFailure(Child& child, TimePoint now, int code);
    Child* find(pid_t pid) noexcept;
    void bury(Child& child, const ChildEnd& end, TimePoint now);
    Log& log() const noexcept { return *heritage().log; }
    unsigned disown(const Child& child) noexcept;
    void logEnd(const Child& child, const ChildEnd& end, unsigned orphaned, TimePoint now);
    std::uint32_t indexOf(const Child& child) const noexcept { return firstIndex_ + child.number; }
    static bool failedFirst(const Child& child) noexcept;
    static std::string outlook(const Child& child, TimePoint now);
    void logExpectedEnd(const std::string& who, const ChildEnd& end);
    void noteFaults(const Child& child, const ChildEnd& end);
    void hearFrom(Child& child);
    void watchOne(Child& child, TimePoint now, TimePoint since);

    const Generation generation_;
    const std::uint32_t firstIndex_;
    const Master::Options& options_;
    const Part partFromOthers_;
    std::vector<Child> children_;  // workers by index, then the janitor; never resized
    std::optional<FatalError> bootFailure_;
    bool ending_ = false;    // nobody is started again
    bool stopping_ = false;  // and the whole service ends
    bool killed_ = false;  // KILL was sent to all
    bool faulty_ = false;
};

}  // namespace ociproxy

#endif
