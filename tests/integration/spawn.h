#ifndef OCIPROXY_TESTS_INTEGRATION_SPAWN_H
#define OCIPROXY_TESTS_INTEGRATION_SPAWN_H

#include <string>
#include <vector>

#include <sys/types.h>

namespace ociproxy::itest {

// Starts a program with stdout and stderr appended to files and stdin empty. It dies
// with the calling thread: call it from the main thread. Throws SysError.
pid_t spawn(const std::vector<std::string>& command, const std::string& outFile,
            const std::string& errFile);

// The exit status of a wait status, or 128 + signal.
int exitStatus(int waitStatus);

}  // namespace ociproxy::itest

#endif
