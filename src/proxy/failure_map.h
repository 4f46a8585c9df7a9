#ifndef OCIPROXY_SRC_PROXY_FAILURE_MAP_H
#define OCIPROXY_SRC_PROXY_FAILURE_MAP_H

#include <cstdint>

#include "ociproxy/shm/claim_table.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/client.h"
#include "proxy/findings.h"
#include "proxy/target.h"

namespace ociproxy {

// The kinds of ClaimFailure beyond those of UpstreamFailure. Shared between
// generations of processes: new ones are appended.
enum class FillFailure : std::uint32_t {
    kStatus = 100,          // the upstream's final status was not a success
    kDigestMismatch = 101,
    kStore = 102,           // our disk, before the digest was verified
    kCommit = 103,          // our disk, after it: every byte of the file is good
    kManifestInvalid = 104,
    kLength = 105,          // the body was longer or shorter than the upstream had said
    kNoRoom = 106,          // the store has no room for it and nothing to evict
};

// From a final upstream answer that is no success.
ClaimFailure failureOfStatus(const UpstreamResponse& response);
ClaimFailure failureOf(const UpstreamError& error);
ClaimFailure failureOf(FillFailure kind);

// Whether an upstream that fails so may be served from what is known: it could not be
// asked, as opposed to having said no.
bool couldNotAsk(const ClaimFailure& failure) noexcept;

// What the client is told: uniform, naming upstream and cause,
// without addresses. `what` is the content asked for.
Refusal refusalFor(const ClaimFailure& failure, const Target& target);

// The same for a work's sessions: a refusal, or the order to be passed through if it is our
// store that failed.
void explain(const ClaimFailure& failure, const Target& target, WorkResult* result);

// Seconds of a Retry-After field (delta or HTTP-date), clamped to 1 s ... 1 h; 0 if
// there is none that can be read.
std::uint32_t retryAfterSeconds(const std::string* field);

}  // namespace ociproxy

#endif
