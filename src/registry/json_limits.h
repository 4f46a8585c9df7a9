#ifndef OCIPROXY_SRC_REGISTRY_JSON_LIMITS_H
#define OCIPROXY_SRC_REGISTRY_JSON_LIMITS_H

#include <cstddef>
#include <string_view>

namespace ociproxy {

// Deepest nesting of objects and arrays that is given to the JSON parser.
constexpr std::size_t kMaxJsonDepth = 64;

// Whether a text may be given to Poco's JSON parser, which recurses and cuts strings at
// NUL: nested no deeper than kMaxJsonDepth, no control bytes but white space between
// tokens, none at all in strings, and no \u0000. It need not be JSON otherwise.
// A pure function; any thread.
bool withinJsonLimits(std::string_view text) noexcept;

}  // namespace ociproxy

#endif
