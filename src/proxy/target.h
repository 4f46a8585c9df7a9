#ifndef OCIPROXY_SRC_PROXY_TARGET_H
#define OCIPROXY_SRC_PROXY_TARGET_H

#include <optional>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/front/message.h"
#include "ociproxy/registry/route.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/settings.h"

namespace ociproxy {

// What a request asks for, with its upstream chosen. A plain value.
struct Target {
    Operation operation = Operation::kPing;
    UpstreamPtr upstream;    // nullptr for kPing
    RepositoryKey where;     // upstream name and the repository as the upstream knows it
    std::optional<Reference> reference;
    std::string nsAsReceived;  // echoed as OCI-Namespace; empty if not used
    Sha256 requester{};        // hash of (upstream, repository, credential)

    ContentKind kind() const noexcept {
        return operation == Operation::kManifest ? ContentKind::kManifest : ContentKind::kBlob;
    }
    // Below the upstream's origin: "/v2/<repository>/blobs/<digest>".
    std::string upstreamPath(const std::string& text) const;
};

struct TargetResult {
    std::optional<Target> target;
    RouteError error;  // set when there is no target
};

// Chooses the upstream of a route: `ns` is a key
// into the directory, never dialled; a name that is not allowed is 403 before any
// look-up of addresses. `host` is the request's own Host: an `ns` that names the
// proxy itself counts as absent.
TargetResult chooseTarget(const Route& route, const std::string& host,
                          const UpstreamDirectory& directory);

}  // namespace ociproxy

#endif
