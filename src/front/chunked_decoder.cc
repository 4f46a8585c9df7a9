#include "front/chunked_decoder.h"

#include <algorithm>
#include <limits>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMaxDigits = 16;
constexpr std::size_t kNone = std::string_view::npos;
constexpr std::uint64_t kMaxBody = std::numeric_limits<std::int64_t>::max();

bool isControl(char c) noexcept {
    const unsigned char byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

void skipSpace(std::string_view* rest) noexcept {
    rest->remove_prefix(std::min(rest->find_first_not_of(" \t"), rest->size()));
}

bool skipChar(std::string_view* rest, char c) noexcept {
    if (rest->empty() || rest->front() != c) return false;
    rest->remove_prefix(1);
    return true;
}

bool skipToken(std::string_view* rest) noexcept {
    const std::size_t end = std::min(rest->find_first_of(" \t;=\""), rest->size());
    if (!isToken(rest->substr(0, end))) return false;
    rest->remove_prefix(end);
    return true;
}

// REQUIRES: begins behind the opening quote; control bytes were refused before.
bool skipQuoted(std::string_view* rest) noexcept {
    for (std::size_t i = 0; i < rest->size(); ++i) {
        if ((*rest)[i] == '"') {
            rest->remove_prefix(i + 1);
            return true;
        }
        if ((*rest)[i] == '\\') ++i;
    }
    return false;
}

// *( BWS ";" BWS name [ BWS "=" BWS value ] ), RFC 9112 7.1.1.
bool areExtensions(std::string_view rest) noexcept {
    while (!rest.empty()) {
        skipSpace(&rest);
        if (!skipChar(&rest, ';')) return false;
        skipSpace(&rest);
        if (!skipToken(&rest)) return false;
        std::string_view value = rest;
        skipSpace(&value);
        if (!skipChar(&value, '=')) continue;
        skipSpace(&value);
        rest = value;
        if (!(skipChar(&rest, '"') ? skipQuoted(&rest) : skipToken(&rest))) return false;
    }
    return true;
}

std::size_t digitsOf(std::string_view line) noexcept {
    std::size_t digits = 0;
    while (digits < line.size() && hexValue(line[digits]) >= 0) ++digits;
    return digits;
}

// REQUIRES: at most 16 hexadecimal digits.
std::uint64_t sizeOf(std::string_view digits) noexcept {
    std::uint64_t size = 0;
    for (char c : digits) size = size * 16 + static_cast<std::uint64_t>(hexValue(c));
    return size;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::advance(std::string_view input) {
    OCIPROXY_ASSERT(problem_.empty() && stage_ != Stage::kEnd);
    std::size_t consumed = 0;
    while (consumed < input.size()) {
        if (stage_ == Stage::kData) return takeData(input, consumed);
        takeByte(input[consumed++]);
        if (!problem_.empty()) return Step{Status::kMalformed, consumed, {}};
        if (stage_ == Stage::kEnd) return Step{Status::kEnd, consumed, {}};
    }
    return Step{Status::kIncomplete, consumed, {}};
}

ChunkedDecoder::Step ChunkedDecoder::takeData(std::string_view input, std::size_t consumed) {
    const std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunkLeft_, input.size() - consumed));
    chunkLeft_ -= size;
    decoded_ += size;
    if (chunkLeft_ == 0) stage_ = Stage::kAfterData;
    return Step{Status::kData, consumed + size, input.substr(consumed, size)};
}

// One byte that is not data: of a line, or of the CR LF behind data, which is an empty line.
void ChunkedDecoder::takeByte(char c) {
    if (carriageReturn_) {
        if (c != '\n') return fail("bare carriage return in a chunked body");
        carriageReturn_ = false;
        takeLine(line_);
        line_.clear();
        return;
    }
    if (c == '\r') {
        carriageReturn_ = true;
        return;
    }
    if (stage_ == Stage::kAfterData) return fail("chunk is not followed by CR LF");
    if (c == '\n') return fail("line feed without carriage return in a chunked body");
    if (isControl(c)) return fail("control byte in a chunked body's framing");
    line_.push_back(c);
    checkLine();
}

// Refuses a line as soon as nothing that may follow makes it right.
void ChunkedDecoder::checkLine() {
    std::size_t used = trailerBytes_ + line_.size();
    if (stage_ == Stage::kSizeLine) {
        const std::size_t digits = digitsOf(line_);
        const bool atEnd = digits == line_.size();
        const bool extended = !atEnd && std::string_view(" \t;").find(line_[digits]) != kNone;
        if (digits == 0 || digits > kMaxDigits || !(atEnd || extended)) {
            return fail("malformed chunk size");
        }
        used = extensionBytes_ + line_.size() - digits;
    }
    const bool inTrailer = stage_ == Stage::kTrailer;
    if (used > (inTrailer ? limits_.trailers : limits_.extensions)) {
        fail("framing of a chunked body is too long");
    }
}

void ChunkedDecoder::takeLine(std::string_view line) {
    switch (stage_) {
        case Stage::kAfterData: stage_ = Stage::kSizeLine; return;
        case Stage::kSizeLine: takeSizeLine(line); return;
        case Stage::kTrailer: takeTrailer(line); return;
        case Stage::kData:
        case Stage::kEnd: OCIPROXY_ASSERT(!"a line where none can be");
    }
}

void ChunkedDecoder::takeSizeLine(std::string_view line) {
    const std::size_t digits = digitsOf(line);
    if (digits == 0) return fail("chunk without a size");
    if (!areExtensions(line.substr(digits))) return fail("malformed chunk extension");
    extensionBytes_ += line.size() - digits;
    const std::uint64_t size = sizeOf(line.substr(0, digits));
    if (size > kMaxBody - announced_) return fail("chunked body is too long");
    announced_ += size;
    chunkLeft_ = size;
    stage_ = size > 0 ? Stage::kData : Stage::kTrailer;
}

void ChunkedDecoder::takeTrailer(std::string_view line) {
    if (line.empty()) {
        stage_ = Stage::kEnd;
        return;
    }
    const std::size_t colon = line.find(':');
    if (colon == kNone || !isToken(line.substr(0, colon))) {
        return fail("malformed trailer field");
    }
    trailerBytes_ += line.size() + 2;
    if (trailerBytes_ > limits_.trailers) fail("framing of a chunked body is too long");
}

void ChunkedDecoder::fail(std::string_view problem) noexcept { problem_ = problem; }

}  // namespace ociproxy
