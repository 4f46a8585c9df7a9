#ifndef OCIPROXY_FRONT_APPLICATION_H
#define OCIPROXY_FRONT_APPLICATION_H

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "ociproxy/front/message.h"
#include "ociproxy/front/request_body.h"

namespace ociproxy {

// One request that waits for its reply. Held by whoever works on it; holds no
// thread. reply() may be called from any thread, once; an exchange that is dropped
// without a reply is answered with errorReply(500).
class Exchange {
public:
    virtual ~Exchange() = default;
    virtual const Request& request() const noexcept = 0;
    // nullptr: the request has none.
    virtual RequestBody* body() noexcept { return nullptr; }
    virtual void reply(Reply reply) noexcept = 0;
};

// What became of a request, for the access log and the counters.
struct Finished {
    const Request* request = nullptr;  // nullptr: the head was refused
    std::string_view peer;             // "192.0.2.1:5000", "unix:"
    int status = 0;
    std::uint64_t bodyBytes = 0;       // handed to the kernel
    // From the complete head (of a refused one: from its first byte) to the first byte
    // of the reply, nullopt if none was sent, and to the last.
    std::optional<std::chrono::microseconds> firstByte;
    std::chrono::microseconds duration{0};
    bool complete = false;             // false: cut before the end of the body
    int fileError = 0;                 // errno of a body that could not be read, if that is why
    std::string_view cacheResult;
    int upstreamStatus = 0;
};

// What the front serves. Called from many threads at once.
class Application {
public:
    virtual ~Application() = default;
    // Asked first, on the reactor's thread, with any request whose head is complete: the
    // reply if it can be given from memory, else nullopt, and handle() follows. Must not
    // block at all. A body of bytes is sent from there too; a file is left to a sender
    // unless it is resident.
    virtual std::optional<Reply> immediateReply(const Request& request) noexcept {
        (void)request;
        return std::nullopt;
    }
    // Called on a handler thread with a request whose head is complete, of any method,
    // with or without a body. Must not block on the network, and so not read a body; may
    // reply at once or keep the exchange.
    virtual void handle(std::shared_ptr<Exchange> exchange) noexcept = 0;
    // The reply for what the front itself refuses (400, 408, 414, 417, 431, 500,
    // 501, 503, 505): `message` says what was wrong. Must not block.
    virtual Reply errorReply(int status, std::string_view message) noexcept = 0;
    // Once per request, refused heads and cut connections included; on a thread of
    // the front, or on that of stop(). Must not block.
    virtual void finished(const Finished& finished) noexcept = 0;
};

}  // namespace ociproxy

#endif
