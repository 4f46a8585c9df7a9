#include "upstream/body_reader.h"

#include <algorithm>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"
#include "upstream/byte_source.h"
#include "upstream/strict_response.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxChunkDigits = 16;
constexpr std::size_t kMaxChunkLine = 4 * 1024;
constexpr std::size_t kMaxTrailers = 8 * 1024;

[[noreturn]] void malformed(const char* cause) {
    throw UpstreamError(UpstreamFailure::kProtocol, cat("malformed chunked body: ", cause));
}

[[noreturn]] void incomplete() {
    throw UpstreamError(UpstreamFailure::kIncomplete, "connection closed within the body");
}

bool isText(char c) noexcept {
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

// The size at the start of a chunk's line; an extension may follow.
std::uint64_t chunkSize(std::string_view line) {
    const std::string_view digits = line.substr(0, line.find(';'));
    if (digits.empty() || digits.size() > kMaxChunkDigits) malformed("chunk size");
    std::uint64_t size = 0;
    for (char c : digits) {
        const int value = hexValue(c);
        if (value < 0) malformed("chunk size");
        size = size * 16 + static_cast<std::uint64_t>(value);
    }
    return size;
}

}  // namespace

BodyFraming BodyFraming::of(const ResponseHead& head, bool answersHead) noexcept {
    if (answersHead || head.status < 200 || head.status == 204 || head.status == 304) return {};
    if (head.chunked) return {Kind::kChunked, 0};
    if (!head.contentLength) return {Kind::kUnknown, 0};
    return {*head.contentLength == 0 ? Kind::kNone : Kind::kLength, *head.contentLength};
}

BodyReader::BodyReader(ByteSource* source, const BodyFraming& framing)
    : source_(source), chunked_(framing.kind == BodyFraming::Kind::kChunked),
      left_(framing.length), complete_(framing.kind == BodyFraming::Kind::kNone) {
    OCIPROXY_ASSERT(framing.kind != BodyFraming::Kind::kUnknown);
}

std::size_t BodyReader::read(char* out, std::size_t size) {
    OCIPROXY_ASSERT(size > 0);
    if (complete_) return 0;
    if (chunked_ && inChunk_ && left_ == 0) endChunk();
    if (chunked_ && !inChunk_) startChunk();
    return complete_ ? 0 : readData(out, size);
}

std::size_t BodyReader::readData(char* out, std::size_t size) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
    const std::size_t got = source_->read(out, wanted);
    if (got == 0) incomplete();
    left_ -= got;
    if (left_ == 0 && !chunked_) complete_ = true;
    return got;
}

// On return there is data to read, or the body is complete.
void BodyReader::startChunk() {
    left_ = chunkSize(readLine(kMaxChunkLine));
    if (left_ > 0) {
        inChunk_ = true;
        return;
    }
    skipTrailers();
    complete_ = true;
}

void BodyReader::endChunk() {
    if (next() != '\r' || next() != '\n') malformed("no CR LF behind a chunk");
    inChunk_ = false;
}

// Trailers are read to the end and dropped.
void BodyReader::skipTrailers() {
    std::size_t left = kMaxTrailers;
    for (std::string line = readLine(left); !line.empty(); line = readLine(left)) {
        left -= std::min(left, line.size());
    }
}

// A line without its CR LF.
std::string BodyReader::readLine(std::size_t limit) {
    std::string line;
    for (char c = next(); c != '\r'; c = next()) {
        if (!isText(c)) malformed("control byte");
        if (line.size() >= limit) malformed("line too long");
        line.push_back(c);
    }
    if (next() != '\n') malformed("line without CR LF");
    return line;
}

char BodyReader::next() {
    const int byte = source_->get();
    if (byte < 0) incomplete();
    return static_cast<char>(byte);
}

}  // namespace ociproxy
