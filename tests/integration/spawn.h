#ifndef OCIPROXY_TESTS_INTEGRATION_SPAWN_H
#define OCIPROXY_TESTS_INTEGRATION_SPAWN_H

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ociproxy::itest {

// Whose process a program becomes, in no further group.
struct Starter {
    uid_t uid = 0;
    gid_t gid = 0;
};

// How a program is started. A plain value.
struct SpawnOptions {
    std::optional<Starter> starter;
    // A terminal that becomes stdin and the controlling one of a session of its own.
    int terminal = -1;
    int third = -1;  // what becomes descriptor 3, the first that a service manager passes
};

// Starts a program with stdout and stderr appended to files and stdin empty, as
// `starter` if given; then the program may lie where the starter may not look. It dies
// with the calling thread, unless it changes its user: call it from the main thread.
// Throws SysError.
pid_t spawn(const std::vector<std::string>& command, const std::string& outFile,
            const std::string& errFile, const SpawnOptions& options = {});

// The exit status of a wait status, or 128 + signal.
int exitStatus(int waitStatus);

}  // namespace ociproxy::itest

#endif
