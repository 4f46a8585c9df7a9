// Range fields: a line with the length of the body, and the field.
#include <algorithm>
#include <limits>

#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"

namespace ociproxy::fuzz {
namespace {

using Kind = RangeSpec::Kind;

void checkSelection(const RangeSpec& spec, std::uint64_t length) {
    const std::optional<ByteRange> range = satisfy(spec, length);
    if (!range) {
        FUZZ_CHECK(length == 0 || (spec.kind == Kind::kSuffix ? spec.first == 0
                                                              : spec.first >= length));
        return;
    }
    FUZZ_CHECK(range->first <= range->last && range->last < length);
    FUZZ_CHECK(range->size() >= 1 && range->size() <= length);
    if (spec.kind == Kind::kSuffix) {
        FUZZ_CHECK(range->last == length - 1 && range->size() == std::min(spec.first, length));
    } else {
        FUZZ_CHECK(range->first == spec.first);
        FUZZ_CHECK(spec.kind == Kind::kOpen ? range->last == length - 1
                                            : range->last == std::min(spec.last, length - 1));
    }
    // What we say is what a client that is as strict as we are reads.
    const std::optional<ContentRange> said = parseContentRange(contentRange(*range, length));
    FUZZ_CHECK(said && said->length == length);
    FUZZ_CHECK(said->range.first == range->first && said->range.last == range->last);
}

std::string written(const RangeSpec& spec) {
    if (spec.kind == Kind::kSuffix) return cat("-", spec.first);
    if (spec.kind == Kind::kOpen) return cat(spec.first, "-");
    return cat(spec.first, "-", spec.last);
}

void checkSame(const std::vector<RangeSpec>& a, const std::vector<RangeSpec>& b) {
    FUZZ_CHECK(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        FUZZ_CHECK(a[i].kind == b[i].kind && a[i].first == b[i].first && a[i].last == b[i].last);
    }
}

}  // namespace

FUZZ_TARGET(range) {
    const std::uint64_t given = parseUnsigned(takeLine(&input)).value_or(1000);
    const std::optional<std::vector<RangeSpec>> specs = parseRange(input);
    if (!specs) return;
    FUZZ_CHECK(!specs->empty());
    std::string text = "bytes=";
    for (const RangeSpec& spec : *specs) {
        for (std::uint64_t length : {std::uint64_t(0), std::uint64_t(1), given,
                                     std::numeric_limits<std::uint64_t>::max()}) {
            checkSelection(spec, length);
        }
        text += cat(text.back() == '=' ? "" : ", ", written(spec));
    }
    const std::optional<std::vector<RangeSpec>> again = parseRange(text);
    FUZZ_CHECK(again.has_value());
    checkSame(*specs, *again);
}

}  // namespace ociproxy::fuzz
