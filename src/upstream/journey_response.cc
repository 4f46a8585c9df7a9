#include "upstream/journey_response.h"

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kReadSize = 64 * 1024;

}  // namespace

JourneyResponse::JourneyResponse(JourneyEnd end, UpstreamPtr upstream)
    : upstream_(std::move(upstream)), end_(std::move(end)) {}

std::optional<std::uint64_t> JourneyResponse::contentLength() const noexcept {
    const ResponseHead& head = end_.answer.head;
    const BodyFraming framing =
        BodyFraming::of(head, end_.request.method == UpstreamMethod::kHead);
    switch (framing.kind) {
    case BodyFraming::Kind::kLength: return framing.length;
    case BodyFraming::Kind::kChunked: return std::nullopt;
    case BodyFraming::Kind::kUnknown: return 0;
    case BodyFraming::Kind::kNone: break;
    }
    if (end_.request.method == UpstreamMethod::kHead) return head.contentLength;
    return 0;
}

std::size_t JourneyResponse::read(char* buffer, std::size_t size) {
    try {
        return end_.answer.body->read(buffer, size);
    } catch (const UpstreamError& e) {
        throw UpstreamError(e.failure(), end_.request.describe(e.what()));
    }
}

std::string JourneyResponse::readAll(std::size_t limit) {
    const std::optional<std::uint64_t> length = contentLength();
    const bool hasBody = end_.request.method != UpstreamMethod::kHead;
    if (hasBody && length && *length > limit) tooLarge(limit);
    std::string out;
    for (std::size_t used = 0;; used = out.size()) {
        out.resize(used + kReadSize);
        const std::size_t got = read(&out[used], kReadSize);
        out.resize(used + got);
        if (got == 0) return out;
        if (out.size() > limit) tooLarge(limit);
    }
}

void JourneyResponse::tooLarge(std::size_t limit) const {
    throw UpstreamError(UpstreamFailure::kBodyTooLarge,
                        end_.request.describe(cat("body larger than ", limit, " bytes")));
}

}  // namespace ociproxy
