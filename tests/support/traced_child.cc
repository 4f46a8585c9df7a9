#include "support/traced_child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/runner.h"

namespace ociproxy {

namespace {

constexpr int kNotPermitted = 77;
constexpr int kSyscallStop = SIGTRAP | 0x80;

int runTraced(const std::function<void()>& setup, const std::function<void()>& body) {
    try {
        setup();
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return kNotPermitted;
        ::raise(SIGSTOP);
        body();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "traced child: %s\n", error.what());
        return 1;
    }
}

}  // namespace

TracedChild::TracedChild(const std::function<void()>& setup, const std::function<void()>& body) {
    pid_ = ::fork();
    if (pid_ < 0) throwErrno("fork");
    if (pid_ == 0) ::_exit(runTraced(setup, body));
    int signal = 0;
    if (!waitForStop(&signal)) {
        if (WIFEXITED(status_) && WEXITSTATUS(status_) == kNotPermitted) {
            skipTest("ptrace is not permitted");
        }
        throw Error("the traced child ended in its setup");
    }
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, options) != 0) throwErrno("ptrace");
}

TracedChild::~TracedChild() {
    kill();
}

bool TracedChild::next() {
    int pass = 0;
    while (!ended_) {
        if (::ptrace(PTRACE_SYSCALL, pid_, nullptr, static_cast<long>(pass)) != 0) {
            throwErrno("ptrace");
        }
        int signal = 0;
        if (!waitForStop(&signal)) break;
        if (signal == kSyscallStop) return true;
        pass = signal;
    }
    return false;
}

bool TracedChild::isEntry(Call* call) const {
    struct __ptrace_syscall_info info = {};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof info, &info) < 0) throwErrno("ptrace");
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    call->number = info.entry.nr;
    std::copy(std::begin(info.entry.args), std::end(info.entry.args), call->arguments);
    return true;
}

std::string TracedChild::nameOf(std::uint64_t fd) const {
    std::error_code missing;
    return std::filesystem::read_symlink(cat("/proc/", pid_, "/fd/", fd), missing);
}

void TracedChild::kill() {
    if (ended_ || pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int signal = 0;
    while (waitForStop(&signal)) {
    }
}

bool TracedChild::waitForStop(int* signal) {
    for (;;) {
        if (::waitpid(pid_, &status_, 0) < 0) {
            if (errno == EINTR) continue;
            throwErrno("waitpid");
        }
        ended_ = !WIFSTOPPED(status_);
        *signal = ended_ ? 0 : WSTOPSIG(status_);
        return !ended_;
    }
}

}  // namespace ociproxy
