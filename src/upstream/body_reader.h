#ifndef OCIPROXY_SRC_UPSTREAM_BODY_READER_H
#define OCIPROXY_SRC_UPSTREAM_BODY_READER_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ociproxy {

class ByteSource;
struct ResponseHead;

// How the end of a body is known (RFC 9112 6.3). A body that ends with the connection
// cannot be told from one that was cut and is not read at all.
struct BodyFraming {
    enum class Kind : std::uint8_t { kNone, kLength, kChunked, kUnknown };
    Kind kind = Kind::kNone;
    std::uint64_t length = 0;  // for kLength

    static BodyFraming of(const ResponseHead& head, bool answersHead) noexcept;
};

// Takes exactly one body from a source, and nothing behind it. One thread. The source
// must outlive the reader or be detached from it by no more calls.
class BodyReader {
public:
    // REQUIRES: the kind is not kUnknown.
    BodyReader(ByteSource* source, const BodyFraming& framing);

    // Up to `size` bytes, at least one; 0 when the body is complete. Throws
    // UpstreamError: kIncomplete when the source ends first, kProtocol for chunks that
    // are not exactly as RFC 9112 7.1 says, and what the source throws.
    std::size_t read(char* out, std::size_t size);
    bool complete() const noexcept { return complete_; }

private:
    std::size_t readData(char* out, std::size_t size);
    void startChunk();
    void endChunk();
    void skipTrailers();
    std::string readLine(std::size_t limit);
    char next();

    ByteSource* source_;
    const bool chunked_;
    std::uint64_t left_;      // of the body, or of the current chunk
    bool inChunk_ = false;
    bool complete_ = false;
};

}  // namespace ociproxy

#endif
