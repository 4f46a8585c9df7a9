// From a request target to an operation. No upstream is
// chosen here: that needs configuration.
#ifndef OCIPROXY_REGISTRY_ROUTE_H
#define OCIPROXY_REGISTRY_ROUTE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/registry/error_body.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

enum class Operation : std::uint8_t {
    kPing,        // /v2/
    kBlob,        // .../blobs/<digest>
    kManifest,    // .../manifests/<reference>
    kTags,        // .../tags/list
    kReferrers,   // .../referrers/<digest>
    kUpload,      // .../blobs/uploads/ and .../blobs/uploads/<session>
};

// A request target, split and checked. A plain value.
struct Route {
    Operation operation = Operation::kPing;
    // Everything between /v2/ and the operation's suffix: with or without a
    // registry in front, not yet checked against the grammar of repositories.
    std::string name;
    // Set for kBlob (always a digest, maybe a foreign one), kManifest and kReferrers (a digest).
    std::optional<Reference> reference;
    std::string session;  // kUpload: what follows /uploads/
    // The component that stood before /v2.
    std::string prefix;
    // The value of ?ns=, lower case, host[:port] grammar checked; empty if absent.
    std::string ns;
    std::string nsAsReceived;  // what OCI-Namespace echoes
    std::string query;         // raw, without ns
};

// A refusal with everything its answer needs.
struct RouteError {
    int status = 400;
    ErrorCode code = ErrorCode::kNameInvalid;
    std::string message;
};

// Parses an origin-form target ("/v2/..."; absolute-form is reduced before).
// Exactly one of the two is set: the operation is found from the right, the path
// is decoded once and only for escapes of characters that names and digests are made of.
struct RouteResult {
    std::optional<Route> route;
    RouteError error;
};
RouteResult parseRoute(std::string_view target);

}  // namespace ociproxy

#endif
