// Chunked bodies of requests: the first byte chooses limits and pieces.
#include "front/chunked_decoder.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"

namespace ociproxy::fuzz {
namespace {

using Status = ChunkedDecoder::Status;

// What came of a body. A plain value.
struct Outcome {
    Status status = Status::kIncomplete;
    std::string body;
    std::size_t consumed = 0;
    std::string problem;
};

ChunkLimits limitsOf(unsigned choice) {
    ChunkLimits limits;
    if ((choice & 1) != 0) limits.extensions = limits.trailers = 24;
    return limits;
}

// In pieces of `step` bytes.
Outcome decode(std::string_view input, const ChunkLimits& limits, std::size_t step) {
    ChunkedDecoder decoder(limits);
    Outcome out;
    while (out.consumed < input.size()) {
        const ChunkedDecoder::Step done = decoder.advance(input.substr(out.consumed, step));
        FUZZ_CHECK(done.consumed > 0 && done.data.size() <= done.consumed);
        FUZZ_CHECK(done.data.empty() == (done.status != Status::kData));
        out.consumed += done.consumed;
        out.body += done.data;
        out.status = done.status == Status::kData ? Status::kIncomplete : done.status;
        if (out.status != Status::kIncomplete) break;
    }
    FUZZ_CHECK(decoder.decoded() == out.body.size());
    FUZZ_CHECK(decoder.problem().empty() == (out.status != Status::kMalformed));
    out.problem = std::string(decoder.problem());
    return out;
}

void checkSame(const Outcome& a, const Outcome& b) {
    FUZZ_CHECK(a.status == b.status && a.body == b.body);
    FUZZ_CHECK(a.consumed == b.consumed && a.problem == b.problem);
}

std::string hexadecimal(std::size_t size) {
    std::string digits;
    for (; size > 0; size /= 16) digits.insert(digits.begin(), "0123456789abcdef"[size % 16]);
    return digits;
}

std::string written(const std::string& body) {
    if (body.empty()) return "0\r\n\r\n";
    return cat(hexadecimal(body.size()), "\r\n", body, "\r\n0\r\n\r\n");
}

}  // namespace

FUZZ_TARGET(chunked_body) {
    const unsigned choice = takeByte(&input);
    const ChunkLimits limits = limitsOf(choice);
    const Outcome whole = decode(input, limits, input.size() + 1);
    checkSame(whole, decode(input, limits, 1));
    checkSame(whole, decode(input, limits, 2 + choice / 2));
    if (whole.status != Status::kEnd) return;
    const std::string again = written(whole.body);
    const Outcome same = decode(cat(again, "rest"), limits, SIZE_MAX);
    FUZZ_CHECK(same.status == Status::kEnd && same.body == whole.body);
    FUZZ_CHECK(same.consumed == again.size());
}

}  // namespace ociproxy::fuzz
