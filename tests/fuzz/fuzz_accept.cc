// Accept fields: a line with the type in question, and the field.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"

namespace ociproxy::fuzz {

FUZZ_TARGET(accept) {
    const std::string type = bareMediaType(takeLine(&input));
    if (type.empty() || type == "x/y") return;
    // What names the type itself decides; what names another one adds nothing.
    FUZZ_CHECK(acceptAdmits(cat(type, ", ", input), type));
    FUZZ_CHECK(acceptAdmits(input, type) || !acceptAdmits(cat("x/y, ", input), type));
}

}  // namespace ociproxy::fuzz
