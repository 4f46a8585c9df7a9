#ifndef OCIPROXY_PROC_MASTER_H
#define OCIPROXY_PROC_MASTER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/proc/child_policy.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

struct Heritage;
struct Seat;

// What one reading of the configuration led to: what its processes inherit and how
// many there are. A value; copies share the heritage.
struct Generation {
    std::shared_ptr<const Heritage> heritage;
    unsigned workers = 1;
    std::string greeting;          // logged when all of them are ready
    Millis drainLimit{300'000};    // for what they still do once they are replaced or drained
};

// What a service manager wants to know.
enum class Milestone : std::uint8_t {
    kAlive,
    kReady,
    kReloading,
    kReloaded,
    kReloadRefused,  // what ran before goes on
    kStopping,
};

// The master process: starts the workers and the janitor, supervises them and stops
// them. One thread for ever (it forks), no network, no work of its own: what can
// crash is in the children.
//
// A dead child: its epoch is raised before anything else, so that nothing it owned
// counts any more; its claims are swept, which wakes who waits for them; then it is
// logged and, as ChildPolicy says, started again. A worker whose heart has stopped
// gets ABRT, then KILL. Children die with the master (PDEATHSIG).
//
//   TERM, INT  stop: at most `stopLimit`; a second one: now
//   QUIT       drain: at most `drainLimit`
//   HUP        renew: a new generation is started beside the present one, which retires
//              when all the new workers are ready and is left alone when one of them
//              fails. There are at most two: a HUP that comes while one still retires
//              waits until it is gone. From a terminal that hangs up, or without
//              `renew`: stop.
//   USR1       reopen the logs, everywhere
class Master {
public:
    // What a child does until it leaves; the result is its exit status. Says
    // seat.boot.ready() once it serves. An exception is reported to the master as
    // the reason of a failed boot and ends the child with exitStatusOf() it.
    using Body = std::function<int(const Heritage&, Seat&)>;

    // Makes the next generation; throws Error, and has changed nothing then.
    using Renew = std::function<Generation()>;
    // Told at each milestone, with a line on how things are; kAlive every second or so.
    using Announce = std::function<void(Milestone, const std::string&)>;

    struct Options {
        Body worker;
        Body janitor;
        Renew renew;        // may be empty
        Announce announce;  // may be empty
        ChildPolicy::Limits policy;
        Millis stopLimit{10'000};
        Millis hurryLimit{1'000};  // from "leave now" to KILL
        Millis hungAfter = WorkerTable::kHungAfter;
        Millis abortLimit{5'000};  // from ABRT to KILL
    };

    // REQUIRES: takeOverSignals().
    Master(const Generation& first, const Options& options);
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
