#ifndef OCIPROXY_SRC_STORE_REMOVAL_H
#define OCIPROXY_SRC_STORE_REMOVAL_H

#include <cstdint>
#include <optional>

#include "ociproxy/base/digest.h"

namespace ociproxy {

class Tree;

// Taking content away while others may just commit the same digest. A commit writes the
// record first, under the lock of its directory, and renames the content some time later.
// So a record that is young is left alone, whatever is done to the content: it may be that
// of a commit that is under way. What is left over goes by removeStaleRecord(). Functions
// without state; any process. Throw SysError.

// When the content was last used (wall seconds), stamped now if that lies in the
// future; nullopt: it is not there, or not ours.
std::optional<std::int64_t> lastUse(Tree& tree, const Digest& digest);

enum class Removal { kRemoved, kGone, kUsed };
// Unlinks content that has not been used after `usedAt`, then its record.
Removal removeContent(Tree& tree, const Digest& digest, std::int64_t usedAt);

// Removes a record that has been without content for long. False: it stays.
bool removeStaleRecord(Tree& tree, const Digest& digest);

}  // namespace ociproxy

#endif
