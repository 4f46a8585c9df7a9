#include "ociproxy/proc/daemon.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/proc/signals.h"

namespace ociproxy {

namespace {

void redirect(int target, int flags) noexcept {
    Fd null(::open("/dev/null", flags | O_CLOEXEC));
    if (null) ::dup2(null.get(), target);
}

// The starter: what ends it from outside may do so, the daemon goes its own way.
[[noreturn]] void waitForReport(const Fd& pipe) noexcept {
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    unsigned char status = EX_OSERR;
    ssize_t count;
    do {
        count = ::read(pipe.get(), &status, 1);
    } while (count < 0 && errno == EINTR);
    if (count != 1) std::fputs("ociproxy: the daemon ended without a word\n", stderr);
    ::_exit(count == 1 ? status : EX_OSERR);
}

// Not the leader of the session, so that no terminal it opens can become its own.
void detach() {
    if (::setsid() < 0) throwErrno("begin a session");
    const pid_t pid = ::fork();
    if (pid < 0) throwErrno("fork");
    if (pid > 0) ::_exit(EX_OK);
    takeOverHangUp();
    if (::chdir("/") != 0) throwErrno("change to /");
    redirect(STDIN_FILENO, O_RDONLY);
    redirect(STDOUT_FILENO, O_WRONLY);
}

}  // namespace

void StartReport::started() noexcept {
    if (!pipe_) return;
    redirect(STDERR_FILENO, O_WRONLY);
    send(EX_OK);
}

void StartReport::failed(int status) noexcept {
    if (pipe_) send(status);
}

void StartReport::send(int status) noexcept {
    const unsigned char byte = static_cast<unsigned char>(status);
    while (::write(pipe_.get(), &byte, 1) < 0 && errno == EINTR) {
    }
    pipe_.reset();
}

StartReport becomeDaemon() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throwErrno("pipe");
    Fd readEnd(ends[0]);
    StartReport report{Fd(ends[1])};
    std::fflush(nullptr);  // or the child prints it again
    const pid_t pid = ::fork();
    if (pid < 0) throwErrno("fork");
    if (pid > 0) {
        report.close();
        waitForReport(readEnd);
    }
    try {
        detach();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "ociproxy: cannot become a daemon: %s\n", e.what());
        report.failed(EX_OSERR);
        ::_exit(EX_OSERR);
    }
    return report;
}

}  // namespace ociproxy
