#include "proxy/failure_cause.h"

#include <algorithm>
#include <iterator>

#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/upstream/failure.h"
#include "proxy/failure_map.h"

namespace ociproxy {

namespace {

struct Cause {
    std::uint32_t kind;
    const char* name;
};

constexpr Cause of(UpstreamFailure kind, const char* name) {
    return {static_cast<std::uint32_t>(kind), name};
}

constexpr Cause of(FillFailure kind, const char* name) {
    return {static_cast<std::uint32_t>(kind), name};
}

constexpr Cause kCauses[] = {
    of(UpstreamFailure::kNameResolution, "dns_error"),
    of(UpstreamFailure::kNameTimeout, "dns_timeout"),
    of(UpstreamFailure::kConnectionRefused, "connection_refused"),
    of(UpstreamFailure::kConnectionTerminated, "connection_terminated"),
    of(UpstreamFailure::kConnectionTimeout, "connection_timeout"),
    of(UpstreamFailure::kTlsProtocol, "tls_protocol"),
    of(UpstreamFailure::kTlsCertificate, "tls_certificate"),
    of(UpstreamFailure::kResponseTimeout, "response_timeout"),
    of(UpstreamFailure::kProtocol, "protocol"),
    of(UpstreamFailure::kIncomplete, "incomplete"),
    of(UpstreamFailure::kBodyTooLarge, "body_too_large"),
    of(UpstreamFailure::kRedirect, "redirect"),
    of(UpstreamFailure::kAddressProhibited, "address_prohibited"),
    of(UpstreamFailure::kContentEncoding, "content_encoding"),
    of(UpstreamFailure::kTokenDenied, "token_denied"),
    of(UpstreamFailure::kTokenUnavailable, "token_unavailable"),
    of(UpstreamFailure::kLoop, "loop"),
    of(FillFailure::kStatus, "status"),
    of(FillFailure::kDigestMismatch, "digest_mismatch"),
    of(FillFailure::kLength, "length"),
    of(FillFailure::kManifestInvalid, "manifest_invalid"),
    of(FillFailure::kStore, "store"),
    of(FillFailure::kCommit, "commit"),
    of(FillFailure::kNoRoom, "no_room"),
};
constexpr std::uint32_t kNamed = static_cast<std::uint32_t>(std::size(kCauses));
static_assert(kNamed < kMaxFailureCauses);

}  // namespace

std::uint32_t failureCauses() noexcept {
    return kNamed + 1;
}

std::uint32_t failureCause(const ClaimFailure& failure) noexcept {
    const Cause* found =
        std::find_if(std::begin(kCauses), std::end(kCauses),
                     [&](const Cause& cause) { return cause.kind == failure.kind; });
    return static_cast<std::uint32_t>(found - std::begin(kCauses));
}

const char* failureCauseName(std::uint32_t cause) noexcept {
    OCIPROXY_ASSERT(cause <= kNamed);
    return cause < kNamed ? kCauses[cause].name : "other";
}

}  // namespace ociproxy
