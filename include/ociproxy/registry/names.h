// Grammar of names, tags, references and hosts (OCI distribution-spec "Pulling
// manifests"). Pure functions; any thread.
#ifndef OCIPROXY_REGISTRY_NAMES_H
#define OCIPROXY_REGISTRY_NAMES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/digest.h"

namespace ociproxy {

// Longest repository name that is accepted, in bytes.
constexpr std::size_t kMaxRepository = 255;

// A repository name without its registry: "library/alpine". 1 to 255 bytes.
bool isRepository(std::string_view name) noexcept;
// One component of a repository name.
bool isRepositoryComponent(std::string_view component) noexcept;
// A tag: at most 128 bytes.
bool isTag(std::string_view tag) noexcept;

// Whether a text is a digest by the grammar of the image-spec, of an algorithm that we
// cannot compute; at most 256 bytes, and a value of at least 32, as the docker clients want it:
// a short one is a slip, like a tag with a colon. One of an algorithm that we know is not.
bool isForeignDigest(std::string_view text) noexcept;

// What stands behind /manifests/ or /blobs/: a tag, a digest or a foreign digest.
class Reference {
public:
    explicit Reference(Digest digest) : digest_(std::move(digest)) {}
    static Reference tag(std::string name);
    // REQUIRES: isForeignDigest(text).
    static Reference foreign(std::string text);

    bool isDigest() const noexcept { return digest_.has_value(); }
    const Digest& digest() const { return *digest_; }       // REQUIRES: isDigest()
    bool isForeign() const noexcept { return !foreign_.empty(); }
    const std::string& tagName() const { return tag_; }     // empty for a digest
    std::string text() const {
        if (digest_) return digest_->text();
        return isForeign() ? foreign_ : tag_;
    }

private:
    Reference() = default;
    std::optional<Digest> digest_;
    std::string tag_;
    std::string foreign_;
};

enum class ReferenceError : std::uint8_t { kTagInvalid, kDigestInvalid };
// A text with a colon must be a digest, known or foreign, any other a tag.
// nullopt with `*error` set otherwise.
std::optional<Reference> parseReference(std::string_view text, ReferenceError* error);

// Host and port as in a URL's authority. A plain value; `host` is lower case,
// IPv6 literals keep their brackets; port 0 means "not given".
struct HostPort {
    std::string host;
    std::uint16_t port = 0;

    std::string text() const;  // "host" or "host:port"
    friend bool operator==(const HostPort& a, const HostPort& b) noexcept {
        return a.host == b.host && a.port == b.port;
    }
};

// host[:port]: domain or [IPv6], port 1 to 65535. No user
// information, no '%', no white space; at most 253 bytes, labels at most 63.
std::optional<HostPort> parseHostPort(std::string_view text);

// Whether the first component of a path names a registry: it contains '.' or
// ':' or is "localhost".
bool isHostLike(std::string_view component) noexcept;

// Whether a host name may be dialled without being configured: a domain of at
// least two labels, the last not all digits, no IP literal in any notation, none
// of the special-use suffixes (.local .internal .localhost .home.arpa .onion).
bool isPublicHostName(std::string_view host) noexcept;

// "docker.io", "index.docker.io", "registry-1.docker.io" are one registry;
// lower case, one trailing dot and the port 443 dropped. What other names are
// known by stays as it is.
std::string canonicalRegistry(std::string_view hostPort);

}  // namespace ociproxy

#endif
