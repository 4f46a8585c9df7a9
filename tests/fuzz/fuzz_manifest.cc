// Manifests: a line with the Content-Type under which they came, and the body.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "registry/json_limits.h"

namespace ociproxy::fuzz {
namespace {

void checkNature(const ManifestNature& nature, std::string_view body) {
    if (nature.json) {
        FUZZ_CHECK(withinJsonLimits(body));
        FUZZ_CHECK(nature.ambiguous || !(nature.index && nature.image));
        return;
    }
    FUZZ_CHECK(!nature.index && !nature.image && !nature.declared && nature.mediaType.empty());
}

void checkServed(const std::string& type, std::string_view header, const ManifestNature& nature) {
    FUZZ_CHECK(nature.json && !nature.ambiguous && !nature.schema1);
    FUZZ_CHECK(type != "text/html" && !isSchema1Type(type));
    // A type we know, or one that the header had and the body does not deny.
    FUZZ_CHECK(isManifestType(type) || type == bareMediaType(header));
    FUZZ_CHECK(!nature.declared || type == nature.mediaType);
    FUZZ_CHECK(acceptAdmits(manifestAccept(), type) == isManifestType(type));
    FUZZ_CHECK(acceptAdmits(anyManifestAccept(), type));
    FUZZ_CHECK(isPrintable(type));
}

}  // namespace

FUZZ_TARGET(manifest) {
    const std::string_view header = takeLine(&input);
    const ManifestNature nature = inspectManifest(input);
    checkNature(nature, input);
    const std::string type = manifestTypeToServe(header, input);
    if (!type.empty()) checkServed(type, header, nature);
}

}  // namespace ociproxy::fuzz
