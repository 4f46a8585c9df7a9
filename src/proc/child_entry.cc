#include "proc/child_entry.h"

#include <csignal>
#include <dirent.h>
#include <exception>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/log_writer.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/privileges.h"
#include "ociproxy/proc/process_title.h"
#include "ociproxy/shm/shared_state.h"
#include "proc/confinement.h"

namespace ociproxy {

namespace {

// A master that was killed must not leave anybody on its port and its cache.
void dieWithMaster(pid_t master) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died before that took effect; then we have another parent now.
    if (::getppid() != master) ::_exit(EX_OSERR);
}

// Before any thread: from then on others may count.
void countAsOneself(const Heritage& heritage, const Seat& seat) {
    if (seat.role == ChildRole::kWorker) heritage.shared->counters().workAs(seat.id.index);
    heritage.countLostRecords();
}

void takeName(const Heritage& heritage, const Seat& seat) {
    heritage.log->setRole(seat.name());
    showTitle(heritage, seat, "");
}

int runBody(const Heritage& heritage, Seat& seat, const Master::Body& body,
            std::optional<LogWriter>* logWriter) noexcept {
    try {
        takeName(heritage, seat);
        countAsOneself(heritage, seat);
        if (heritage.confined) confineChild(*heritage.config, *heritage.log);
        logWriter->emplace(std::initializer_list<LogFile*>{&heritage.log->file(),
                                                           heritage.accessLog});
        return body(heritage, seat);
    } catch (const std::exception& e) {
        if (seat.boot.pending()) {
            seat.boot.failed(failureText(e));
        } else {
            heritage.log->error(failureText(e));
        }
        return exitStatusOf(e);
    }
}

}  // namespace

unsigned threadCount() noexcept {
    DIR* tasks = ::opendir("/proc/self/task");
    if (!tasks) return 0;
    unsigned count = 0;
    while (const dirent* entry = ::readdir(tasks)) count += entry->d_name[0] != '.';
    ::closedir(tasks);
    return count;
}

void showTitle(const Heritage& heritage, const Seat& seat, std::string_view state) {
    if (!heritage.title) return;
    // Only the master is "ociproxy" to who looks for processes by their short name.
    std::string shortName = seat.role == ChildRole::kWorker ? cat("ociproxy-w", seat.number)
                                                            : "ociproxy-jan";
    heritage.title->set(cat("ociproxy: ", seat.name(), state), shortName);
}

void enterChild(const Heritage& heritage, Seat& seat, const Master::Body& body) noexcept {
    dieWithMaster(seat.master);
    heritage.dropMastersOwn();
    dropCapabilities();
    std::optional<LogWriter> logWriter;  // never destroyed: that could wait for a disk
    const int status = runBody(heritage, seat, body, &logWriter);
    heritage.flushLogs();
    leaveProcess(status);
}

}  // namespace ociproxy
