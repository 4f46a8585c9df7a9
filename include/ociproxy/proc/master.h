#ifndef OCIPROXY_PROC_MASTER_H
#define OCIPROXY_PROC_MASTER_H

#include <functional>
#include <memory>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/proc/child_policy.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

struct Heritage;
struct Seat;

// The master process: starts the workers and the janitor, supervises them and stops
// them. One thread for ever (it forks), no network, no work of its own: what can
// crash is in the children.
//
// A dead child: its epoch is raised before anything else, so that nothing it owned
// counts any more; its claims are swept, which wakes who waits for them; then it is
// logged and, as ChildPolicy says, started again. A worker whose heart has stopped
// gets ABRT, then KILL. Children die with the master (PDEATHSIG).
//
//   TERM, INT, HUP  stop: at most `stopLimit`; a second one: now
//   QUIT            drain: at most `drainLimit`
//   USR1            reopen the logs, everywhere
//   (HUP ends a foreground process as TERM does: its terminal has gone.)
class Master {
public:
    // What a child does until it leaves; the result is its exit status. Says
    // seat.boot.ready() once it serves. An exception is reported to the master as
    // the reason of a failed boot and ends the child with exitStatusOf() it.
    using Body = std::function<int(const Heritage&, Seat&)>;

    struct Options {
        unsigned workers = 1;
        Body worker;
        Body janitor;
        std::string greeting;  // logged when all workers are ready for the first time
        ChildPolicy::Limits policy;
        Millis stopLimit{10'000};
        Millis drainLimit{300'000};
        Millis hurryLimit{1'000};  // from "leave now" to KILL
        Millis hungAfter = WorkerTable::kHungAfter;
        Millis abortLimit{5'000};  // from ABRT to KILL
    };

    // `heritage` must outlive the master. REQUIRES: takeOverSignals().
    Master(const Heritage& heritage, const Options& options);
    ~Master();  // children still there are killed
    Master(const Master&) = delete;
    Master& operator=(const Master&) = delete;

    // Runs until the last child is gone. 0 after a clean stop; EX_SOFTWARE when a
    // child failed while it stopped (in sanitizer builds: when one ever left with a
    // status that is not ours). Throws FatalError when a child does not come up at
    // the first start, with the child's reason, or when no worker is left that would
    // be started again.
    int run();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
