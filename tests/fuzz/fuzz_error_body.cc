// Error bodies: read from upstreams, and written by us with whatever a client sent.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/error_body.h"
#include "registry/json_limits.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(error_body) {
    FUZZ_CHECK(isPrintable(errorCodeOf(input)));
    // The one thing that we write and do not read.
    if (input.find('\0') != std::string_view::npos) return;
    const std::string body = errorBody(ErrorCode::kNameUnknown, input, input);
    FUZZ_CHECK(withinJsonLimits(body));
    FUZZ_CHECK(body.size() > 64 * 1024 || errorCodeOf(body) == "NAME_UNKNOWN");
}

}  // namespace ociproxy::fuzz
