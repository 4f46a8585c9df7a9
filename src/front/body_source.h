#ifndef OCIPROXY_SRC_FRONT_BODY_SOURCE_H
#define OCIPROXY_SRC_FRONT_BODY_SOURCE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "front/reply_head.h"
#include "ociproxy/front/message.h"

namespace ociproxy {

// A run of bytes to send next: in memory, or of a file. Valid until the next call of
// BodySource::next().
struct Piece {
    const char* bytes = nullptr;  // or
    int file = -1;
    std::uint64_t offset = 0;  // in the file
    std::uint64_t size = 0;    // still to send
    bool more = false;         // something follows at once: do not send a short packet
    bool body = true;          // false: head or chunk framing
};

Piece memoryPiece(std::string_view text, bool more, bool body);
Piece filePiece(int file, std::uint64_t offset, std::uint64_t size);

// The body of one reply as pieces in order. One thread at a time.
class BodySource {
public:
    enum class Next {
        kPiece,
        kEnd,
        kStarved,  // nothing before the next wake
        kBroken,   // the rest will never come
    };

    virtual ~BodySource() = default;
    // Never gives a piece of size 0.
    virtual Next next(Piece* piece) = 0;
    // Whether next() would give a piece.
    virtual bool ready() = 0;
    // GrowingBody::setWake() or StreamSource::setWake() of what the source waits for.
    virtual void setWake(std::function<void()> wake) { (void)wake; }
};

// Takes `body` over. REQUIRES: `framing` says that bytes follow the head.
std::unique_ptr<BodySource> makeBodySource(Body body, const Framing& framing);

}  // namespace ociproxy

#endif
