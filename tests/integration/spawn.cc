#include "integration/spawn.h"

#include <csignal>

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr int kCannotExec = 127;

void redirect(const char* file, int flags, int target) {
    const int fd = ::open(file, flags, 0600);
    if (fd < 0 || ::dup2(fd, target) < 0) ::_exit(kCannotExec);
    if (fd != target) ::close(fd);
}

void become(const Starter& starter) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(starter.gid, starter.gid, starter.gid) != 0 ||
        ::setresuid(starter.uid, starter.uid, starter.uid) != 0) {
        ::_exit(kCannotExec);
    }
}

void takeTerminal(int terminal) {
    if (::setsid() < 0 || ::ioctl(terminal, TIOCSCTTY, 0) != 0 ||
        ::dup2(terminal, STDIN_FILENO) < 0) {
        ::_exit(kCannotExec);
    }
}

void passThird(int fd) {
    constexpr int kThird = 3;
    if (fd == kThird) ::fcntl(fd, F_SETFD, 0);
    if (fd != kThird && ::dup2(fd, kThird) < 0) ::_exit(kCannotExec);
}

// Between fork and exec in a process with threads: system calls only.
[[noreturn]] void becomeProgram(char* const* arguments, const char* outFile,
                                const char* errFile, const SpawnOptions& options) {
    const Starter* const starter = options.starter ? &*options.starter : nullptr;
    const int program = starter ? ::open(arguments[0], O_PATH | O_CLOEXEC) : -1;
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(outFile, O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
    redirect(errFile, O_WRONLY | O_CREAT | O_APPEND, STDERR_FILENO);
    if (options.third >= 0) passThird(options.third);
    if (options.terminal >= 0) takeTerminal(options.terminal);
    if (starter) become(*starter);
    // Behind the change of user, which clears it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (starter) ::fexecve(program, arguments, environ);
    if (!starter) ::execv(arguments[0], arguments);
    ::_exit(kCannotExec);
}

}  // namespace

pid_t spawn(const std::vector<std::string>& command, const std::string& outFile,
            const std::string& errFile, const SpawnOptions& options) {
    std::vector<char*> arguments;
    for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) throwErrno(cat("fork for ", command.front()));
    if (pid == 0) {
        becomeProgram(arguments.data(), outFile.c_str(), errFile.c_str(), options);
    }
    return pid;
}

int exitStatus(int waitStatus) {
    return WIFEXITED(waitStatus) ? WEXITSTATUS(waitStatus) : 128 + WTERMSIG(waitStatus);
}

}  // namespace ociproxy::itest
