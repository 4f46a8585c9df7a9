// Media types of manifests (image-spec media-types.md).
#ifndef OCIPROXY_REGISTRY_MEDIA_TYPE_H
#define OCIPROXY_REGISTRY_MEDIA_TYPE_H

#include <string>
#include <string_view>
#include <vector>

namespace ociproxy {

// What we ask for when a tag is resolved: one Accept line.
const std::string& manifestAccept();
// The same with */* behind: for requests by digest.
const std::string& anyManifestAccept();

// type/subtype, lower case, without parameters; empty if malformed.
std::string bareMediaType(std::string_view header);
bool isManifestType(std::string_view bareType) noexcept;  // index, manifest, list, v2, artifact
bool isSchema1Type(std::string_view bareType) noexcept;

// What a manifest body says of itself.
struct ManifestNature {
    bool json = false;        // a JSON object: depth at most 64, no key twice in an object
    bool index = false;       // has "manifests"
    bool image = false;       // has "layers" or "config"
    // Readers may disagree about it: an index and an image in one (CVE-2021-41190), or
    // with a telling key that only readers who ignore case take for one.
    bool ambiguous = false;
    bool schema1 = false;
    bool declared = false;    // `mediaType` is the body's own field
    std::string mediaType;    // field "mediaType" if a string, else deduced, else empty
};
ManifestNature inspectManifest(std::string_view body);

// The type under which a manifest is stored and served: the body's own field when it is a
// known manifest type; without that field the header's bare type when it is one, else the
// type deduced; else the header's, if it is specific and no field says otherwise. Empty: it
// must not be stored or served as a manifest (no JSON, ambiguous, schema1, text/html, a
// field or header that the body contradicts, nothing but a generic type).
std::string manifestTypeToServe(std::string_view contentTypeHeader, std::string_view body);

// Whether a client's Accept lines (joined by commas; may be empty) admit `type`: the range
// that names it most closely decides, and q=0 refuses (RFC 9110 12.5.1).
bool acceptAdmits(std::string_view accept, std::string_view type);

}  // namespace ociproxy

#endif
