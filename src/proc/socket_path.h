#ifndef OCIPROXY_SRC_PROC_SOCKET_PATH_H
#define OCIPROXY_SRC_PROC_SOCKET_PATH_H

#include <string>
#include <sys/stat.h>
#include <sys/types.h>

#include "ociproxy/base/fd.h"

namespace ociproxy {

// Binds a unix socket to `path`, mode 0660, and listens. A socket that was left there is
// replaced only if nobody answers on it; anything else stays. Throws SysError: EADDRINUSE
// when somebody answers. REQUIRES: no thread makes files (the umask changes for a moment).
Fd listenOnPath(const std::string& path, int backlog);

// The name of a listening unix socket, which does not go with the socket: removed by the
// process that made this, while it is still that socket's and where that is permitted.
class SocketPath {
public:
    explicit SocketPath(std::string path) noexcept;
    ~SocketPath();
    SocketPath(const SocketPath&) = delete;
    SocketPath& operator=(const SocketPath&) = delete;

    // Makes the name another's. Whoever may write to the directory may have put something
    // else in its place: that is left alone. Throws SysError.
    void giveTo(uid_t owner, gid_t group);

private:
    std::string path_;
    pid_t owner_;
    struct stat made_ {};
};

}  // namespace ociproxy

#endif
