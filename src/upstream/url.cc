#include "upstream/url.h"

#include <algorithm>
#include <vector>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxTarget = 16 * 1024;

std::string_view withoutFragment(std::string_view text) {
    return text.substr(0, text.find('#'));
}

// "https" of "https://x", empty for a relative reference (RFC 3986 4.1).
std::string_view schemeOf(std::string_view reference) {
    const std::size_t end = reference.find_first_of(":/?");
    if (end == std::string_view::npos || reference[end] != ':') return {};
    return reference.substr(0, end);
}

std::optional<Origin> parseOrigin(bool tls, std::string_view authority) {
    const std::optional<HostPort> parsed = parseHostPort(authority);
    if (!parsed) return std::nullopt;
    Origin origin;
    origin.tls = tls;
    origin.host = parsed->host;
    if (origin.host[0] == '[') origin.host = origin.host.substr(1, origin.host.size() - 2);
    origin.port = parsed->port;
    if (origin.port == 0) origin.port = tls ? 443 : 80;
    return origin;
}

std::optional<Url> makeUrl(const Origin& origin, std::string target) {
    if (!isRequestTarget(target)) return std::nullopt;
    return Url{origin, std::move(target)};
}

// `rest` is "//authority/path?query" without fragment.
std::optional<Url> parseHierarchical(bool tls, std::string_view rest) {
    if (!startsWith(rest, "//")) return std::nullopt;
    rest.remove_prefix(2);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    const std::optional<Origin> origin = parseOrigin(tls, authority);
    if (!origin) return std::nullopt;
    std::string target(rest.substr(authority.size()));
    if (!startsWith(target, "/")) target.insert(0, 1, '/');
    return makeUrl(*origin, std::move(target));
}

// RFC 3986 5.2.4 for a path that starts with '/'.
std::string withoutDotSegments(std::string_view path) {
    std::vector<std::string_view> kept;
    std::vector<std::string_view> segments = split(path.substr(1), '/');
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool dot = segments[i] == ".";
        const bool dots = segments[i] == "..";
        if (dots && !kept.empty()) kept.pop_back();
        if (!dot && !dots) kept.push_back(segments[i]);
        // "a/.." names the folder: its slash stays.
        if ((dot || dots) && i + 1 == segments.size()) kept.push_back({});
    }
    std::string out;
    for (std::string_view segment : kept) out += cat('/', segment);
    return out.empty() ? "/" : out;
}

std::string mergedTarget(const std::string& base, std::string_view reference) {
    const std::string_view path = std::string_view(base).substr(0, base.find('?'));
    if (reference[0] == '?') return cat(path, reference);
    const std::string_view referencePath = reference.substr(0, reference.find('?'));
    const std::string merged = cat(path.substr(0, path.rfind('/') + 1), referencePath);
    return cat(withoutDotSegments(merged), reference.substr(referencePath.size()));
}

}  // namespace

bool isRequestTarget(std::string_view target) noexcept {
    return startsWith(target, "/") && target.size() <= kMaxTarget &&
           std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::optional<Url> parseUrl(std::string_view text) {
    text = withoutFragment(text);
    const std::string_view scheme = schemeOf(text);
    const bool tls = equalsIgnoreCase(scheme, "https");
    if (!tls && !equalsIgnoreCase(scheme, "http")) return std::nullopt;
    return parseHierarchical(tls, text.substr(scheme.size() + 1));
}

std::optional<Url> resolveUrl(const Url& base, std::string_view reference) {
    reference = withoutFragment(reference);
    if (reference.empty()) return std::nullopt;
    if (!schemeOf(reference).empty()) return parseUrl(reference);
    if (startsWith(reference, "//")) return parseHierarchical(base.origin.tls, reference);
    if (reference[0] == '/') return makeUrl(base.origin, std::string(reference));
    return makeUrl(base.origin, mergedTarget(base.target, reference));
}

}  // namespace ociproxy
