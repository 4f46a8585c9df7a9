#include "integration/tampering.h"

#include <csignal>

#include <sys/wait.h>

#include "integration/integration_test.h"
#include "integration/spawn.h"
#include "support/runner.h"

namespace ociproxy::itest {

Tampering::Tampering(pid_t victim, const std::vector<std::string>& options) {
    std::vector<std::string> command = {"/usr/bin/env", "strace", "-p", cat(victim), "-o",
                                        root_.file("calls")};
    command.insert(command.end(), options.begin(), options.end());
    pid_ = spawn(command, root_.file("out"), root_.file("err"));
    bool ended = false;
    await("strace is attached", [&] {
        ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
        return ended || said().find(" attached") != std::string::npos;
    });
    if (ended) {
        pid_ = 0;
        skipTest(cat("strace cannot attach: ", said()));
    }
}

void Tampering::end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGTERM);  // so that it lets go
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

std::vector<std::string> Tampering::calls() const {
    return linesOf(readFile(root_.file("calls")));
}

std::string Tampering::said() const {
    return readFile(root_.file("err"));
}

}  // namespace ociproxy::itest
