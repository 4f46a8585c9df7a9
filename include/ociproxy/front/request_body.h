#ifndef OCIPROXY_FRONT_REQUEST_BODY_H
#define OCIPROXY_FRONT_REQUEST_BODY_H

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ociproxy {

// The body of one request, pulled by the application. Nothing of it is read, and a client
// that waits for "100 Continue" (RFC 9110 10.1.1) gets none, before the first read(): an
// application that refuses replies at once. A body read to its kEnd leaves the connection
// usable; after any other the connection ends, lingering, with the reply.
//
// Valid as long as its exchange. One thread at a time, but never the one that handle() was
// called on: read() waits for the client.
class RequestBody {
public:
    enum class Status : std::uint8_t {
        kData,        // `size` bytes were stored
        kEnd,         // that was all
        kMalformed,   // not chunked as it should be (RFC 9112 7.1): reply with 400
        kIncomplete,  // the client ended the connection before: reply with 400, it may read
        kTooSlow,     // nothing came for too long, or too little in a while: reply with 408
        kClosed,      // the server stops, or the reply has been given
    };
    struct Read {
        Status status = Status::kEnd;
        std::size_t size = 0;  // kData: at least 1, else 0
    };

    virtual ~RequestBody() = default;
    // Content-Length; nullopt: chunked, the length shows at the end.
    virtual std::optional<std::uint64_t> length() const noexcept = 0;
    // The next bytes, as many as are there, at most `size` (at least 1). Waits while there
    // are none. What is not kData is final: it is given again. Throws only std::bad_alloc.
    virtual Read read(char* buffer, std::size_t size) = 0;
};

}  // namespace ociproxy

#endif
