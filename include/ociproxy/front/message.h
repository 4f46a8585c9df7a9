// Requests and replies as values. Handlers see these and never a socket.
#ifndef OCIPROXY_FRONT_MESSAGE_H
#define OCIPROXY_FRONT_MESSAGE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/front/growing_body.h"
#include "ociproxy/front/stream_source.h"

namespace ociproxy {

struct HeaderField {
    std::string name;
    std::string value;
};

// Header fields in order. Names compare without case. A plain value.
class Headers {
public:
    void add(std::string_view name, std::string_view value);
    // Replaces every field of that name by one.
    void set(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    // The first value, or nullptr.
    const std::string* find(std::string_view name) const noexcept;
    bool has(std::string_view name) const noexcept { return find(name) != nullptr; }
    std::size_t count(std::string_view name) const noexcept;
    // All values of that name joined by ", "; empty if there is none.
    std::string joined(std::string_view name) const;
    const std::vector<HeaderField>& fields() const noexcept { return fields_; }

private:
    std::vector<HeaderField> fields_;
};

enum class Method : std::uint8_t { kGet, kHead, kOther };

// A request whose head passed the strict parser (RFC 9112).
struct Request {
    Method method = Method::kGet;
    std::string methodText;
    // Origin-form, still encoded; an absolute-form target is reduced to its path and
    // query, and its authority replaces the Host field. "*" for OPTIONS *.
    std::string target;
    std::string host;       // Host, or the authority of an absolute-form target
    int minorVersion = 1;   // HTTP/1.<minorVersion>
    Headers headers;
    bool hasBody = false;   // Content-Length above 0 or Transfer-Encoding
    bool keepAlive = true;  // what the client wants
    bool secure = false;    // came through TLS
    std::optional<IpAddress> peer;
    std::uint16_t peerPort = 0;
    TimePoint received;     // when the head was complete
};

struct FileSlice {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

struct NoBody {};
struct BytesBody {
    std::string bytes;
};
// Slices of a regular file, sent with sendfile. A file that turns out shorter
// cuts the connection.
struct FileBody {
    std::shared_ptr<const Fd> file;
    std::vector<FileSlice> slices;
    // Bytes in front of a slice (the part heads of a multipart body), always the same for the
    // same slice; empty: none. Made when they are sent: a thousand of them would be more than
    // a slow reader may cost. Called by one thread at a time; throws only std::bad_alloc.
    std::function<std::string(const FileSlice&)> prefix;
    std::string suffix;     // behind the last slice
    bool resident = false;  // its bytes are in memory: sending them waits for no disk
};
// Bytes [offset, offset+size) of a file that still grows; `size` nullopt: to the
// end, whose place need not be known yet: then the body is chunked for an HTTP/1.1
// client, and an HTTP/1.0 client gets its head when the length is known.
struct FollowBody {
    std::shared_ptr<GrowingBody> body;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> size;
    // Not empty: these parts of it instead, as in FileBody, each sent when it has come.
    std::vector<FileSlice> parts{};
    std::function<std::string(const FileSlice&)> prefix{};
    std::string suffix{};
};
// Bytes that are produced while they are sent. `length` nullopt: not known; then the body
// is chunked, and a client of HTTP/1.0 is cut off, having neither chunks nor an end that
// it could trust.
struct StreamBody {
    std::shared_ptr<StreamSource> source;
    std::optional<std::uint64_t> length;
};
using Body = std::variant<NoBody, BytesBody, FileBody, FollowBody, StreamBody>;

// The answer to one request; a value until it is handed over.
struct Reply {
    int status = 200;
    // Without Content-Length, Transfer-Encoding, Connection, Date: the front sets them.
    // Every value must be printable; a field that is not is dropped and counted.
    Headers headers;
    Body body;
    // For replies to HEAD without a body: the Content-Length a GET would have.
    std::optional<std::uint64_t> headLength;
    bool close = false;  // end the connection after this reply

    // Carried through to Application::finished(); the front does not look at it.
    std::string cacheResult;
    int upstreamStatus = 0;
};

}  // namespace ociproxy

#endif
