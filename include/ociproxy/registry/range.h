// Byte ranges (RFC 9110 section 14). Pure functions; any thread.
#ifndef OCIPROXY_REGISTRY_RANGE_H
#define OCIPROXY_REGISTRY_RANGE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ociproxy {

// One range as asked for. Numbers beyond 64 bits are saturated.
struct RangeSpec {
    enum class Kind : std::uint8_t { kClosed, kOpen, kSuffix };
    Kind kind = Kind::kOpen;
    std::uint64_t first = 0;  // kSuffix: the number of last bytes wanted
    std::uint64_t last = 0;   // kClosed only
};

// A range of a body of known length: bytes first to last, both included.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size() const noexcept { return last - first + 1; }
};

// A Range header with more ranges is refused: the most that a client is known to send.
constexpr std::size_t kMaxRanges = 1024;

// The specs of a Range header, in request order. nullopt means that the field is
// to be ignored: another unit than bytes, or any part that is malformed.
std::optional<std::vector<RangeSpec>> parseRange(std::string_view header);

// The bytes that `spec` selects of a body of `length` bytes; nullopt when none
// (then all being so is a 416).
std::optional<ByteRange> satisfy(const RangeSpec& spec, std::uint64_t length) noexcept;

// "bytes 0-99/1000"; "bytes */1000".
std::string contentRange(const ByteRange& range, std::uint64_t length);
std::string unsatisfiedRange(std::uint64_t length);

// Content-Range of an upstream's 206. `length` is nullopt for "/*".
struct ContentRange {
    ByteRange range;
    std::optional<std::uint64_t> length;
};
std::optional<ContentRange> parseContentRange(std::string_view header);

// Entity-tag lists of If-None-Match, If-Match and If-Range with our one strong validator,
// "<digest>": quoted, unquoted, weak, "*" and lists match If-None-Match; all but weak ones
// match If-Match; only the quoted strong form matches If-Range.
bool matchesIfNoneMatch(std::string_view header, std::string_view digest);
bool matchesIfMatch(std::string_view header, std::string_view digest);
bool matchesIfRange(std::string_view header, std::string_view digest);

}  // namespace ociproxy

#endif
