#ifndef OCIPROXY_TESTS_SUPPORT_MASTER_DRAMA_H
#define OCIPROXY_TESTS_SUPPORT_MASTER_DRAMA_H

#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "ociproxy/base/fd.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/master.h"
#include "ociproxy/shm/shared_state.h"

namespace ociproxy {

class Log;

// A real master process with bodies of the test's choice. Everybody logs into one
// pipe: its lines are what the test waits for, its end says that nobody is left.
// Not synchronized; what does not come within half a minute fails the test.
class MasterDrama {
public:
    MasterDrama();
    ~MasterDrama();  // kills the master, and thereby all
    MasterDrama(const MasterDrama&) = delete;
    MasterDrama& operator=(const MasterDrama&) = delete;

    void begin();

    // The next line that contains `part`.
    std::string await(const std::string& part);
    // Fails if one that contains `never` comes first.
    std::string await(const std::string& part, const std::string& never);
    // The same, but it may have come before.
    std::string find(const std::string& part);
    // Returns when the last process is gone.
    void awaitEnd();

    void tell(int signal);  // the master
    // Once all are there; returns the line in which the worker had announced itself.
    std::string signalWorker0(int signal = SIGKILL);
    // TERM, and the master ends with 0.
    void stopCleanly();
    // The master's end: its exit status, or minus the signal.
    int status();
    pid_t master() const { return master_; }

    // "... worker 0[4711] up life=1 epoch=5": the number behind `before`.
    static std::uint64_t number(const std::string& line, const std::string& before);

    // Bodies and parts of them.
    static void announce(const Heritage& heritage, Seat& seat);
    // The first of these signals that came.
    static int obeyed(const Heritage& heritage, Seat& seat, const std::vector<int>& signals);
    static int obey(const Heritage& heritage, Seat& seat, const std::vector<int>& signals);
    static int obedient(const Heritage& heritage, Seat& seat);    // leaves when told
    static Master::Body leavesOn(const std::vector<int>& signals);  // on no others

    Master::Options options;  // all obedient
    unsigned workers = 2;
    std::string greeting = "all are here";
    Millis drainLimit{300'000};
    // What HUP leads to, but for the heritage, which stays; empty: HUP stops.
    std::function<Generation()> renewed;
    std::function<void(Log&, Milestone, const std::string&)> announced;
    SharedState shared{SharedState::Options{64, 16}};
    Fd lock;

private:
    [[noreturn]] void beMaster(const std::string& log);
    int runMaster(const std::string& log);
    std::optional<std::string> nextLine();

    Fd lines_;
    pid_t master_ = 0;
    std::string pending_;
    std::string seen_;
};

}  // namespace ociproxy

#endif
