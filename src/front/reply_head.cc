#include "front/reply_head.h"

#include <algorithm>
#include <array>
#include <limits>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

struct Reason {
    int status;
    std::string_view phrase;
};

constexpr std::array<Reason, 41> kReasons{{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
}};

// Set by the front, or hop-by-hop (RFC 9110 7.6.1).
bool isOurs(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 7> kOurs{
        "Content-Length", "Transfer-Encoding", "Connection", "Date",
        "Keep-Alive",     "Upgrade",           "Trailer"};
    return std::any_of(kOurs.begin(), kOurs.end(), [name](std::string_view ours) {
        return equalsIgnoreCase(name, ours);
    });
}

std::uint64_t checkedSum(std::uint64_t a, std::uint64_t b) {
    if (b > std::numeric_limits<std::uint64_t>::max() - a) {
        throw Error("reply body longer than 64 bits can say");
    }
    return a + b;
}

std::uint64_t lengthOf(const std::vector<FileSlice>& slices,
                       const std::function<std::string(const FileSlice&)>& prefix,
                       const std::string& suffix) {
    std::uint64_t total = suffix.size();
    for (const FileSlice& slice : slices) {
        if (prefix) total = checkedSum(total, prefix(slice).size());
        total = checkedSum(total, slice.size);
    }
    return total;
}

std::uint64_t lengthOf(const FileBody& body) {
    return lengthOf(body.slices, body.prefix, body.suffix);
}

// The length as far as it is known; nullopt for a growing body of unknown length.
std::optional<std::uint64_t> lengthOf(const FollowBody& body) {
    if (!body.parts.empty()) return lengthOf(body.parts, body.prefix, body.suffix);
    if (body.size) return *body.size;
    const GrowingBody::Snapshot snapshot = body.body->now();
    std::optional<std::uint64_t> end = snapshot.length;
    if (snapshot.state == GrowingBody::State::kComplete) end = snapshot.readable;
    if (!end) return std::nullopt;
    if (*end < body.offset) throw Error("reply begins behind the end of its body");
    return *end - body.offset;
}

std::optional<std::uint64_t> lengthOf(const Body& body) {
    if (const BytesBody* bytes = std::get_if<BytesBody>(&body)) return bytes->bytes.size();
    if (const FileBody* file = std::get_if<FileBody>(&body)) return lengthOf(*file);
    if (const FollowBody* follow = std::get_if<FollowBody>(&body)) return lengthOf(*follow);
    if (const StreamBody* stream = std::get_if<StreamBody>(&body)) return stream->length;
    return 0;
}

Framing withLength(std::uint64_t length, bool sendBody) {
    return Framing{Framing::Kind::kLength, length, sendBody};
}

// A reply that carries no bytes because of its method: what a GET would have said.
Framing frameHead(const Reply& reply) {
    if (reply.headLength) return withLength(*reply.headLength, false);
    if (std::holds_alternative<NoBody>(reply.body)) return Framing{};
    const std::optional<std::uint64_t> length = lengthOf(reply.body);
    return length ? withLength(*length, false) : Framing{};
}

void appendField(std::string* out, std::string_view name, std::string_view value) {
    out->append(name).append(": ").append(value).append("\r\n");
}

void appendFields(const Headers& headers, ReplyHead* head) {
    for (const HeaderField& field : headers.fields()) {
        if (!isToken(field.name) || !isPrintable(field.value)) {
            ++head->dropped;
        } else if (!isOurs(field.name)) {
            appendField(&head->text, field.name, field.value);
        }
    }
}

void appendFraming(const Framing& framing, std::string* out) {
    if (framing.kind == Framing::Kind::kLength) {
        appendField(out, "Content-Length", std::to_string(framing.length));
    } else if (framing.kind == Framing::Kind::kChunked) {
        appendField(out, "Transfer-Encoding", "chunked");
    }
}

}  // namespace

std::string_view reasonPhrase(int status) noexcept {
    for (const Reason& reason : kReasons) {
        if (reason.status == status) return reason.phrase;
    }
    return "Unknown";
}

std::optional<Framing> frameReply(const Reply& reply, Method method, int minorVersion) {
    if (reply.status == 204) return Framing{};
    if (reply.status == 304) {
        return reply.headLength ? withLength(*reply.headLength, false) : Framing{};
    }
    if (method == Method::kHead) return frameHead(reply);
    if (const std::optional<std::uint64_t> length = lengthOf(reply.body)) {
        return withLength(*length, *length > 0);
    }
    if (minorVersion == 0) return std::nullopt;
    return Framing{Framing::Kind::kChunked, 0, true};
}

ReplyHead serializeHead(const Reply& reply, const HeadOptions& options) {
    ReplyHead head;
    head.text = cat("HTTP/1.1 ", reply.status, ' ', reasonPhrase(reply.status), "\r\n");
    appendField(&head.text, "Date", httpDate(options.wallSeconds));
    appendFields(reply.headers, &head);
    appendFraming(options.framing, &head.text);
    if (!options.keepAlive) {
        appendField(&head.text, "Connection", "close");
    } else if (options.minorVersion == 0) {
        appendField(&head.text, "Connection", "keep-alive");
    }
    head.text += "\r\n";
    return head;
}

}  // namespace ociproxy
