#ifndef OCIPROXY_SRC_FRONT_CHUNKED_SOURCE_H
#define OCIPROXY_SRC_FRONT_CHUNKED_SOURCE_H

#include <memory>
#include <string>

#include "front/body_source.h"

namespace ociproxy {

// Another source's pieces as chunks (RFC 9112 7.1). The last chunk is sent only when that
// source has come to its end.
class ChunkedSource final : public BodySource {
public:
    explicit ChunkedSource(std::unique_ptr<BodySource> body) : body_(std::move(body)) {}

    Next next(Piece* piece) override;
    bool ready() override { return body_->ready(); }
    void setWake(std::function<void()> wake) override { body_->setWake(std::move(wake)); }

private:
    Next frame();

    std::unique_ptr<BodySource> body_;
    Piece chunk_;  // its size was announced and it is not yet given
    bool afterChunk_ = false;
    bool ended_ = false;
    std::string framing_;
};

}  // namespace ociproxy

#endif
