#include "front/body_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

// Also how often the state of a growing body is looked at.
constexpr std::uint64_t kMaxChunk = 1024 * 1024;

Piece memoryPiece(std::string_view text, bool more, bool body) {
    Piece piece;
    piece.bytes = text.data();
    piece.size = text.size();
    piece.more = more;
    piece.body = body;
    return piece;
}

Piece filePiece(int file, std::uint64_t offset, std::uint64_t size) {
    Piece piece;
    piece.file = file;
    piece.offset = offset;
    piece.size = size;
    return piece;
}

class BytesSource final : public BodySource {
public:
    explicit BytesSource(BytesBody body) : bytes_(std::move(body.bytes)) {}

    Next next(Piece* piece) override {
        if (!ready()) return Next::kEnd;
        given_ = true;
        *piece = memoryPiece(bytes_, false, true);
        return Next::kPiece;
    }
    bool ready() override { return !given_ && !bytes_.empty(); }

private:
    std::string bytes_;
    bool given_ = false;
};

// Prefix, slice, prefix, slice, ..., suffix; empty ones left out.
class FileSource final : public BodySource {
public:
    explicit FileSource(FileBody body) : body_(std::move(body)) {}

    Next next(Piece* piece) override {
        if (!ready()) return Next::kEnd;
        const std::size_t slice = step_ / 2;
        if (slice == body_.slices.size()) {
            *piece = memoryPiece(body_.suffix, false, true);
        } else if (step_ % 2 == 0) {
            *piece = memoryPiece(prefix_, true, true);
        } else {
            const FileSlice& part = body_.slices[slice];
            *piece = filePiece(body_.file->get(), part.offset, part.size);
        }
        ++step_;
        return Next::kPiece;
    }

    bool ready() override {
        skipEmpty();
        return step_ < steps();
    }

private:
    std::size_t steps() const { return 2 * body_.slices.size() + 1; }
    bool isEmpty() {
        const std::size_t slice = step_ / 2;
        if (slice == body_.slices.size()) return body_.suffix.empty();
        if (step_ % 2 == 1) return body_.slices[slice].size == 0;
        if (!body_.prefix) return true;
        prefix_ = body_.prefix(body_.slices[slice]);
        return prefix_.empty();
    }
    void skipEmpty() {
        while (step_ < steps() && isEmpty()) ++step_;
    }

    FileBody body_;
    std::string prefix_;  // of the slice that comes next
    std::size_t step_ = 0;
};

// A growing body to a known end.
class FollowSource final : public BodySource {
public:
    FollowSource(FollowBody body, std::uint64_t length)
        : body_(std::move(body.body)), position_(body.offset), end_(body.offset + length) {
        OCIPROXY_ASSERT(end_ >= position_);
    }

    Next next(Piece* piece) override {
        if (position_ == end_) return Next::kEnd;
        const GrowingBody::Snapshot snapshot = body_->now();
        if (snapshot.state == GrowingBody::State::kBroken) return Next::kBroken;
        const std::uint64_t readable = std::min(snapshot.readable, end_);
        if (readable > position_) {
            const std::uint64_t size = std::min(readable - position_, kMaxChunk);
            *piece = filePiece(body_->descriptor(), position_, size);
            position_ += size;
            return Next::kPiece;
        }
        return snapshot.state == GrowingBody::State::kComplete ? Next::kBroken : Next::kStarved;
    }

    bool ready() override {
        return position_ < end_ && body_->now().readable > position_;
    }
    void setWake(std::function<void()> wake) override { body_->setWake(std::move(wake)); }

private:
    std::shared_ptr<GrowingBody> body_;
    std::uint64_t position_;
    std::uint64_t end_;
};

// A growing body whose end is not known, in chunks (RFC 9112 7.1). The last chunk is
// sent only when the body is complete.
class ChunkedSource final : public BodySource {
public:
    explicit ChunkedSource(FollowBody body)
        : body_(std::move(body.body)), position_(body.offset) {}

    Next next(Piece* piece) override {
        if (chunk_ > 0) {
            giveChunk(piece);
            return Next::kPiece;
        }
        if (ended_) return Next::kEnd;
        framing_ = afterChunk_ ? "\r\n" : "";
        const Next next = frame(body_->now());
        if (framing_.empty() || next == Next::kBroken) return next;
        afterChunk_ = false;
        *piece = memoryPiece(framing_, chunk_ > 0, false);
        return Next::kPiece;
    }

    bool ready() override {
        const GrowingBody::Snapshot snapshot = body_->now();
        return snapshot.readable > position_ || snapshot.state == GrowingBody::State::kComplete;
    }
    void setWake(std::function<void()> wake) override { body_->setWake(std::move(wake)); }

private:
    void giveChunk(Piece* piece) {
        *piece = filePiece(body_->descriptor(), position_, chunk_);
        position_ += chunk_;
        chunk_ = 0;
        afterChunk_ = true;
    }

    // Appends the head of the next chunk or the last chunk to framing_.
    Next frame(const GrowingBody::Snapshot& snapshot) {
        if (snapshot.state == GrowingBody::State::kBroken) return Next::kBroken;
        if (snapshot.readable > position_) {
            chunk_ = std::min(snapshot.readable - position_, kMaxChunk);
            std::array<char, 17> hex;
            const std::to_chars_result end =
                std::to_chars(hex.data(), hex.data() + hex.size(), chunk_, 16);
            framing_.append(hex.data(), end.ptr).append("\r\n");
            return Next::kPiece;
        }
        if (snapshot.state == GrowingBody::State::kGrowing) return Next::kStarved;
        if (snapshot.readable < position_) return Next::kBroken;
        framing_.append("0\r\n\r\n");
        ended_ = true;
        return Next::kPiece;
    }

    std::shared_ptr<GrowingBody> body_;
    std::uint64_t position_;
    std::uint64_t chunk_ = 0;  // announced and not yet given
    bool afterChunk_ = false;
    bool ended_ = false;
    std::string framing_;
};

}  // namespace

std::unique_ptr<BodySource> makeBodySource(Body body, const Framing& framing) {
    OCIPROXY_ASSERT(framing.sendBody);
    if (BytesBody* bytes = std::get_if<BytesBody>(&body)) {
        return std::make_unique<BytesSource>(std::move(*bytes));
    }
    if (FileBody* file = std::get_if<FileBody>(&body)) {
        return std::make_unique<FileSource>(std::move(*file));
    }
    FollowBody& follow = std::get<FollowBody>(body);
    if (framing.kind == Framing::Kind::kChunked) {
        return std::make_unique<ChunkedSource>(std::move(follow));
    }
    return std::make_unique<FollowSource>(std::move(follow), framing.length);
}

}  // namespace ociproxy
