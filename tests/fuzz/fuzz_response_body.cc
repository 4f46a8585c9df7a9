// Bodies of upstreams: the first byte chooses what the head said.
#include "fuzz/targets.h"
#include "ociproxy/upstream/failure.h"
#include "support/string_source.h"
#include "upstream/body_reader.h"
#include "upstream/strict_response.h"

namespace ociproxy::fuzz {
namespace {

// What came of reading a body. A plain value.
struct Outcome {
    std::string body;
    std::string rest;
    bool complete = false;
};

Outcome readAll(std::string_view text, const BodyFraming& framing, std::size_t atOnce) {
    StringSource source(std::string(text), atOnce);
    BodyReader reader(&source, framing);
    Outcome out;
    char buffer[64];
    try {
        for (std::size_t got = 1; got > 0;) {
            got = reader.read(buffer, std::min(atOnce, sizeof buffer));
            out.body.append(buffer, got);
        }
        out.complete = reader.complete();
        FUZZ_CHECK(out.complete);
    } catch (const UpstreamError& e) {
        const bool known = e.failure() == UpstreamFailure::kProtocol ||
                           e.failure() == UpstreamFailure::kIncomplete;
        FUZZ_CHECK(known && !reader.complete());
    }
    out.rest = source.rest();
    return out;
}

ResponseHead headOf(unsigned choice) {
    static constexpr int kStatuses[] = {200, 206, 404, 204, 304, 100, 200, 200};
    ResponseHead head;
    head.status = kStatuses[choice >> 5];
    head.chunked = (choice & 1) == 0;
    if (!head.chunked && (choice & 2) == 0) head.contentLength = (choice >> 2) & 7;
    return head;
}

}  // namespace

FUZZ_TARGET(response_body) {
    const ResponseHead head = headOf(takeByte(&input));
    FUZZ_CHECK(BodyFraming::of(head, true).kind == BodyFraming::Kind::kNone);
    const BodyFraming framing = BodyFraming::of(head, false);
    if (framing.kind == BodyFraming::Kind::kUnknown) return;
    const Outcome quick = readAll(input, framing, 64);
    const Outcome slow = readAll(input, framing, 1);
    FUZZ_CHECK(quick.complete == slow.complete && quick.body == slow.body);
    if (!quick.complete) return;
    FUZZ_CHECK(quick.rest == slow.rest);
    if (framing.kind != BodyFraming::Kind::kChunked) FUZZ_CHECK(quick.body.size() == framing.length);
}

}  // namespace ociproxy::fuzz
