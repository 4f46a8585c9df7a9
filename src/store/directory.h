// Directories of the store, by descriptor. Functions without state; any thread and
// any number of processes at once.
#ifndef OCIPROXY_SRC_STORE_DIRECTORY_H
#define OCIPROXY_SRC_STORE_DIRECTORY_H

#include <functional>
#include <string>

#include "ociproxy/base/fd.h"
#include "store/small_file.h"

namespace ociproxy {

// Makes `name` in `parent` with mode 0700 whatever the umask. False when something of
// that name is there already. Throws SysError naming `what`.
bool makeDirectoryAt(int parent, const std::string& name, const std::string& what);

// Makes whatever is missing of the relative path below `root`; kYes: each new entry is
// synced.
// Throws SysError naming `what`; ENOENT when a part is removed meanwhile.
void makeDirectoriesBelow(int root, const std::string& path, const std::string& what,
                          Sync sync);

// The directory `path` below `root`, open for reading; invalid when it does not exist.
// Throws SysError naming `what`, also when a link or a file is in the way.
Fd openDirectoryBelow(int root, const std::string& path, const std::string& what);

// fsync(2) of a directory. A failure is final and throws SysError naming `what`; a file
// system that cannot sync directories (EINVAL) is no failure.
void syncDirectory(int directory, const std::string& what);

// Calls `visit` for every name in the directory but "." and "..", in no order. The names
// may be gone or new by then. Throws SysError naming `what`.
void forEachName(int directory, const std::string& what,
                 const std::function<void(const std::string& name)>& visit);

}  // namespace ociproxy

#endif
