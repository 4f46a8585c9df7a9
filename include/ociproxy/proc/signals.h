// Signals are blocked in every process for its whole life and read one at a time,
// synchronously: there is no handler, and no thread but the one that reads them sees
// any. What the master asks of its children by which signal:
//
//   TERM  stop accepting, finish what clients wait for, leave
//   QUIT  the same, and let fills end
//   USR2  the same without haste, for a worker that others have replaced: a client
//         that holds a connection gets one more reply on it
//   INT   leave now
//   USR1  reopen the logs
//
// A terminal sends INT, QUIT and HUP to the whole process group; children leave
// these to the master, which tells them what to do.
#ifndef OCIPROXY_PROC_SIGNALS_H
#define OCIPROXY_PROC_SIGNALS_H

#include <optional>
#include <string>
#include <sys/types.h>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// A signal that was read. A plain value.
struct Signal {
    int number = 0;
    pid_t sender = 0;         // 0: the kernel, or a process of another pid namespace
    bool fromKernel = false;  // a terminal's key or hang-up
};

// The first statement of main(), before anything that may start a thread: blocks
// the signals we read, ignores PIPE, and ends what a parent may have left ignored
// (CHLD would lose the status of children, others a core). A HUP that is ignored
// (nohup) stays so. Inherited by children.
void takeOverSignals() noexcept;

// For a daemon, whose terminal cannot hang up: HUP is read even if it was ignored.
// REQUIRES: takeOverSignals(), and no thread.
void takeOverHangUp() noexcept;

// The next of our signals, or nullopt when none came for `atMost` (or the process
// was stopped and continued meanwhile). REQUIRES: takeOverSignals().
std::optional<Signal> nextSignal(Millis atMost) noexcept;

// "SIGKILL"; "signal 42" for what has no name.
std::string signalName(int number);

}  // namespace ociproxy

#endif
