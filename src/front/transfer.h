#ifndef OCIPROXY_SRC_FRONT_TRANSFER_H
#define OCIPROXY_SRC_FRONT_TRANSFER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "front/body_source.h"
#include "front/pace.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/front/message.h"

namespace ociproxy {

class Transport;

// One reply on its way into a socket, without ever blocking on the client. Body files
// go by sendfile, so that a turn may wait for the disk: senders do this, not the
// reactor. A growing body of unknown length is chunked for an HTTP/1.1 client; for an
// HTTP/1.0 client even the head waits, holding no thread, until the length is known.
// Owned by its connection; one thread at a time.
class Transfer {
public:
    enum class Outcome {
        kDone,
        kAgain,    // the budget is used up
        kBlocked,  // the socket has no room
        kStarved,  // a growing body has nothing to send yet
        kCut,      // the rest will never come: the client must see a broken end
        kGone,     // the client is not there any more
    };
    struct Options {
        Method method = Method::kGet;
        int minorVersion = 1;
        bool keepAlive = true;
        PaceLimits pace;
    };

    Transfer(Reply reply, const Options& options);

    // Sends at most `budget` bytes, and the rest of a head. Throws Error when the reply
    // cannot be framed.
    Outcome turn(Transport& transport, std::uint64_t budget);

    // Wake function of a body that grows. Set before the first turn; an empty one
    // before the transfer is let go.
    void setWake(std::function<void()> wake);

    bool headSent() const noexcept { return headSent_; }
    // When the first byte of the head was handed to the kernel.
    std::optional<TimePoint> begunAt() const noexcept { return begunAt_; }
    int status() const noexcept { return reply_.status; }
    const std::string& cacheResult() const noexcept { return reply_.cacheResult; }
    int upstreamStatus() const noexcept { return reply_.upstreamStatus; }
    bool keepAlive() const noexcept { return options_.keepAlive; }
    std::uint64_t bodyBytes() const noexcept { return bodyBytes_; }
    std::size_t droppedFields() const noexcept { return droppedFields_; }
    int error() const noexcept { return error_; }  // errno behind kCut, or 0
    // What has left the socket's queue; only differences count.
    std::int64_t delivered(int socket) const noexcept;

    Pace pace;

private:
    enum class Step { kOn, kDone, kStarved, kBroken };

    Step prepare();
    Step unframed();
    bool appendToHead(const Body& body);
    Step nextPiece();
    Outcome failed(int code) noexcept;
    void advance(std::uint64_t sent) noexcept;

    Reply reply_;
    Options options_;
    bool prepared_ = false;
    bool headSent_ = false;
    std::string head_;  // and a small body
    std::size_t headSize_ = 0;
    std::function<void()> wake_;
    std::unique_ptr<BodySource> source_;  // nullptr: no bytes behind the head
    Piece piece_;
    std::uint64_t written_ = 0;
    std::optional<TimePoint> begunAt_;
    std::uint64_t bodyBytes_ = 0;
    std::size_t droppedFields_ = 0;
    int error_ = 0;
};

}  // namespace ociproxy

#endif
