// Headers of the PROXY protocol.
#include "front/proxy_header.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"

namespace ociproxy::fuzz {
namespace {

using Status = ProxyHeaderParser::Status;

// What a header came to. A plain value.
struct Outcome {
    Status status = Status::kIncomplete;
    std::size_t consumed = 0;
    std::optional<ProxiedClient> client;
};

// In pieces of `step` bytes.
Outcome parse(std::string_view bytes, std::size_t step) {
    ProxyHeaderParser parser;
    Outcome out;
    std::size_t size = 0;
    do {
        size = std::min(size + step, bytes.size());
        out.status = parser.advance(bytes.substr(0, size));
    } while (out.status == Status::kIncomplete && size < bytes.size());
    if (out.status != Status::kComplete) return out;
    out.consumed = parser.consumed();
    out.client = parser.client();
    return out;
}

bool sameClient(const std::optional<ProxiedClient>& a, const std::optional<ProxiedClient>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return a->address == b->address && a->port == b->port;
}

void checkSame(const Outcome& a, const Outcome& b) {
    FUZZ_CHECK(a.status == b.status && a.consumed == b.consumed);
    FUZZ_CHECK(sameClient(a.client, b.client));
}

std::string lineOf(const ProxiedClient& client) {
    const char* peer = client.address.isV4() ? "127.0.0.1" : "::1";
    return cat("PROXY TCP", client.address.isV4() ? '4' : '6', ' ', client.address.text(), ' ',
               peer, ' ', unsigned{client.port}, " 443\r\n");
}

}  // namespace

FUZZ_TARGET(proxy_header) {
    const Outcome whole = parse(input, input.size() + 1);
    checkSame(whole, parse(input, 1));
    checkSame(whole, parse(input, 3));
    // A header is never longer than what may be held of one that is unfinished.
    if (input.size() > ProxyHeaderParser::kLongestHeader) {
        FUZZ_CHECK(whole.status != Status::kIncomplete);
    }
    if (whole.status != Status::kComplete) return;
    FUZZ_CHECK(whole.consumed > 0 && whole.consumed <= input.size());
    FUZZ_CHECK(whole.consumed <= ProxyHeaderParser::kLongestHeader);
    // Nothing behind it is looked at.
    checkSame(whole, parse(input.substr(0, whole.consumed), SIZE_MAX));
    if (!whole.client) return;
    const std::string line = lineOf(*whole.client);
    FUZZ_CHECK(line.size() <= ProxyHeaderParser::kLongestLine);
    const Outcome again = parse(line, SIZE_MAX);
    FUZZ_CHECK(again.status == Status::kComplete && sameClient(again.client, whole.client));
}

}  // namespace ociproxy::fuzz
