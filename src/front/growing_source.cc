#include "front/growing_source.h"

#include <algorithm>

#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

// Also how often the state of a growing body is looked at.
constexpr std::uint64_t kMaxPiece = 1024 * 1024;

}  // namespace

// ---- StreamPieces ----

BodySource::Next StreamPieces::next(Piece* piece) {
    source_->consume(given_);
    given_ = 0;
    if (left_ == std::uint64_t{0}) return Next::kEnd;
    const StreamSource::Look look = source_->look();
    if (look.state == StreamSource::State::kBroken) return Next::kBroken;
    if (look.ready.empty()) {
        if (look.state == StreamSource::State::kRunning) return Next::kStarved;
        return left_ ? Next::kBroken : Next::kEnd;
    }
    given_ = static_cast<std::size_t>(
        std::min<std::uint64_t>(look.ready.size(), left_.value_or(look.ready.size())));
    if (left_) *left_ -= given_;
    *piece = memoryPiece(look.ready.substr(0, given_), false, true);
    return Next::kPiece;
}

bool StreamPieces::ready() {
    const StreamSource::Look look = source_->look();
    return look.ready.size() > given_ || look.state == StreamSource::State::kComplete;
}

// ---- FollowSource ----

FollowSource::FollowSource(std::shared_ptr<GrowingBody> body, std::uint64_t offset,
                           std::optional<std::uint64_t> end)
    : body_(std::move(body)), position_(offset), end_(end) {
    OCIPROXY_ASSERT(!end_ || *end_ >= position_);
}

BodySource::Next FollowSource::next(Piece* piece) {
    if (rest_) return rest_->next(piece);
    if (position_ == end_) return Next::kEnd;
    const GrowingBody::Snapshot snapshot = body_->now();
    if (snapshot.state == GrowingBody::State::kBroken) return Next::kBroken;
    const std::uint64_t readable = std::min(snapshot.readable, end_.value_or(UINT64_MAX));
    if (readable <= position_) return atRest(snapshot, piece);
    const std::uint64_t size = std::min(readable - position_, kMaxPiece);
    *piece = filePiece(body_->descriptor(), position_, size);
    position_ += size;
    return Next::kPiece;
}

// All that the file has for us was sent.
BodySource::Next FollowSource::atRest(const GrowingBody::Snapshot& snapshot, Piece* piece) {
    switch (snapshot.state) {
        case GrowingBody::State::kGrowing: return Next::kStarved;
        case GrowingBody::State::kForsaken: return goOn(piece);
        case GrowingBody::State::kComplete:
            return !end_ && snapshot.readable == position_ ? Next::kEnd : Next::kBroken;
        case GrowingBody::State::kBroken: break;
    }
    return Next::kBroken;
}

BodySource::Next FollowSource::goOn(Piece* piece) {
    std::shared_ptr<StreamSource> stream = body_->continuation(position_, end_);
    if (!stream) return Next::kBroken;
    std::optional<std::uint64_t> length;
    if (end_) length = *end_ - position_;
    rest_ = std::make_unique<StreamPieces>(std::move(stream), length);
    rest_->setWake(wake_);
    return rest_->next(piece);
}

bool FollowSource::ready() {
    if (rest_) return rest_->ready();
    if (position_ == end_) return false;
    const GrowingBody::Snapshot snapshot = body_->now();
    return snapshot.readable > position_ ||
           (!end_ && snapshot.state == GrowingBody::State::kComplete);
}

void FollowSource::setWake(std::function<void()> wake) {
    wake_ = std::move(wake);
    body_->setWake(wake_);
    if (rest_) rest_->setWake(wake_);
}

// ---- FollowParts ----

BodySource::Next FollowParts::next(Piece* piece) {
    if (part_) {
        const Next next = part_->next(piece);
        if (next != Next::kEnd) return next;
        part_.reset();
    }
    if (begun_ < body_.parts.size()) {
        begin(body_.parts[begun_++]);
        *piece = memoryPiece(prefix_, part_->ready(), true);
        return Next::kPiece;
    }
    if (ended_ || body_.suffix.empty()) return Next::kEnd;
    ended_ = true;
    *piece = memoryPiece(body_.suffix, false, true);
    return Next::kPiece;
}

void FollowParts::begin(const FileSlice& part) {
    prefix_ = body_.prefix(part);
    part_ = std::make_unique<FollowSource>(body_.body, part.offset, part.offset + part.size);
    part_->setWake(wake_);
}

bool FollowParts::ready() {
    return part_ ? part_->ready() : !ended_;
}

void FollowParts::setWake(std::function<void()> wake) {
    wake_ = std::move(wake);
    if (part_) {
        part_->setWake(wake_);
    } else {
        body_.body->setWake(wake_);
    }
}

// ---- choice ----

std::unique_ptr<BodySource> makeGrowingSource(Body body, const Framing& framing) {
    if (StreamBody* stream = std::get_if<StreamBody>(&body)) {
        return std::make_unique<StreamPieces>(std::move(stream->source), stream->length);
    }
    FollowBody& follow = std::get<FollowBody>(body);
    if (!follow.parts.empty()) return std::make_unique<FollowParts>(std::move(follow));
    std::optional<std::uint64_t> end;
    if (framing.kind == Framing::Kind::kLength) end = follow.offset + framing.length;
    return std::make_unique<FollowSource>(std::move(follow.body), follow.offset, end);
}

}  // namespace ociproxy
