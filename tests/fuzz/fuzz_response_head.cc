// Response heads of upstreams.
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"
#include "support/string_source.h"
#include "upstream/strict_response.h"

namespace ociproxy::fuzz {
namespace {

std::optional<ResponseHead> parse(std::string_view text) {
    StringSource source{std::string(text)};
    try {
        return readResponseHead(source);
    } catch (const UpstreamError& e) {
        const bool known = e.failure() == UpstreamFailure::kProtocol ||
                           e.failure() == UpstreamFailure::kConnectionTerminated;
        FUZZ_CHECK(known && isPrintable(e.what()));
        return std::nullopt;
    }
}

std::string written(const ResponseHead& head) {
    std::string text = cat("HTTP/1.1 ", head.status, " x\r\n");
    for (const ResponseHead::Field& field : head.fields) {
        text += cat(field.name, ":", field.value, "\r\n");
    }
    return text + "\r\n";
}

void checkHead(const ResponseHead& head) {
    FUZZ_CHECK(head.status >= 100 && head.status <= 599);
    FUZZ_CHECK(!(head.chunked && head.contentLength));
    FUZZ_CHECK(head.fields.size() <= kMaxResponseFields);
    for (const ResponseHead::Field& field : head.fields) {
        FUZZ_CHECK(isToken(field.name) && isFieldText(field.value));
        FUZZ_CHECK(trim(field.value) == field.value);
        FUZZ_CHECK(head.field(field.name) != nullptr);
    }
}

void checkSameFields(const ResponseHead& a, const ResponseHead& b) {
    FUZZ_CHECK(a.fields.size() == b.fields.size());
    for (std::size_t i = 0; i < a.fields.size(); ++i) {
        FUZZ_CHECK(a.fields[i].name == b.fields[i].name);
        FUZZ_CHECK(a.fields[i].value == b.fields[i].value);
    }
}

}  // namespace

FUZZ_TARGET(response_head) {
    const std::optional<ResponseHead> head = parse(input);
    if (!head) return;
    checkHead(*head);
    const std::optional<ResponseHead> again = parse(written(*head));
    FUZZ_CHECK(again && again->status == head->status);
    checkSameFields(*head, *again);
}

}  // namespace ociproxy::fuzz
