#include "proxy/failure_map.h"

#include <algorithm>
#include <ctime>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint32_t kMaxRetryAfter = 3600;

Refusal make(int status, ErrorCode code, std::string message) {
    Refusal refusal;
    refusal.status = status;
    refusal.code = code;
    refusal.message = std::move(message);
    return refusal;
}

std::string subject(const Target& target) {
    return cat(target.where.upstream, "/", target.where.repository);
}

Refusal notFound(const Target& target) {
    const bool manifest = target.operation == Operation::kManifest;
    return make(404, manifest ? ErrorCode::kManifestUnknown : ErrorCode::kBlobUnknown,
                cat(manifest ? "manifest" : "blob", " unknown to ", subject(target)));
}

Refusal denied(const Target& target) {
    return make(403, ErrorCode::kDenied,
                cat("upstream ", target.where.upstream, " refuses access to ",
                    target.where.repository, " without other credentials"));
}

// A gateway passes on the three statuses that say "not now"; any other is its own 502.
int gatewayStatus(std::uint32_t upstreamStatus) {
    return upstreamStatus == 503 || upstreamStatus == 504 ? static_cast<int>(upstreamStatus) : 502;
}

Refusal ofStatus(const ClaimFailure& failure, const Target& target) {
    switch (failure.status) {
    case 401:
    case 403: return denied(target);
    case 404:
    case 410: return notFound(target);
    case 429:
        return make(429, ErrorCode::kTooManyRequests,
                    cat("upstream ", target.where.upstream,
                        " limits our requests; try again later"));
    default:
        return make(gatewayStatus(failure.status), ErrorCode::kUnavailable,
                    cat("upstream ", target.where.upstream, " answered ", failure.status));
    }
}

const char* fillFailureText(FillFailure kind) {
    switch (kind) {
    case FillFailure::kDigestMismatch: return "sent content that does not match its digest";
    case FillFailure::kManifestInvalid: return "sent something that is no usable manifest";
    case FillFailure::kLength: return "sent content of another length than it had announced";
    default: return "failed";
    }
}

Refusal ofFill(FillFailure kind, const Target& target) {
    if (kind == FillFailure::kStore || kind == FillFailure::kCommit) {
        return make(500, ErrorCode::kUnknown,
                    "the proxy could not write to its cache; see its log");
    }
    return make(502, ErrorCode::kUnavailable,
                cat("upstream ", target.where.upstream, " ", fillFailureText(kind)));
}

Refusal ofUpstream(UpstreamFailure kind, const Target& target) {
    if (kind == UpstreamFailure::kTokenDenied) return denied(target);
    const bool late = kind == UpstreamFailure::kConnectionTimeout ||
                      kind == UpstreamFailure::kNameTimeout ||
                      kind == UpstreamFailure::kResponseTimeout;
    return make(late ? 504 : 502, ErrorCode::kUnavailable,
                cat("upstream ", target.where.upstream, ": ", failureText(kind)));
}

}  // namespace

std::uint32_t retryAfterSeconds(const std::string* field) {
    if (!field) return 0;
    if (std::optional<std::uint64_t> seconds = parseUnsigned(*field)) {
        return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(*seconds, 1, kMaxRetryAfter));
    }
    std::tm date{};
    if (strptime(field->c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return 0;
    const std::int64_t left = static_cast<std::int64_t>(timegm(&date)) - wallSeconds();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, kMaxRetryAfter));
}

ClaimFailure failureOfStatus(const UpstreamResponse& response) {
    ClaimFailure failure = failureOf(FillFailure::kStatus);
    failure.status = static_cast<std::uint32_t>(response.status());
    failure.retryAfter = retryAfterSeconds(response.header("Retry-After"));
    failure.retryable = failure.status >= 500;
    return failure;
}

ClaimFailure failureOf(const UpstreamError& error) {
    ClaimFailure failure;
    failure.kind = static_cast<std::uint32_t>(error.failure());
    failure.retryable = isRetryable(error.failure());
    return failure;
}

ClaimFailure failureOf(FillFailure kind) {
    ClaimFailure failure;
    failure.kind = static_cast<std::uint32_t>(kind);
    failure.retryable = kind == FillFailure::kDigestMismatch || kind == FillFailure::kLength;
    return failure;
}

bool couldNotAsk(const ClaimFailure& failure) noexcept {
    if (failure.kind == static_cast<std::uint32_t>(FillFailure::kStatus)) {
        return failure.status == 429 || failure.status >= 500;
    }
    return failure.kind != static_cast<std::uint32_t>(UpstreamFailure::kTokenDenied);
}

void explain(const ClaimFailure& failure, const Target& target, WorkResult* result) {
    result->passReason = passReasonOf(failure);
    if (!result->passReason) result->refusal = refusalFor(failure, target);
}

Refusal refusalFor(const ClaimFailure& failure, const Target& target) {
    Refusal refusal;
    if (failure.kind == static_cast<std::uint32_t>(FillFailure::kStatus)) {
        refusal = ofStatus(failure, target);
    } else if (failure.kind > static_cast<std::uint32_t>(FillFailure::kStatus)) {
        refusal = ofFill(static_cast<FillFailure>(failure.kind), target);
    } else {
        refusal = ofUpstream(static_cast<UpstreamFailure>(failure.kind), target);
    }
    refusal.retryAfter = failure.retryAfter;
    refusal.upstreamStatus = static_cast<int>(failure.status);
    return refusal;
}

}  // namespace ociproxy
