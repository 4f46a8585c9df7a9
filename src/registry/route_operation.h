#ifndef OCIPROXY_SRC_REGISTRY_ROUTE_OPERATION_H
#define OCIPROXY_SRC_REGISTRY_ROUTE_OPERATION_H

#include <optional>
#include <string_view>

#include "ociproxy/registry/route.h"

namespace ociproxy {

using Refusal = std::optional<RouteError>;

// Finds the operation in what follows /v2/ (decoded, not empty) from the right, and sets
// operation, name, reference and session of `route`. A pure
// function; any thread.
Refusal parseOperation(std::string_view rest, Route* route);

}  // namespace ociproxy

#endif
