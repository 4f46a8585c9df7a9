// The cache directory itself: found safely, and given its tree.
#ifndef OCIPROXY_SRC_STORE_CACHE_DIRECTORY_H
#define OCIPROXY_SRC_STORE_CACHE_DIRECTORY_H

#include <string>

#include "ociproxy/base/fd.h"

namespace ociproxy {

enum class IfMissing { kMake, kLeave };

// The directory at an absolute path, open for reading. The way there is walked from the
// root: below a directory that everybody may write to, no component may be a symbolic
// link, and each must belong to the effective user or to root; the last always belongs
// to the effective user. Missing ones are made (0700), or the result is invalid. Throws
// Error saying what to do. Any thread.
Fd openCacheDirectory(const std::string& path, IfMissing ifMissing);

// Throws Error when the layout in `directory` is not one that we know. Touches nothing.
void checkLayoutVersion(int directory, const std::string& path);

// Takes all rights of group and others from a directory of ours; not from one that is
// in use for something else, as a mistaken cache_dir = /tmp would be. Throws Error.
void restrictToOwner(int directory, const std::string& path);

// Makes what is missing of the tree and the version file, and syncs what it made. Any
// number of processes at once. Throws SysError.
void makeTree(int directory, const std::string& path);

}  // namespace ociproxy

#endif
