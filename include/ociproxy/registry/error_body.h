// The OCI error format (distribution-spec "Error Codes").
#ifndef OCIPROXY_REGISTRY_ERROR_BODY_H
#define OCIPROXY_REGISTRY_ERROR_BODY_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ociproxy {

enum class ErrorCode : std::uint8_t {
    kBlobUnknown, kBlobUploadInvalid, kBlobUploadUnknown, kDigestInvalid, kManifestBlobUnknown,
    kManifestInvalid, kManifestUnknown, kNameInvalid, kNameUnknown, kSizeInvalid, kUnauthorized,
    kDenied, kUnsupported, kTooManyRequests, kTagInvalid, kRangeInvalid, kUnavailable, kUnknown,
};

const char* errorCodeText(ErrorCode code) noexcept;  // "BLOB_UNKNOWN"

// {"errors":[{"code":"...","message":"...","detail":...}]}; `message` is escaped.
// `detail` is omitted when empty, else a plain text that becomes a JSON string.
std::string errorBody(ErrorCode code, std::string_view message, std::string_view detail = {});

// The code for a status that HTTP itself asks for (400, 405, 408, 414, 431, 5xx ...).
ErrorCode codeForStatus(int status) noexcept;

// The first error code in an upstream's error body, or empty: for logs and for
// relaying a 404's own code. Reads at most 64 KiB, never throws.
std::string errorCodeOf(std::string_view body) noexcept;

}  // namespace ociproxy

#endif
