// Opening what may have been tampered with. A link is never followed, a fifo never
// blocks, and what is not a regular file of the effective user is not there.
// Functions without state; any thread.
#ifndef OCIPROXY_SRC_STORE_OPEN_FILE_H
#define OCIPROXY_SRC_STORE_OPEN_FILE_H

#include <string>
#include <sys/stat.h>

#include "ociproxy/base/fd.h"

namespace ociproxy {

// open(2) of `path`, a relative one, below the directory `root`, with O_CLOEXEC: no
// component may be a symbolic link or lead out of `root`. -1 with errno on failure.
int openBeneath(int root, const std::string& path, int flags);
// The same component by component, for kernels and sandboxes without openat2(2).
int openStepwise(int root, const std::string& path, int flags);

// Whether errno after such an open means that the thing is not there for us:
// missing, a link, a socket, below a non-directory, or not permitted.
bool meansAbsent(int code) noexcept;

// The regular file of ours at `path` below `root`, with what fstat(2) says of it in
// `*status`; `access` is O_RDONLY or O_RDWR. Invalid when absent in the sense above,
// errno being ENOENT if and only if nothing was found. Throws SysError naming `what`.
Fd openOwnFile(int root, const std::string& path, int access, struct stat* status,
               const std::string& what);

bool isOwnFile(const struct stat& status) noexcept;
bool isSameFile(const struct stat& a, const struct stat& b) noexcept;

// fstat(2). Throws SysError naming `what`.
struct stat statusOf(int fd, const std::string& what);

}  // namespace ociproxy

#endif
