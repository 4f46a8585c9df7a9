#include "ociproxy/proc/service_manager.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
constexpr std::uint64_t kMaxInherited = 256;

std::string environmentValue(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool isForUs(const std::string& pid) {
    return pid.empty() || pid == std::to_string(::getpid());
}

// Half of what the manager allows, as sd_watchdog_enabled(3) advises.
std::optional<Millis> watchdogInterval() {
    const auto micros = parseUnsigned(environmentValue("WATCHDOG_USEC"));
    if (!micros || *micros == 0 || !isForUs(environmentValue("WATCHDOG_PID"))) return std::nullopt;
    return Millis{static_cast<Millis::rep>(*micros / 2'000)};
}

std::string monotonicMicros() {
    const auto since = now().time_since_epoch();
    return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

std::string messageOf(Milestone milestone) {
    switch (milestone) {
        case Milestone::kReady:
        case Milestone::kReloaded:
        case Milestone::kReloadRefused:
            return "READY=1\n";
        case Milestone::kReloading:
            return cat("RELOADING=1\nMONOTONIC_USEC=", monotonicMicros(), "\n");
        case Milestone::kStopping:
            return "STOPPING=1\n";
        case Milestone::kAlive:
            break;
    }
    return "";
}

}  // namespace

ServiceManager::ServiceManager() : address_(environmentValue("NOTIFY_SOCKET")) {
    const bool usable = (startsWith(address_, "/") || startsWith(address_, "@")) &&
                        address_.size() < sizeof(sockaddr_un::sun_path);
    if (!usable) return;
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    watchdogEvery_ = watchdogInterval();
}

void ServiceManager::announce(Milestone milestone, const std::string& status) noexcept {
    if (!present()) return;
    try {
        std::string message = messageOf(milestone);
        if (watchdogIsDue(now())) message += "WATCHDOG=1\n";
        if (status != lastStatus_) message += cat("STATUS=", status, "\n");
        lastStatus_ = status;
        if (!message.empty()) send(message);
    } catch (const std::bad_alloc&) {
        // The next one tells as much.
    }
}

bool ServiceManager::watchdogIsDue(TimePoint now) noexcept {
    if (!watchdogEvery_ || now < fedAt_ + *watchdogEvery_) return false;
    fedAt_ = now;
    return true;
}

void ServiceManager::send(const std::string& message) noexcept {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::copy(address_.begin(), address_.end(), to.sun_path);
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // the abstract name space
    const std::size_t size = offsetof(sockaddr_un, sun_path) + address_.size();
    ::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&to), static_cast<socklen_t>(size));
}

std::vector<Fd> takeInheritedSockets() {
    std::vector<Fd> out;
    const std::string pid = environmentValue("LISTEN_PID");
    const auto count = parseUnsigned(environmentValue("LISTEN_FDS"));
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    if (pid != std::to_string(::getpid()) || !count || *count > kMaxInherited) return out;
    for (int fd = kFirstInherited; fd < kFirstInherited + static_cast<int>(*count); ++fd) {
        if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) out.emplace_back(fd);
    }
    return out;
}

}  // namespace ociproxy
