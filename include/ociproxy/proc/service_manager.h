// What is said to and taken from the service manager that started us, by the protocols
// of systemd, sd_notify(3) and sd_listen_fds(3), whoever speaks them.
#ifndef OCIPROXY_PROC_SERVICE_MANAGER_H
#define OCIPROXY_PROC_SERVICE_MANAGER_H

#include <optional>
#include <string>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/proc/master.h"

namespace ociproxy {

// Speaks to the socket that NOTIFY_SOCKET names; says nothing without one. Never
// waits: what cannot be sent is dropped. Not synchronized; belongs to the master.
class ServiceManager {
public:
    // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    ServiceManager();

    bool present() const noexcept { return socket_.valid(); }
    // A milestone and a line for the status; kAlive feeds the watchdog, at most twice
    // per interval, and brings a changed status.
    void announce(Milestone milestone, const std::string& status) noexcept;

private:
    bool watchdogIsDue(TimePoint now) noexcept;
    void send(const std::string& message) noexcept;

    std::string address_;
    Fd socket_;
    std::optional<Millis> watchdogEvery_;
    TimePoint fedAt_ = TimePoint::min();
    std::string lastStatus_;
};

// The listening sockets that were passed to this process (LISTEN_PID, LISTEN_FDS),
// close-on-exec from now on; empty if none were. Call once: it takes them.
std::vector<Fd> takeInheritedSockets();

}  // namespace ociproxy

#endif
