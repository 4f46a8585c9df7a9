#ifndef OCIPROXY_SRC_STORE_PIN_SEARCH_H
#define OCIPROXY_SRC_STORE_PIN_SEARCH_H

#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/registry/pin.h"

namespace ociproxy {

class Tree;

// The digests of the manifests that the pin stands for now, those that a tag will have
// once they are stored included; they need not be in the store. Without state. Throws
// SysError.
std::vector<Digest> pinnedDigests(Tree& tree, const Pin& pin);

}  // namespace ociproxy

#endif
