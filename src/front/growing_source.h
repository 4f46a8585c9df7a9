// The sources of bodies that are not all there when they are sent.
#ifndef OCIPROXY_SRC_FRONT_GROWING_SOURCE_H
#define OCIPROXY_SRC_FRONT_GROWING_SOURCE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "front/body_source.h"

namespace ociproxy {

// REQUIRES: a FollowBody or a StreamBody. Not framed as chunks.
std::unique_ptr<BodySource> makeGrowingSource(Body body, const Framing& framing);

// The bytes of a stream, of a known length or to its end.
class StreamPieces final : public BodySource {
public:
    StreamPieces(std::shared_ptr<StreamSource> source, std::optional<std::uint64_t> length)
        : source_(std::move(source)), left_(length) {}

    Next next(Piece* piece) override;
    bool ready() override;
    void setWake(std::function<void()> wake) override { source_->setWake(std::move(wake)); }

private:
    std::shared_ptr<StreamSource> source_;
    std::optional<std::uint64_t> left_;  // nullopt: to the end
    std::size_t given_ = 0;              // in the last piece
};

// A growing file from `offset` to before `end` (nullopt: to its end), and what continues
// it when it is forsaken.
class FollowSource final : public BodySource {
public:
    FollowSource(std::shared_ptr<GrowingBody> body, std::uint64_t offset,
                 std::optional<std::uint64_t> end);

    Next next(Piece* piece) override;
    bool ready() override;
    void setWake(std::function<void()> wake) override;

private:
    Next atRest(const GrowingBody::Snapshot& snapshot, Piece* piece);
    Next goOn(Piece* piece);

    std::shared_ptr<GrowingBody> body_;
    std::uint64_t position_;
    std::optional<std::uint64_t> end_;
    std::unique_ptr<StreamPieces> rest_;
    std::function<void()> wake_;
};

// Parts of a growing file: prefix, part, prefix, part, ..., suffix.
class FollowParts final : public BodySource {
public:
    explicit FollowParts(FollowBody body) : body_(std::move(body)) {}

    Next next(Piece* piece) override;
    bool ready() override;
    void setWake(std::function<void()> wake) override;

private:
    void begin(const FileSlice& part);

    FollowBody body_;
    std::size_t begun_ = 0;  // parts whose prefix was given
    bool ended_ = false;
    std::string prefix_;
    std::unique_ptr<FollowSource> part_;
    std::function<void()> wake_;
};

}  // namespace ociproxy

#endif
