#include "front/transfer.h"

#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "front/transport.h"
#include "ociproxy/base/clock.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMostWithHead = 64 * 1024;

ssize_t sendPiece(Transport& transport, const Piece& piece, std::uint64_t limit) noexcept {
    const std::size_t size = static_cast<std::size_t>(std::min(piece.size, limit));
    // A cut of the budget is followed by the next turn: it is no reason to say `more`.
    if (piece.file < 0) return transport.send(piece.bytes, size, piece.more);
    return transport.sendFile(piece.file, piece.offset, size);
}

}  // namespace

Transfer::Transfer(Reply reply, const Options& options)
    : pace(options.pace), reply_(std::move(reply)), options_(options) {}

void Transfer::setWake(std::function<void()> wake) {
    wake_ = std::move(wake);
    if (source_) {
        source_->setWake(wake_);
    } else if (FollowBody* follow = std::get_if<FollowBody>(&reply_.body)) {
        follow->body->setWake(wake_);
    } else if (StreamBody* stream = std::get_if<StreamBody>(&reply_.body)) {
        stream->source->setWake(wake_);
    }
}

// Decides the framing and serializes the head.
Transfer::Step Transfer::prepare() {
    const std::optional<Framing> framing =
        frameReply(reply_, options_.method, options_.minorVersion);
    if (!framing) return unframed();
    HeadOptions head;
    head.framing = *framing;
    head.keepAlive = options_.keepAlive;
    head.minorVersion = options_.minorVersion;
    head.wallSeconds = wallSeconds();
    ReplyHead serialized = serializeHead(reply_, head);
    head_ = std::move(serialized.text);
    headSize_ = head_.size();
    droppedFields_ = serialized.dropped;
    if (framing->sendBody && !appendToHead(reply_.body)) {
        source_ = makeBodySource(std::move(reply_.body), *framing);
        if (wake_) source_->setWake(wake_);  // which hands it on when it changes what it follows
    }
    piece_ = Piece{};
    piece_.bytes = head_.data();
    piece_.size = head_.size();
    piece_.more = source_ && source_->ready();
    piece_.body = false;
    prepared_ = true;
    return Step::kOn;
}

// Whether the length that an HTTP/1.0 client needs may still become known.
Transfer::Step Transfer::unframed() {
    const FollowBody* const follow = std::get_if<FollowBody>(&reply_.body);
    if (!follow) return Step::kBroken;
    switch (follow->body->now().state) {
        case GrowingBody::State::kBroken:
        case GrowingBody::State::kForsaken: return Step::kBroken;
        default: return Step::kStarved;
    }
}

// A body that is small and in memory goes out with its head, in one system call.
bool Transfer::appendToHead(const Body& body) {
    const BytesBody* const bytes = std::get_if<BytesBody>(&body);
    if (!bytes || bytes->bytes.size() > kMostWithHead) return false;
    head_ += bytes->bytes;
    return true;
}

Transfer::Step Transfer::nextPiece() {
    if (!prepared_) return prepare();
    headSent_ = true;
    if (!source_) return Step::kDone;
    switch (source_->next(&piece_)) {
        case BodySource::Next::kPiece: return Step::kOn;
        case BodySource::Next::kEnd: return Step::kDone;
        case BodySource::Next::kStarved: return Step::kStarved;
        case BodySource::Next::kBroken: break;
    }
    return Step::kBroken;
}

Transfer::Outcome Transfer::turn(Transport& transport, std::uint64_t budget) {
    for (;;) {
        if (piece_.size == 0) {
            switch (nextPiece()) {
                case Step::kOn: break;
                case Step::kDone: return Outcome::kDone;
                case Step::kStarved: return Outcome::kStarved;
                case Step::kBroken: return Outcome::kCut;
            }
        }
        if (budget == 0) return Outcome::kAgain;
        const ssize_t sent = sendPiece(transport, piece_, budget);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return failed(errno);
        if (sent == 0) return Outcome::kCut;  // the file is shorter than was promised
        advance(static_cast<std::uint64_t>(sent));
        budget -= static_cast<std::uint64_t>(sent);
    }
}

// sendfile reports the trouble of both sides; what is not the socket's is the file's.
Transfer::Outcome Transfer::failed(int code) noexcept {
    switch (code) {
        case EAGAIN: return Outcome::kBlocked;
        case EPIPE:
        case ECONNRESET:
        case ENOTCONN:
        case ETIMEDOUT:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ENETDOWN: return Outcome::kGone;
        default: error_ = code; return Outcome::kCut;
    }
}

void Transfer::advance(std::uint64_t sent) noexcept {
    if (!begunAt_) begunAt_ = now();
    piece_.size -= sent;
    if (piece_.file < 0) {
        piece_.bytes += sent;
    } else {
        piece_.offset += sent;
    }
    written_ += sent;
    if (piece_.body) {
        bodyBytes_ += sent;
    } else if (!headSent_ && written_ > headSize_) {
        bodyBytes_ = written_ - headSize_;
    }
}

std::int64_t Transfer::delivered(int socket) const noexcept {
    int queued = 0;
    if (::ioctl(socket, SIOCOUTQ, &queued) != 0) queued = 0;
    return static_cast<std::int64_t>(written_) - queued;
}

}  // namespace ociproxy
