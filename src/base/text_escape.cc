// The escaping and redacting half of base/text.h.
#include <algorithm>
#include <cstddef>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";

bool isUnreserved(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

unsigned byteAt(std::string_view text, std::size_t at) noexcept {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

// Length of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), or 0.
std::size_t utf8Length(std::string_view text, std::size_t at) noexcept {
    unsigned first = byteAt(text, at);
    unsigned second = byteAt(text, at + 1);
    if (first < 0x80) return 1;
    std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    // The second byte's limits exclude overlong forms, surrogates and > U+10FFFF.
    unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0xc2 || first > 0xf4 || second < low || second > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if ((byteAt(text, at + i) & 0xc0) != 0x80) return 0;
    }
    return length;
}

void appendJsonAscii(std::string& out, char c) {
    unsigned byte = static_cast<unsigned char>(c);
    switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
    }
    if (byte >= 0x20 && byte != 0x7f) {
        out += c;
        return;
    }
    out += "\\u00";
    out += kLowerHex[byte >> 4];
    out += kLowerHex[byte & 15];
}

// Where the authority of a URL starts, or npos when it has none.
std::size_t authorityStart(std::string_view url) noexcept {
    if (startsWith(url, "//")) return 2;
    std::size_t colon = url.find(':');
    if (colon == std::string_view::npos || url.substr(colon, 3) != "://") {
        return std::string_view::npos;
    }
    return colon + 3;
}

}  // namespace

std::optional<std::string> percentDecode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        int high = hexValue(text[i + 1]);
        int low = hexValue(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

std::string percentEncode(std::string_view text) {
    std::string out;
    for (char c : text) {
        unsigned byte = static_cast<unsigned char>(c);
        if (isUnreserved(c)) {
            out += c;
        } else {
            out += {'%', kUpperHex[byte >> 4], kUpperHex[byte & 15]};
        }
    }
    return out;
}

std::string jsonEscape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = utf8Length(text, i);
        if (length == 1) {
            appendJsonAscii(out, text[i]);
        } else if (length == 0) {
            out += "\xef\xbf\xbd";
        } else {
            out.append(text.substr(i, length));
        }
        i += length == 0 ? 1 : length;
    }
    return out;
}

std::string logEscape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        unsigned byte = static_cast<unsigned char>(c);
        if (c == '"') {
            out += "\\\"";
        } else if (byte < 0x20 || byte > 0x7e || c == '\\') {
            out += {'\\', 'x', kLowerHex[byte >> 4], kLowerHex[byte & 15]};
        } else {
            out += c;
        }
    }
    return out;
}

std::string redactUrl(std::string_view url) {
    std::size_t end = url.find_first_of("?#");
    bool query = end != std::string_view::npos && url[end] == '?';
    std::string out(url.substr(0, end));
    std::size_t start = authorityStart(out);
    if (start != std::string::npos) {
        std::size_t stop = std::min(out.find('/', start), out.size());
        std::size_t at = std::string_view(out).substr(0, stop).rfind('@');
        if (at != std::string::npos && at >= start) out.erase(start, at + 1 - start);
    }
    return logEscape(out) + (query ? "?..." : "");
}

namespace {

// A challenge whose parameters may hold a URL: the realm of a token server can carry a
// query that is as secret as any.
std::string redactChallenge(std::string_view value) {
    std::string out;
    bool first = true;
    for (std::string_view part : split(value, '"')) {
        if (!first) out += "\\\"";
        first = false;
        const bool url = part.find("://") != std::string_view::npos ||
                         part.find('?') != std::string_view::npos;
        out += url ? redactUrl(part) : logEscape(part);
    }
    return out;
}

}  // namespace

std::string redactHeader(std::string_view name, std::string_view value) {
    static const char* const kSecret[] = {"Authorization", "Proxy-Authorization", "Cookie",
                                          "Set-Cookie", "X-Registry-Auth"};
    static const char* const kUrl[] = {"Location", "Content-Location", "Link", "Referer"};
    for (const char* secret : kSecret) {
        if (equalsIgnoreCase(name, secret)) return "[redacted]";
    }
    for (const char* url : kUrl) {
        if (equalsIgnoreCase(name, url)) return redactUrl(value);
    }
    if (equalsIgnoreCase(name, "WWW-Authenticate") ||
        equalsIgnoreCase(name, "Proxy-Authenticate")) {
        return redactChallenge(value);
    }
    return logEscape(value);
}

}  // namespace ociproxy
