// Content-Range fields of upstreams.
#include "fuzz/targets.h"
#include "ociproxy/registry/range.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(content_range) {
    const std::optional<ContentRange> parsed = parseContentRange(input);
    if (!parsed) return;
    FUZZ_CHECK(parsed->range.first <= parsed->range.last && parsed->range.size() > 0);
    if (!parsed->length) return;
    FUZZ_CHECK(parsed->range.last < *parsed->length);
    const std::optional<ContentRange> again =
        parseContentRange(contentRange(parsed->range, *parsed->length));
    FUZZ_CHECK(again && again->length == parsed->length);
    FUZZ_CHECK(again->range.first == parsed->range.first);
    FUZZ_CHECK(again->range.last == parsed->range.last);
}

}  // namespace ociproxy::fuzz
