// If-None-Match, If-Match and If-Range: what the field says of one digest.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(entity_tags) {
    const std::string digest = "sha256:0";
    const bool matches = matchesIfNoneMatch(input, digest);
    FUZZ_CHECK(!matches || trim(input) == "*" || input.find(digest) != std::string_view::npos);
    const bool strongly = matchesIfMatch(input, digest);
    FUZZ_CHECK(!strongly || matches);
    FUZZ_CHECK(!matchesIfRange(input, digest) || strongly);
    // Whatever stands behind it, a tag at the front counts.
    FUZZ_CHECK(matchesIfNoneMatch(cat("W/\"", digest, "\", ", input), digest));
    FUZZ_CHECK(matchesIfNoneMatch(cat(digest, " ,", input), digest));
}

}  // namespace ociproxy::fuzz
