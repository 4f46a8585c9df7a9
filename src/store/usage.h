// What the janitor does with the tree: counting and clearing away. Both only ever look
// at names of our own making. Functions without state; any process; others may change
// the tree meanwhile. Throw SysError.
#ifndef OCIPROXY_SRC_STORE_USAGE_H
#define OCIPROXY_SRC_STORE_USAGE_H

#include <cstdint>
#include <set>
#include <sys/stat.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

class Tree;

// As the methods of Store of the same names.
Store::Usage measureContent(Tree& tree);
unsigned reapTemporaryFiles(Tree& tree, const std::set<std::uint64_t>& inUse, Millis idle);

// How long ago, by the wall clock; negative when in the future.
Millis sinceWritten(const struct stat& status) noexcept;

}  // namespace ociproxy

#endif
