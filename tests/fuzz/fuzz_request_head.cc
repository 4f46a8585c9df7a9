// Request heads: the first byte chooses limits and how the rest is cut into pieces.
#include "front/request_parser.h"
#include "front/request_target.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"

namespace ociproxy::fuzz {
namespace {

using Status = RequestParser::Status;

// All that a head came to. A plain value.
struct Outcome {
    Status status = Status::kIncomplete;
    std::size_t consumed = 0;
    HeadRefusal refusal;
    Request request;
};

// Small ones, so that short inputs reach them, or those of the product.
ParserLimits limitsOf(unsigned choice) {
    ParserLimits limits;
    if ((choice & 1) == 0) return limits;
    limits.requestLine = 48;
    limits.head = 160;
    limits.fields = 4;
    limits.rangeField = 12;
    return limits;
}

// In pieces of `step` bytes.
Outcome parseInSteps(std::string_view bytes, const ParserLimits& limits, std::size_t step) {
    RequestParser parser(limits);
    Outcome out;
    std::size_t size = 0;
    do {
        size = std::min(size + step, bytes.size());
        out.status = parser.advance(bytes.substr(0, size));
    } while (out.status == Status::kIncomplete && size < bytes.size());
    if (out.status == Status::kRefused) out.refusal = parser.refusal();
    if (out.status != Status::kComplete) return out;
    out.consumed = parser.consumed();
    out.request = parser.takeRequest();
    return out;
}

void checkSameRequest(const Request& a, const Request& b) {
    FUZZ_CHECK(a.method == b.method && a.methodText == b.methodText);
    FUZZ_CHECK(a.target == b.target && a.host == b.host);
    FUZZ_CHECK(a.minorVersion == b.minorVersion);
    FUZZ_CHECK(a.hasBody == b.hasBody && a.keepAlive == b.keepAlive);
    FUZZ_CHECK(a.headers.fields().size() == b.headers.fields().size());
    for (std::size_t i = 0; i < a.headers.fields().size(); ++i) {
        FUZZ_CHECK(a.headers.fields()[i].name == b.headers.fields()[i].name);
        FUZZ_CHECK(a.headers.fields()[i].value == b.headers.fields()[i].value);
    }
}

void checkSame(const Outcome& a, const Outcome& b) {
    FUZZ_CHECK(a.status == b.status && a.consumed == b.consumed);
    if (a.status == Status::kRefused) {
        FUZZ_CHECK(a.refusal.status == b.refusal.status);
        FUZZ_CHECK(a.refusal.message == b.refusal.message);
    }
    if (a.status == Status::kComplete) checkSameRequest(a.request, b.request);
}

void checkRequest(const Request& request) {
    FUZZ_CHECK(isToken(request.methodText) && !request.target.empty());
    FUZZ_CHECK((request.method == Method::kGet) == (request.methodText == "GET"));
    FUZZ_CHECK((request.method == Method::kHead) == (request.methodText == "HEAD"));
    FUZZ_CHECK(request.target.front() == '/' || request.target == "*" ||
               request.methodText == "CONNECT");
    FUZZ_CHECK(isPrintable(request.target) && request.target.find(' ') == std::string::npos);
    FUZZ_CHECK(request.host.empty() ? request.minorVersion == 0 : isAuthority(request.host));
    FUZZ_CHECK(request.headers.count("Host") <= 1);
    for (const HeaderField& field : request.headers.fields()) {
        FUZZ_CHECK(isToken(field.name) && isFieldText(field.value));
        FUZZ_CHECK(trim(field.value) == field.value);
    }
}

// What decides where the message ends is there once or not at all.
void checkFraming(const Request& request) {
    const bool coded = request.headers.has("Transfer-Encoding");
    const std::size_t lengths = request.headers.count("Content-Length");
    FUZZ_CHECK(lengths <= 1 && !(coded && lengths > 0));
    FUZZ_CHECK(!coded || (request.hasBody && request.minorVersion > 0));
    FUZZ_CHECK(!request.hasBody || coded || lengths == 1);
    if (coded) FUZZ_CHECK(equalsIgnoreCase(request.headers.joined("Transfer-Encoding"), "chunked"));
}

std::string written(const Request& request) {
    std::string text = cat(request.methodText, " ", request.target, " HTTP/1.",
                           request.minorVersion, "\r\n");
    for (const HeaderField& field : request.headers.fields()) {
        text += cat(field.name, ": ", field.value, "\r\n");
    }
    return text + "\r\n";
}

ParserLimits endless() {
    ParserLimits limits;
    limits.requestLine = limits.head = limits.fields = limits.rangeField = SIZE_MAX / 2;
    return limits;
}

}  // namespace

FUZZ_TARGET(request_head) {
    const unsigned choice = takeByte(&input);
    const ParserLimits limits = limitsOf(choice);
    const Outcome whole = parseInSteps(input, limits, input.size() + 1);
    checkSame(whole, parseInSteps(input, limits, 1));
    checkSame(whole, parseInSteps(input, limits, 2 + choice / 2));
    if (whole.status == Status::kRefused) {
        FUZZ_CHECK(whole.refusal.status >= 400 && whole.refusal.status <= 505);
        FUZZ_CHECK(!whole.refusal.message.empty());
    }
    if (whole.status != Status::kComplete) return;
    FUZZ_CHECK(whole.consumed <= input.size());
    FUZZ_CHECK(endsWith(input.substr(0, whole.consumed), "\r\n\r\n"));
    checkRequest(whole.request);
    checkFraming(whole.request);
    const Outcome again = parseInSteps(written(whole.request), endless(), SIZE_MAX / 2);
    FUZZ_CHECK(again.status == Status::kComplete);
    checkSameRequest(whole.request, again.request);
}

}  // namespace ociproxy::fuzz
