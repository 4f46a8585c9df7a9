#include "ociproxy/registry/names.h"

#include <algorithm>
#include <iterator>

#include "ociproxy/base/address.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kMaxForeign = 256;
constexpr std::size_t kMinForeignValue = 32;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxLabel = 63;

bool isDigit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool isLowerAlnum(char c) noexcept {
    return isDigit(c) || (c >= 'a' && c <= 'z');
}

bool isAlnum(char c) noexcept {
    return isLowerAlnum(lowerChar(c));
}

// One of the separators inside a component: ".", "_", "__" or a run of "-".
bool isSeparator(std::string_view text) noexcept {
    return text == "." || text == "_" || text == "__" ||
           text.find_first_not_of('-') == std::string_view::npos;
}

// [a-z0-9]+([+._-][a-z0-9]+)*
bool isAlgorithm(std::string_view text) noexcept {
    bool afterAlnum = false;
    for (const char c : text) {
        const bool separator = c == '+' || c == '.' || c == '_' || c == '-';
        if (!isLowerAlnum(c) && !(separator && afterAlnum)) return false;
        afterAlnum = !separator;
    }
    return afterAlnum;
}

// One of the labels of a domain.
bool isLabel(std::string_view label) noexcept {
    return !label.empty() && label.size() <= kMaxLabel && isAlnum(label.front()) &&
           isAlnum(label.back()) && std::all_of(label.begin(), label.end(), [](char c) {
               return isAlnum(c) || c == '-';
           });
}

bool isDomain(std::string_view text) noexcept {
    if (text.size() > kMaxHost) return false;
    for (;;) {
        std::size_t dot = text.find('.');
        if (!isLabel(text.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        text.remove_prefix(dot + 1);
    }
}

bool isBracketedV6(std::string_view text) {
    return startsWith(text, "[") && endsWith(text, "]") && IpAddress::parse(text).has_value();
}

std::optional<std::uint16_t> parsePort(std::string_view digits) noexcept {
    std::optional<std::uint64_t> port = parseUnsigned(digits);
    if (!port || digits.size() > 5 || *port < 1 || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

// A last label that the old address parsers (inet_aton, WHATWG URL) take for a number.
bool looksNumeric(std::string_view label) noexcept {
    if (std::all_of(label.begin(), label.end(), isDigit)) return true;
    if (label.size() < 2 || label[0] != '0' || lowerChar(label[1]) != 'x') return false;
    label.remove_prefix(2);
    return std::all_of(label.begin(), label.end(), [](char c) { return hexValue(c) >= 0; });
}

}  // namespace

bool isRepositoryComponent(std::string_view component) noexcept {
    if (component.empty() || !isLowerAlnum(component.back())) return false;
    std::size_t at = 0;
    while (at < component.size()) {
        if (!isLowerAlnum(component[at])) return false;
        while (at < component.size() && isLowerAlnum(component[at])) ++at;
        std::size_t start = at;
        while (at < component.size() && !isLowerAlnum(component[at])) ++at;
        if (at > start && !isSeparator(component.substr(start, at - start))) return false;
    }
    return true;
}

bool isRepository(std::string_view name) noexcept {
    if (name.empty() || name.size() > kMaxRepository) return false;
    for (;;) {
        std::size_t slash = name.find('/');
        if (!isRepositoryComponent(name.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        name.remove_prefix(slash + 1);
    }
}

bool isTag(std::string_view tag) noexcept {
    if (tag.empty() || tag.size() > kMaxTag || tag[0] == '.' || tag[0] == '-') return false;
    return std::all_of(tag.begin(), tag.end(), [](char c) {
        return isAlnum(c) || c == '_' || c == '.' || c == '-';
    });
}

Reference Reference::tag(std::string name) {
    Reference out;
    out.tag_ = std::move(name);
    return out;
}

Reference Reference::foreign(std::string text) {
    Reference out;
    out.foreign_ = std::move(text);
    return out;
}

bool isForeignDigest(std::string_view text) noexcept {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.size() > kMaxForeign) return false;
    const std::string_view algorithm = text.substr(0, colon);
    const std::string_view value = text.substr(colon + 1);
    return isAlgorithm(algorithm) && !parseAlgorithm(algorithm) &&
           value.size() >= kMinForeignValue &&
           std::all_of(value.begin(), value.end(), [](char c) {
               return isAlnum(c) || c == '=' || c == '_' || c == '-';
           });
}

std::optional<Reference> parseReference(std::string_view text, ReferenceError* error) {
    if (text.find(':') != std::string_view::npos) {
        std::optional<Digest> digest = Digest::parse(text);
        if (digest) return Reference(std::move(*digest));
        if (isForeignDigest(text)) return Reference::foreign(std::string(text));
        *error = ReferenceError::kDigestInvalid;
        return std::nullopt;
    }
    if (isTag(text)) return Reference::tag(std::string(text));
    *error = ReferenceError::kTagInvalid;
    return std::nullopt;
}

std::string HostPort::text() const {
    return port == 0 ? host : cat(host, ':', unsigned{port});
}

std::optional<HostPort> parseHostPort(std::string_view text) {
    std::size_t hostEnd = text.find(':');
    if (startsWith(text, "[")) {
        std::size_t bracket = text.find(']');
        hostEnd = bracket == std::string_view::npos ? bracket : bracket + 1;
    }
    std::string_view host = text.substr(0, hostEnd);
    std::string_view rest = text.substr(host.size());
    if (!isDomain(host) && !isBracketedV6(host)) return std::nullopt;
    HostPort out;
    out.host = lower(host);
    if (rest.empty()) return out;
    std::optional<std::uint16_t> port = parsePort(rest.substr(1));
    if (rest[0] != ':' || !port) return std::nullopt;
    out.port = *port;
    return out;
}

bool isHostLike(std::string_view component) noexcept {
    return component == "localhost" || component.find_first_of(".:") != std::string_view::npos;
}

bool isPublicHostName(std::string_view host) noexcept {
    static const char* const kSpecialUse[] = {".local", ".internal", ".localhost", ".home.arpa",
                                              ".onion"};
    std::size_t dot = host.rfind('.');
    if (dot == std::string_view::npos || !isDomain(host)) return false;
    if (looksNumeric(host.substr(dot + 1)) || equalsIgnoreCase(host, "home.arpa")) return false;
    return std::none_of(std::begin(kSpecialUse), std::end(kSpecialUse), [&](std::string_view use) {
        return host.size() > use.size() &&
               equalsIgnoreCase(host.substr(host.size() - use.size()), use);
    });
}

std::string canonicalRegistry(std::string_view hostPort) {
    std::string out = lower(hostPort);
    if (endsWith(out, ":443")) out.resize(out.size() - 4);
    if (endsWith(out, ".")) out.pop_back();
    if (out == "index.docker.io" || out == "registry-1.docker.io") return "docker.io";
    return out;
}

}  // namespace ociproxy
