// Files of downloads that ended early, one for each digest, for whoever fetches it next.
// Nothing of them is believed: who goes on with one hashes it again. Their names change by
// rename alone, so that one of many takers gets it, whole.
//
// A file that is written to is locked (flock) by the process that does, and the lock ends
// with that process, however it ends: what can be locked is written to by nobody, even if
// nobody claims it any more. A stopped process still has its lock.
#ifndef OCIPROXY_SRC_STORE_PARTIAL_H
#define OCIPROXY_SRC_STORE_PARTIAL_H

#include <cstdint>
#include <set>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "store/layout.h"

namespace ociproxy {

class Tree;

// What is shorter is fetched again as fast as it is read.
constexpr std::uint64_t kLeastPartial = 1024 * 1024;

// Whether nobody else writes to the file; the lock stays until the descriptor and its
// copies are closed. True where the file system knows no locks.
bool lockFile(const Fd& file) noexcept;
// The same, but whoever is about to close the file gets a moment to do so.
bool lockFileSoon(const Fd& file) noexcept;

// Makes the temporary file `from`, open as `file` and locked, the partial of its digest and
// gives back what was reserved beyond its `size`. False: too short, or there is one that is
// as long; `from` is still there then. Throws SysError.
bool makePartial(Tree& tree, const StorePath& from, const Digest& digest, const Fd& file,
                 std::uint64_t size);
// Gives the partial the name of a temporary file; its length, or 0 when there is none.
std::uint64_t takePartial(Tree& tree, const Digest& digest, std::uint64_t lineage);

// As the methods of Store of the same names. Throw SysError.
unsigned keepPartials(Tree& tree, const std::set<std::uint64_t>& inUse, Millis idle);
unsigned reapPartials(Tree& tree, Millis maxAge, std::uint64_t maxBytes);

}  // namespace ociproxy

#endif
