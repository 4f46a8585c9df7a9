#include "ociproxy/registry/route.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "ociproxy/base/text.h"

#include "registry/route_operation.h"

namespace ociproxy {

namespace {

bool isAlnum(char c) noexcept {
    char low = lowerChar(c);
    return (c >= '0' && c <= '9') || (low >= 'a' && low <= 'z');
}

bool isOneOf(char c, std::string_view set) noexcept {
    return set.find(c) != std::string_view::npos;
}

// RFC 3986 pchar without "%", and the slash.
bool isPathChar(char c) noexcept {
    return isAlnum(c) || isOneOf(c, "/-._~!$&'()*+,;=:@");
}

// What an escape may stand for: some clients send the colon of a digest as %3A. Anything
// else could mean one path to us and another to the upstream.
bool isHarmless(char c) noexcept {
    return isAlnum(c) || isOneOf(c, "._~:=+@-");
}

bool isVisible(char c) noexcept {
    return c > 0x20 && c < 0x7f;
}

RouteError notFound(ErrorCode code) {
    return RouteError{404, code, "not a path of the registry API"};
}

// The form of the target as a whole.
Refusal checkTarget(std::string_view target) {
    if (!startsWith(target, "/")) {
        return RouteError{400, ErrorCode::kUnsupported, "the request target must be a path"};
    }
    if (!std::all_of(target.begin(), target.end(), isVisible) || isOneOf('#', target)) {
        return RouteError{400, ErrorCode::kNameInvalid,
                          "the request target has a byte that must be escaped"};
    }
    return std::nullopt;
}

// Step 2.
Refusal decodePath(std::string_view raw, std::string* out) {
    RouteError bad{400, ErrorCode::kNameInvalid, "the path has a character that is not allowed"};
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '%') {
            std::optional<std::string> one = percentDecode(raw.substr(i, 3));
            if (!one || !isHarmless(one->front())) return bad;
            c = one->front();
            i += 2;
        } else if (!isPathChar(c)) {
            return bad;
        }
        *out += c;
    }
    return std::nullopt;
}

// The component before /v2 of shape D: a host or an alias, which one is not known here.
Refusal checkPrefix(std::string_view prefix) {
    if (!isRepositoryComponent(lower(prefix)) && !parseHostPort(prefix)) {
        return notFound(ErrorCode::kNameUnknown);
    }
    if (prefix != lower(prefix)) {
        return RouteError{400, ErrorCode::kNameInvalid, "a name has an upper-case letter"};
    }
    return std::nullopt;
}

// Step 3: leaves in `*rest` what follows "/v2" and in the route what precedes it.
Refusal splitVersion(std::string_view path, Route* route, std::string_view* rest) {
    path.remove_prefix(1);
    std::string_view first = path.substr(0, path.find('/'));
    if (first == "v1") return RouteError{404, ErrorCode::kUnsupported, "only /v2/ is supported"};
    *rest = path.substr(first.size());
    if (first == "v2") return std::nullopt;
    if (*rest != "/v2" && !startsWith(*rest, "/v2/")) return notFound(ErrorCode::kNameUnknown);
    rest->remove_prefix(3);
    route->prefix = std::string(first);
    return checkPrefix(first);
}

Refusal takeNs(const std::string& value, Route* route) {
    std::optional<HostPort> host = parseHostPort(value);
    if (!host) {
        return RouteError{400, ErrorCode::kNameInvalid, "ns is not the name of a registry"};
    }
    std::string ns = host->text();
    if (!route->ns.empty() && route->ns != ns) {
        return RouteError{400, ErrorCode::kNameInvalid, "ns is given twice"};
    }
    if (route->ns.empty()) route->nsAsReceived = value;
    route->ns = std::move(ns);
    return std::nullopt;
}

// Step 6: takes ns out of the query, however its name is escaped, and keeps the rest.
Refusal parseQuery(std::string_view query, Route* route) {
    bool first = true;
    for (std::string_view part : split(query, '&')) {
        std::size_t keyEnd = std::min(part.find('='), part.size());
        std::optional<std::string> key = percentDecode(part.substr(0, keyEnd));
        std::optional<std::string> value =
            percentDecode(part.substr(std::min(keyEnd + 1, part.size())));
        if (!key || !value) {
            return RouteError{400, ErrorCode::kNameInvalid, "the query has a broken escape"};
        }
        if (*key == "ns") {
            Refusal refusal = takeNs(*value, route);
            if (refusal) return refusal;
            continue;
        }
        if (!first) route->query += '&';
        route->query += part;
        first = false;
    }
    return std::nullopt;
}

Refusal fillRoute(std::string_view target, Route* route) {
    Refusal refusal = checkTarget(target);
    if (refusal) return refusal;
    std::size_t question = std::min(target.find('?'), target.size());
    std::string path;
    refusal = decodePath(target.substr(0, question), &path);
    if (refusal) return refusal;
    std::string_view rest;
    refusal = splitVersion(path, route, &rest);
    if (refusal) return refusal;
    if (rest.size() > 1) {
        refusal = parseOperation(rest.substr(1), route);
        if (refusal) return refusal;
    }
    if (question == target.size()) return std::nullopt;
    return parseQuery(target.substr(question + 1), route);
}

}  // namespace

RouteResult parseRoute(std::string_view target) {
    Route route;
    RouteResult result;
    Refusal refusal = fillRoute(target, &route);
    if (refusal) {
        result.error = std::move(*refusal);
    } else {
        result.route = std::move(route);
    }
    return result;
}

}  // namespace ociproxy
