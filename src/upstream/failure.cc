#include "ociproxy/upstream/failure.h"

namespace ociproxy {

const char* failureText(UpstreamFailure failure) noexcept {
    switch (failure) {
    case UpstreamFailure::kNone: return "no failure";
    case UpstreamFailure::kNameResolution: return "name not resolved";
    case UpstreamFailure::kNameTimeout: return "name resolution timed out";
    case UpstreamFailure::kConnectionRefused: return "connection refused";
    case UpstreamFailure::kConnectionTerminated: return "connection terminated";
    case UpstreamFailure::kConnectionTimeout: return "connection timed out";
    case UpstreamFailure::kTlsProtocol: return "TLS error";
    case UpstreamFailure::kTlsCertificate: return "TLS certificate not accepted";
    case UpstreamFailure::kResponseTimeout: return "no response in time";
    case UpstreamFailure::kProtocol: return "malformed response";
    case UpstreamFailure::kIncomplete: return "incomplete response";
    case UpstreamFailure::kBodyTooLarge: return "response too large";
    case UpstreamFailure::kRedirect: return "redirect not followed";
    case UpstreamFailure::kAddressProhibited: return "destination prohibited";
    case UpstreamFailure::kContentEncoding: return "unexpected content encoding";
    case UpstreamFailure::kTokenDenied: return "access denied";
    case UpstreamFailure::kTokenUnavailable: return "no access token";
    case UpstreamFailure::kLoop: return "request loop";
    }
    return "unknown failure";
}

bool isRetryable(UpstreamFailure failure) noexcept {
    switch (failure) {
    case UpstreamFailure::kNameTimeout:
    case UpstreamFailure::kConnectionRefused:
    case UpstreamFailure::kConnectionTerminated:
    case UpstreamFailure::kConnectionTimeout:
    case UpstreamFailure::kResponseTimeout:
    case UpstreamFailure::kIncomplete:
    case UpstreamFailure::kTokenUnavailable: return true;
    default: return false;
    }
}

}  // namespace ociproxy
