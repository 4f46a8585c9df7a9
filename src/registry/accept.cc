// Content negotiation on manifests (acceptAdmits of media_type.h; RFC 9110 12.5.1).
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"

namespace ociproxy {

namespace {

// How closely a media range names a type; a closer one overrides the others.
enum Precision { kNoMatch, kAnyType, kAnySubtype, kExact };

// Cuts the text before the next `separator` outside quoted strings off `*rest`.
std::string_view takeUntil(std::string_view* rest, char separator) noexcept {
    bool quoted = false;
    std::size_t at = 0;
    for (; at < rest->size() && (quoted || (*rest)[at] != separator); ++at) {
        if ((*rest)[at] == '"') quoted = !quoted;
        if (quoted && (*rest)[at] == '\\') ++at;
    }
    at = std::min(at, rest->size());
    std::string_view part = rest->substr(0, at);
    rest->remove_prefix(std::min(at + 1, rest->size()));
    return part;
}

bool isZero(std::string_view weight) noexcept {
    return weight.find('0') != std::string_view::npos &&
           weight.find_first_not_of("0.") == std::string_view::npos;
}

// Whether the parameters carry "q=0", in any of its spellings.
bool isRefused(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        std::string_view parameter = takeUntil(&parameters, ';');
        std::size_t equals = parameter.find('=');
        if (equals == std::string_view::npos) continue;
        if (equalsIgnoreCase(trim(parameter.substr(0, equals)), "q")) {
            return isZero(trim(parameter.substr(equals + 1)));
        }
    }
    return false;
}

Precision precisionOf(std::string_view range, std::string_view type) noexcept {
    // A lone "*" is what old Java clients send for "*/*".
    if (range == "*" || range == "*/*") return kAnyType;
    if (equalsIgnoreCase(range, type)) return kExact;
    bool anySubtype = endsWith(range, "/*") &&
                      equalsIgnoreCase(range.substr(0, range.size() - 1),
                                       type.substr(0, std::min(range.size() - 1, type.size())));
    return anySubtype ? kAnySubtype : kNoMatch;
}

}  // namespace

bool acceptAdmits(std::string_view accept, std::string_view type) {
    Precision best = kNoMatch;
    bool admitted = false;
    bool anyElement = false;
    while (!accept.empty()) {
        std::string_view parameters = takeUntil(&accept, ',');
        std::string_view range = trim(takeUntil(&parameters, ';'));
        if (range.empty()) continue;
        anyElement = true;
        Precision precision = precisionOf(range, type);
        if (precision == kNoMatch || precision < best) continue;
        bool wanted = !isRefused(parameters);
        admitted = precision > best ? wanted : admitted || wanted;
        best = precision;
    }
    return admitted || !anyElement;
}

}  // namespace ociproxy
