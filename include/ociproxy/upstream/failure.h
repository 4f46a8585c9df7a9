#ifndef OCIPROXY_UPSTREAM_FAILURE_H
#define OCIPROXY_UPSTREAM_FAILURE_H

#include <cstdint>
#include <string>

#include "ociproxy/base/error.h"

namespace ociproxy {

// What went wrong between us and an upstream (the error types of RFC 9209 2.3 as
// far as they concern us). The numbers are shared between processes of both
// generations: new ones are appended.
enum class UpstreamFailure : std::uint32_t {
    kNone = 0,
    kNameResolution = 1,      // dns_error
    kNameTimeout = 2,         // dns_timeout
    kConnectionRefused = 3,
    kConnectionTerminated = 4,
    kConnectionTimeout = 5,
    kTlsProtocol = 6,
    kTlsCertificate = 7,
    kResponseTimeout = 8,     // no first byte in time, or silence in mid-body
    kProtocol = 9,            // malformed HTTP
    kIncomplete = 10,         // body shorter than announced
    kBodyTooLarge = 11,
    kRedirect = 12,           // loop, too many, downgrade, no Location
    kAddressProhibited = 13,  // the address guard refused
    kContentEncoding = 14,
    kTokenDenied = 15,        // token server: 401/403, or a challenge we cannot meet
    kTokenUnavailable = 16,   // token server: anything else
    kLoop = 17,               // the request came back to us
};

// "connection refused" and so on, for messages to clients: no address, no detail.
const char* failureText(UpstreamFailure failure) noexcept;
// Whether trying once more, from anew, may help.
bool isRetryable(UpstreamFailure failure) noexcept;

// what() is for the log: names the upstream, hop (query removed) and cause.
class UpstreamError : public Error {
public:
    UpstreamError(UpstreamFailure failure, const std::string& message)
        : Error(message), failure_(failure) {}
    UpstreamFailure failure() const noexcept { return failure_; }

private:
    UpstreamFailure failure_;
};

}  // namespace ociproxy

#endif
