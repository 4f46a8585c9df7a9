#ifndef OCIPROXY_PROC_DAEMON_H
#define OCIPROXY_PROC_DAEMON_H

#include <utility>

#include "ociproxy/base/fd.h"

namespace ociproxy {

// The daemon's way to tell who started it how that went; they wait for it, so that
// "started" means started. Not synchronized; belongs to the master.
class StartReport {
public:
    StartReport() noexcept = default;  // nobody waits
    explicit StartReport(Fd pipe) noexcept : pipe_(std::move(pipe)) {}

    // It serves: the starter leaves with 0, and the last tie to its terminal is cut.
    void started() noexcept;
    // It does not, for a reason that stderr has already said.
    void failed(int status) noexcept;
    // For a child: closes its copy.
    void close() noexcept { pipe_.reset(); }

private:
    void send(int status) noexcept;
    Fd pipe_;
};

// Goes on in a process of its own: another session, no terminal, working directory /,
// standard input and output on /dev/null, standard error kept until started(). Returns
// in that process; the one that called waits and leaves with the reported status.
// Throws SysError. REQUIRES: no thread; takeOverSignals().
StartReport becomeDaemon();

}  // namespace ociproxy

#endif
