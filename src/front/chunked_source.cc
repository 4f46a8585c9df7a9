#include "front/chunked_source.h"

#include <array>
#include <charconv>

namespace ociproxy {

BodySource::Next ChunkedSource::next(Piece* piece) {
    if (chunk_.size > 0) {
        *piece = chunk_;
        chunk_ = Piece{};
        afterChunk_ = true;
        return Next::kPiece;
    }
    if (ended_) return Next::kEnd;
    framing_ = afterChunk_ ? "\r\n" : "";
    const Next next = frame();
    if (framing_.empty() || next == Next::kBroken) return next;
    afterChunk_ = false;
    *piece = memoryPiece(framing_, chunk_.size > 0, false);
    return Next::kPiece;
}

// Appends the head of the next chunk or the last chunk to framing_.
BodySource::Next ChunkedSource::frame() {
    const Next next = body_->next(&chunk_);
    if (next == Next::kPiece) {
        std::array<char, 17> hex;
        const std::to_chars_result end =
            std::to_chars(hex.data(), hex.data() + hex.size(), chunk_.size, 16);
        framing_.append(hex.data(), end.ptr).append("\r\n");
    } else if (next == Next::kEnd) {
        framing_.append("0\r\n\r\n");
        ended_ = true;
    }
    return next;
}

}  // namespace ociproxy
