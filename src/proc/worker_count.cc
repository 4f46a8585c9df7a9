#include "proc/worker_count.h"

#include <csignal>
#include <initializer_list>

#include "ociproxy/shm/shared_state.h"

namespace ociproxy {

namespace {

Counter counterOf(const ChildEnd& end) noexcept {
    if (end.clean()) return Counter::kDeathsExit;
    if (end.configFailure()) return Counter::kDeathsConfig;
    if (end.exited()) return Counter::kDeathsFailed;
    if (end.killedBy(SIGKILL)) return Counter::kDeathsKilled;
    if (end.killedBy(SIGABRT)) return Counter::kDeathsAborted;
    for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP}) {
        if (end.killedBy(signal)) return Counter::kDeathsCrashed;
    }
    return Counter::kDeathsSignal;
}

}  // namespace

void countStart(const Heritage& heritage, ChildRole role) noexcept {
    if (role == ChildRole::kWorker) heritage.shared->counters().add(Counter::kWorkerStarts);
}

void countEnd(const Heritage& heritage, ChildRole role, const ChildEnd& end) noexcept {
    if (role == ChildRole::kWorker) heritage.shared->counters().add(counterOf(end));
}

}  // namespace ociproxy
