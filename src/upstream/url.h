#ifndef OCIPROXY_SRC_UPSTREAM_URL_H
#define OCIPROXY_SRC_UPSTREAM_URL_H

#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/upstream/settings.h"

namespace ociproxy {

// An http or https URL that can be asked for. The target is kept byte for byte as it
// was received: signatures cover it. A plain value.
struct Url {
    Origin origin;
    std::string target;  // starts with '/', with query, without fragment

    std::string text() const { return origin.text() + target; }
};

// Whether `target` may stand in a request line: starts with '/', visible ASCII only,
// at most 16 KiB.
bool isRequestTarget(std::string_view target) noexcept;

// An absolute URL. nullopt: another scheme, user information, a host or port that is
// none, bytes that may not be sent.
std::optional<Url> parseUrl(std::string_view text);

// RFC 3986 5.2: what `reference` means in an answer of `base`. Dot segments are
// removed only where a relative path is merged; a path that is given in full stays as
// it is. nullopt as for parseUrl(), and for a reference that is empty or a fragment.
std::optional<Url> resolveUrl(const Url& base, std::string_view reference);

}  // namespace ociproxy

#endif
