// What /proc tells about processes that are not our children. Answers may be out of
// date at once; callers ask again.
#ifndef OCIPROXY_TESTS_INTEGRATION_PROC_VIEW_H
#define OCIPROXY_TESTS_INTEGRATION_PROC_VIEW_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ociproxy::itest {

std::vector<pid_t> childrenOf(pid_t pid);
// As ps shows it: "ociproxy: worker 0"; empty when the process is gone.
std::string titleOf(pid_t pid);
// Seconds of CPU time that a process has used.
double cpuSecondsOf(pid_t pid);
// No such process, or a zombie that only its parent still sees.
bool isGone(pid_t pid);
// The process among `candidates` that has accepted the connection whose client is
// 127.0.0.1:`clientPort`; 0 when none has.
pid_t ownerOfConnection(const std::vector<pid_t>& candidates, std::uint16_t serverPort,
                        std::uint16_t clientPort);
// The TCP port that a process listens on; 0 when there is none yet.
std::uint16_t listeningPortOf(pid_t pid);
// How many connections to the port have been accepted and have nothing unread: their
// requests are in the server's hands.
std::size_t connectionsRead(std::uint16_t serverPort);

// How many sockets the process has open.
std::size_t socketsOf(pid_t pid);

}  // namespace ociproxy::itest

#endif
