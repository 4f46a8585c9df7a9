#ifndef OCIPROXY_SRC_STORE_SWEEP_H
#define OCIPROXY_SRC_STORE_SWEEP_H

#include <functional>

#include "ociproxy/base/digest.h"

namespace ociproxy {

class Tree;

// Removes what evicted content leaves behind, once it is old: records, links, and the
// tags of manifests. `isPresent`: whether there may be content, as of a moment ago; what
// is young stays whatever that says. Returns how many. Throws SysError.
unsigned sweepTree(Tree& tree, const std::function<bool(const Digest& digest)>& isPresent,
                   const std::function<void(std::size_t steps)>& worked);

}  // namespace ociproxy

#endif
