#include "front/request_target.h"

#include <algorithm>

#include "ociproxy/base/address.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

bool isAlphanumeric(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What RFC 3986 lets into a path or a query, and '[' and ']', which clients leave
// unescaped in queries. No '#': a fragment is never sent.
bool isTargetChar(char c) noexcept {
    static constexpr std::string_view kOthers = "-._~%!$&'()*+,;=:@/?[]";
    return isAlphanumeric(c) || kOthers.find(c) != std::string_view::npos;
}

bool isTargetText(std::string_view text) noexcept {
    for (char c : text) {
        if (!isTargetChar(c)) return false;
    }
    return true;
}

bool isHostName(std::string_view text) noexcept {
    for (char c : text) {
        if (!isAlphanumeric(c) && c != '-' && c != '.' && c != '_' && c != '~') return false;
    }
    return !text.empty();
}

bool isPort(std::string_view text) noexcept {
    const std::optional<std::uint64_t> port = parseUnsigned(text);
    return text.size() <= 5 && port && *port <= 65535;
}

bool isBracketedV6(std::string_view text) {
    if (text.size() < 4 || text.front() != '[' || text.back() != ']') return false;
    const std::string_view inside = text.substr(1, text.size() - 2);
    return inside.find(':') != std::string_view::npos && IpAddress::parse(inside).has_value();
}

std::optional<RequestTarget> parseAbsolute(std::string_view method, std::string_view text) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    const std::string_view name = text.substr(0, scheme);
    if (!equalsIgnoreCase(name, "http") && !equalsIgnoreCase(name, "https")) return std::nullopt;
    const std::string_view rest = text.substr(scheme + 3);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    const std::string_view authority = rest.substr(0, end);
    if (!isAuthority(authority)) return std::nullopt;
    const std::string_view path = rest.substr(end);
    RequestTarget result;
    result.authority = std::string(authority);
    if (path.empty()) {
        result.target = method == "OPTIONS" ? "*" : "/";
    } else {
        result.target = path.front() == '/' ? std::string(path) : cat("/", path);
    }
    return result;
}

}  // namespace

bool isAuthority(std::string_view text) noexcept {
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const std::string_view host = text.substr(0, colon);
    if (colon != std::string_view::npos && !isPort(text.substr(colon + 1))) return false;
    return isHostName(host) || isBracketedV6(host);
}

std::optional<RequestTarget> parseTarget(std::string_view method, std::string_view text) {
    if (text.empty() || !isTargetText(text)) return std::nullopt;
    if (method == "CONNECT") {
        const bool hasPort = text.rfind(':') != std::string_view::npos && text.back() != ']';
        if (!hasPort || !isAuthority(text)) return std::nullopt;
        return RequestTarget{std::string(text), {}};
    }
    if (text.front() == '/') return RequestTarget{std::string(text), {}};
    if (text == "*") {
        if (method != "OPTIONS") return std::nullopt;
        return RequestTarget{"*", {}};
    }
    return parseAbsolute(method, text);
}

}  // namespace ociproxy
