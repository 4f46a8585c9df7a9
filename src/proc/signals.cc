#include "ociproxy/proc/signals.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <pthread.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

const int kOurs[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};

const int kNeverIgnored[] = {SIGCHLD, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};

bool ignored(int number) noexcept {
    struct sigaction action{};
    return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t ourSignals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (int number : kOurs) ::sigaddset(&set, number);
    return set;
}

}  // namespace

void takeOverSignals() noexcept {
    sigset_t set = ourSignals();
    // Blocked, it would be kept for us although the user asked for it to be ignored.
    if (ignored(SIGHUP)) ::sigdelset(&set, SIGHUP);
    OCIPROXY_ASSERT(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
    // Only what is ignored: a sanitizer's own handlers stay.
    for (int number : kNeverIgnored) {
        if (ignored(number)) ::signal(number, SIG_DFL);
    }
    ::signal(SIGPIPE, SIG_IGN);
}

void takeOverHangUp() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGHUP);
    OCIPROXY_ASSERT(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
    ::signal(SIGHUP, SIG_DFL);
}

std::optional<Signal> nextSignal(Millis atMost) noexcept {
    if (atMost < Millis::zero()) atMost = Millis::zero();
    timespec wait{};
    wait.tv_sec = static_cast<time_t>(atMost.count() / 1000);
    wait.tv_nsec = static_cast<long>(atMost.count() % 1000) * 1'000'000;
    sigset_t set = ourSignals();
    siginfo_t info{};
    int number = ::sigtimedwait(&set, &info, &wait);
    if (number < 0) {
        OCIPROXY_ASSERT(errno == EAGAIN || errno == EINTR);
        return std::nullopt;
    }
    return Signal{number, info.si_pid, info.si_code == SI_KERNEL};
}

std::string signalName(int number) {
    const char* name = ::sigabbrev_np(number);
    return name ? cat("SIG", name) : cat("signal ", number);
}

}  // namespace ociproxy
