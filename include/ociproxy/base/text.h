// Text without locale: ASCII only, no allocation surprises, no exceptions but
// std::bad_alloc. Pure functions; any thread.
#ifndef OCIPROXY_BASE_TEXT_H
#define OCIPROXY_BASE_TEXT_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ociproxy {

namespace text_detail {
inline void append(std::string& out, std::string_view part) { out.append(part); }
inline void append(std::string& out, char part) { out.push_back(part); }
inline void append(std::string& out, int part) { out += std::to_string(part); }
inline void append(std::string& out, unsigned part) { out += std::to_string(part); }
inline void append(std::string& out, long part) { out += std::to_string(part); }
inline void append(std::string& out, unsigned long part) { out += std::to_string(part); }
inline void append(std::string& out, long long part) { out += std::to_string(part); }
inline void append(std::string& out, unsigned long long part) { out += std::to_string(part); }
}  // namespace text_detail

// One string of all parts: text, characters and integers.
template <class... Parts>
std::string cat(const Parts&... parts) {
    std::string out;
    (text_detail::append(out, parts), ...);
    return out;
}

char lowerChar(char c) noexcept;
std::string lower(std::string_view text);
bool equalsIgnoreCase(std::string_view a, std::string_view b) noexcept;
bool startsWith(std::string_view text, std::string_view prefix) noexcept;
bool endsWith(std::string_view text, std::string_view suffix) noexcept;
// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text) noexcept;
// Parts between `separator`s, empty ones included: "a,,b" gives three.
std::vector<std::string_view> split(std::string_view text, char separator);
// Words between runs of spaces and tabs; none is empty.
std::vector<std::string_view> words(std::string_view text);

// Decimal digits only, no sign, no space, no overflow; at most 20 digits.
std::optional<std::uint64_t> parseUnsigned(std::string_view text) noexcept;
// One hexadecimal digit's value, or -1.
int hexValue(char c) noexcept;

// RFC 9110 5.6.2 token: at least one character.
bool isToken(std::string_view text) noexcept;
// Every byte is printable ASCII or space: what we let into a header value.
bool isPrintable(std::string_view text) noexcept;

// Decodes %HH once. nullopt for a broken escape. '+' stays '+'.
std::optional<std::string> percentDecode(std::string_view text);
// Percent-encodes everything but RFC 3986 unreserved characters.
std::string percentEncode(std::string_view text);

// As the inside of a JSON string; bytes that are not UTF-8 become U+FFFD.
std::string jsonEscape(std::string_view text);
// For log lines: backslashes and all but printable ASCII as \xHH, `"` as \".
std::string logEscape(std::string_view text);
// For log lines: a URL, escaped, without user information, query and fragment
// ("?..." marks that there was a query): signed queries are capabilities.
std::string redactUrl(std::string_view url);
// A header value for the log: that of Authorization, Cookie, Set-Cookie,
// Proxy-Authorization, X-Registry-Auth is "[redacted]"; Location, Content-Location,
// Link and Referer go through redactUrl, and so do URLs in WWW-Authenticate; others are
// escaped.
std::string redactHeader(std::string_view name, std::string_view value);

// "512", "10K", "64M", "10G", "1T" (powers of 1024) in bytes.
std::optional<std::uint64_t> parseSize(std::string_view text) noexcept;
// "250ms", "30s", "5min" ("5m"), "24h", "7d" in milliseconds; a bare number only when 0.
std::optional<std::uint64_t> parseDuration(std::string_view text) noexcept;
// What parseDuration() and parseSize() read, in the largest unit that is exact:
// "2min", "1d", "0".
std::string formatDuration(std::uint64_t milliseconds);
std::string formatSize(std::uint64_t bytes);

}  // namespace ociproxy

#endif
