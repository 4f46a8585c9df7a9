#ifndef OCIPROXY_SRC_FRONT_CHUNKED_DECODER_H
#define OCIPROXY_SRC_FRONT_CHUNKED_DECODER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ociproxy {

struct ChunkLimits {
    std::size_t extensions = 8 * 1024;  // bytes in all chunks of a body together
    std::size_t trailers = 8 * 1024;    // bytes of the trailer section, its last line included
};

// Reads the chunked body of a request, strictly (RFC 9112 7.1). What it makes of the bytes
// does not depend on the pieces in which they come. Lines end in CR LF only; a size has 1 to
// 16 hexadecimal digits, and the body is shorter than 2^63 bytes. Extensions must be well
// formed and are ignored; trailer fields likewise, for nothing that comes behind a body may
// change what its head said. Pure, not synchronized; a value per body.
class ChunkedDecoder {
public:
    enum class Status {
        kIncomplete,  // all of the input is consumed, and more is needed
        kData,        // `data` is the next part of the body
        kEnd,         // the body is complete; what was not consumed is the next request's
        kMalformed,   // final; see problem()
    };
    struct Step {
        Status status = Status::kIncomplete;
        std::size_t consumed = 0;  // bytes of the input, `data` included
        std::string_view data;     // of the input; not empty with kData, else empty
    };

    explicit ChunkedDecoder(const ChunkLimits& limits = {}) : limits_(limits) {}

    // REQUIRES: `input` begins behind what was consumed so far; neither kEnd nor
    // kMalformed was returned.
    Step advance(std::string_view input);

    // After kMalformed; a literal, nothing of the input.
    std::string_view problem() const noexcept { return problem_; }
    // Bytes of the body given so far.
    std::uint64_t decoded() const noexcept { return decoded_; }

private:
    // What comes next. A line is taken when its CR LF is there.
    enum class Stage { kSizeLine, kData, kAfterData, kTrailer, kEnd };

    Step takeData(std::string_view input, std::size_t consumed);
    void takeByte(char c);
    void checkLine();
    void takeLine(std::string_view line);
    void takeSizeLine(std::string_view line);
    void takeTrailer(std::string_view line);
    void fail(std::string_view problem) noexcept;

    ChunkLimits limits_;
    Stage stage_ = Stage::kSizeLine;
    bool carriageReturn_ = false;  // the last byte was one
    std::string line_;             // of a size or trailer line, without its end
    std::uint64_t chunkLeft_ = 0;
    std::uint64_t announced_ = 0;  // sum of the sizes
    std::uint64_t decoded_ = 0;
    std::size_t extensionBytes_ = 0;
    std::size_t trailerBytes_ = 0;
    std::string_view problem_;
};

}  // namespace ociproxy

#endif
