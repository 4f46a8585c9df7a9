#include "ociproxy/registry/media_type.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

enum class Shape { kIndex, kImage, kOther };

struct ManifestType {
    const char* name;
    Shape shape;
};

// In the order in which they are asked for.
constexpr ManifestType kManifestTypes[] = {
    {"application/vnd.oci.image.index.v1+json", Shape::kIndex},
    {"application/vnd.oci.image.manifest.v1+json", Shape::kImage},
    {"application/vnd.docker.distribution.manifest.list.v2+json", Shape::kIndex},
    {"application/vnd.docker.distribution.manifest.v2+json", Shape::kImage},
    {"application/vnd.oci.artifact.manifest.v1+json", Shape::kOther},
};

const char* const kSchema1Types[] = {
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
};

std::string joinedTypes() {
    std::string out;
    for (const ManifestType& type : kManifestTypes) {
        if (!out.empty()) out += ", ";
        out += type.name;
    }
    return out;
}

const ManifestType* findType(std::string_view name) noexcept {
    const ManifestType* end = std::end(kManifestTypes);
    const ManifestType* found = std::find_if(
        std::begin(kManifestTypes), end, [&](const ManifestType& t) { return name == t.name; });
    return found == end ? nullptr : found;
}

// A header that may stand over a manifest of a type that we do not know. The generic
// types say nothing, so that a blob or a page behind them would pass for a manifest.
bool isSpecific(std::string_view bareType) noexcept {
    return startsWith(bareType, "application/") && bareType != "application/json" &&
           bareType != "application/octet-stream" && bareType != "application/xhtml+xml" &&
           !isSchema1Type(bareType);
}

std::string chooseType(const std::string& header, const ManifestNature& nature) {
    if (nature.declared) {
        bool usable = isManifestType(nature.mediaType) ||
                      (header == nature.mediaType && isSpecific(header));
        return usable ? nature.mediaType : std::string();
    }
    if (isManifestType(header)) return header;
    if (!nature.mediaType.empty() && !isSchema1Type(header)) return nature.mediaType;
    return isSpecific(header) ? header : std::string();
}

// The body has the parts of another kind of manifest than `type` says.
bool contradicts(std::string_view type, const ManifestNature& nature) noexcept {
    const ManifestType* known = findType(type);
    if (known == nullptr) return false;
    return (known->shape == Shape::kIndex && nature.image) ||
           (known->shape == Shape::kImage && nature.index);
}

}  // namespace

const std::string& manifestAccept() {
    static const std::string kAccept = joinedTypes();
    return kAccept;
}

const std::string& anyManifestAccept() {
    static const std::string kAccept = joinedTypes() + ", */*";
    return kAccept;
}

std::string bareMediaType(std::string_view header) {
    std::string_view bare = trim(header.substr(0, header.find(';')));
    std::size_t slash = bare.find('/');
    if (slash == std::string_view::npos || !isToken(bare.substr(0, slash)) ||
        !isToken(bare.substr(slash + 1))) {
        return {};
    }
    return lower(bare);
}

bool isManifestType(std::string_view bareType) noexcept {
    return findType(bareType) != nullptr;
}

bool isSchema1Type(std::string_view bareType) noexcept {
    return std::find(std::begin(kSchema1Types), std::end(kSchema1Types), bareType) !=
           std::end(kSchema1Types);
}

std::string manifestTypeToServe(std::string_view contentTypeHeader, std::string_view body) {
    std::string header = bareMediaType(contentTypeHeader);
    // A captive portal's page, whatever is in it.
    if (header == "text/html" || header == "application/xhtml+xml") return {};
    ManifestNature nature = inspectManifest(body);
    if (!nature.json || nature.ambiguous || nature.schema1) return {};
    std::string type = chooseType(header, nature);
    return contradicts(type, nature) ? std::string() : type;
}

}  // namespace ociproxy
