#include "registry/json_limits.h"

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

bool isControl(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20;
}

// Moves `*at` from behind an opening quote to the closing one. False for a string that
// does not end or must not be parsed.
bool skipString(std::string_view text, std::size_t* at) noexcept {
    for (; *at < text.size() && text[*at] != '"'; ++*at) {
        if (isControl(text[*at])) return false;
        if (text[*at] != '\\') continue;
        if (startsWith(text.substr(*at), "\\u0000")) return false;
        ++*at;
    }
    return *at < text.size();
}

}  // namespace

bool withinJsonLimits(std::string_view text) noexcept {
    std::size_t depth = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        char c = text[at];
        if (isControl(c) && c != '\n' && c != '\r' && c != '\t') return false;
        if (c == '{' || c == '[') {
            if (++depth > kMaxJsonDepth) return false;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0) return false;
        } else if (c == '"') {
            if (!skipString(text, &++at)) return false;
        }
    }
    return depth == 0;
}

}  // namespace ociproxy
