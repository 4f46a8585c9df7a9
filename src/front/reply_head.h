// The head of a reply and how its body is framed. Pure functions, but for
// GrowingBody::now() of a growing body.
#ifndef OCIPROXY_SRC_FRONT_REPLY_HEAD_H
#define OCIPROXY_SRC_FRONT_REPLY_HEAD_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/front/message.h"

namespace ociproxy {

// RFC 9112 6.3. Bodies are never delimited by the end of the connection: an end that
// came too early must be visible to the client.
struct Framing {
    enum class Kind : std::uint8_t {
        kNone,     // no field: 204, 304, or a reply to HEAD whose length is not known
        kLength,   // Content-Length: `length`
        kChunked,  // Transfer-Encoding: chunked
    };
    Kind kind = Kind::kNone;
    std::uint64_t length = 0;
    bool sendBody = false;  // whether bytes follow the head
};

// nullopt: a growing body of unknown length for an HTTP/1.0 client, which knows neither
// chunks nor an end it could trust; decided once the length is known.
// Throws Error when the slices of a file body do not fit into 64 bits.
std::optional<Framing> frameReply(const Reply& reply, Method method, int minorVersion);

struct HeadOptions {
    Framing framing;
    bool keepAlive = true;  // whether the connection lives on
    int minorVersion = 1;   // of the request
    std::int64_t wallSeconds = 0;
};

struct ReplyHead {
    std::string text;         // with the empty line
    std::size_t dropped = 0;  // fields that were not printable or not tokens
};

// The status line is HTTP/1.1 whatever the request's version (RFC 9110 2.5). Fields
// that are not safe to send, and those that are the front's own, are left out.
ReplyHead serializeHead(const Reply& reply, const HeadOptions& options);

std::string_view reasonPhrase(int status) noexcept;

}  // namespace ociproxy

#endif
