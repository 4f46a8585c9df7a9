#ifndef OCIPROXY_SRC_UPSTREAM_STRICT_RESPONSE_H
#define OCIPROXY_SRC_UPSTREAM_STRICT_RESPONSE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ociproxy {

class ByteSource;

// The head of an upstream's response. A plain value. Values of fields are raw: no
// RFC 2047, no unfolding; they hold no control bytes but tabs.
struct ResponseHead {
    struct Field {
        std::string name;
        std::string value;
    };

    int status = 0;
    std::vector<Field> fields;  // without those that Connection names
    bool chunked = false;
    std::optional<std::uint64_t> contentLength;
    bool close = false;  // the connection ends with this response

    // First value, or nullptr.
    const std::string* field(std::string_view name) const noexcept;
    std::vector<std::string> all(std::string_view name) const;
};

constexpr std::size_t kMaxResponseHead = 64 * 1024;
constexpr std::size_t kMaxResponseFields = 128;

// Reads and checks one head up to its empty line (RFC 9112 2.1, 4, 5, 6).
// Throws UpstreamError: kProtocol for whatever is not exactly as the
// grammar says (bare LF, folding, spaces before the colon, control bytes, repeated or
// conflicting framing, transfer codings other than "chunked"), kConnectionTerminated
// when the source ends first.
ResponseHead readResponseHead(ByteSource& source);

}  // namespace ociproxy

#endif
