#include "integration/fake_answer.h"

#include <algorithm>
#include <cstdio>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr std::uint64_t kPiece = 64 * 1024;

std::string headText(const FakeAnswer& answer, const Behaviour& behaviour) {
    std::string text = cat("HTTP/1.1 ", answer.status, " Status\r\n", answer.fields.text());
    if (behaviour.chunked) return cat(text, "Transfer-Encoding: chunked\r\n\r\n");
    const std::int64_t length = static_cast<std::int64_t>(answer.size) + behaviour.lengthError;
    return cat(text, "Content-Length: ", length, "\r\n\r\n");
}

std::string piece(const FakeAnswer& answer, const Behaviour& behaviour, std::uint64_t offset,
                  std::uint64_t size) {
    std::string bytes = answer.bytes->substr(answer.first + offset, size);
    const std::uint64_t begin = answer.first + offset;
    if (behaviour.flipAt && *behaviour.flipAt >= begin && *behaviour.flipAt < begin + size) {
        char& spoiled = bytes[*behaviour.flipAt - begin];
        spoiled = static_cast<char>(spoiled ^ 1);
    }
    if (!behaviour.chunked) return bytes;
    char line[24];
    std::snprintf(line, sizeof line, "%zx\r\n", bytes.size());
    return cat(line, bytes, "\r\n");
}

// Where the next piece must end: at the gate, at the cut, or with the body.
std::uint64_t nextStop(const FakeAnswer& answer, const Behaviour& behaviour, std::uint64_t sent) {
    std::uint64_t stop = std::min(answer.size, sent + kPiece);
    if (behaviour.inBody && behaviour.gateAt > sent) stop = std::min(stop, behaviour.gateAt);
    if (behaviour.cutAfter) stop = std::min(stop, *behaviour.cutAfter);
    return stop;
}

bool cut(const Behaviour& behaviour, Wire* wire) {
    if (behaviour.resetOnCut) wire->abort();
    return false;
}

bool sendBody(const FakeAnswer& answer, const Behaviour& behaviour, Wire* wire) {
    std::uint64_t sent = 0;
    for (;;) {
        if (behaviour.inBody && sent == behaviour.gateAt) behaviour.inBody->pass();
        if (behaviour.cutAfter && sent == *behaviour.cutAfter) return cut(behaviour, wire);
        if (sent == answer.size) break;
        const std::uint64_t stop = nextStop(answer, behaviour, sent);
        if (!wire->send(piece(answer, behaviour, sent, stop - sent))) return false;
        sent = stop;
    }
    if (behaviour.chunked) return behaviour.lastChunk && wire->send("0\r\n\r\n");
    return behaviour.lengthError == 0;
}

// "bytes=a-b" or "bytes=a-" within a content of `length` bytes.
bool parsePart(const std::string& range, std::uint64_t length, std::uint64_t* first,
               std::uint64_t* last) {
    unsigned long long from = 0;
    unsigned long long to = 0;
    const int fields = std::sscanf(range.c_str(), "bytes=%llu-%llu", &from, &to);
    if (fields < 1 || from >= length) return false;
    *first = from;
    *last = fields == 2 ? std::min<std::uint64_t>(to, length - 1) : length - 1;
    return *first <= *last;
}

}  // namespace

void FakeAnswer::setText(const std::string& text) {
    bytes = std::make_shared<const std::string>(text);
    first = 0;
    size = text.size();
}

void FakeAnswer::setContent(std::shared_ptr<const std::string> content,
                            const Behaviour& behaviour, const std::string& range) {
    const std::uint64_t length = content->size();
    bytes = std::move(content);
    first = 0;
    size = length;
    std::uint64_t last = 0;
    if (!behaviour.ranges || range.empty()) return;
    if (!parsePart(range, length, &first, &last)) {
        first = 0;
        return;
    }
    status = 206;
    size = last - first + 1;
    const std::uint64_t shift = behaviour.wrongContentRange && first > 0 ? 1 : 0;
    fields.add("Content-Range",
               cat("bytes ", first - shift, "-", last - shift, "/", length));
}

bool sendAnswer(const FakeAnswer& answer, const Behaviour& behaviour, bool headOnly,
                Wire* wire) {
    if (!wire->send(headText(answer, behaviour))) return false;
    if (headOnly || answer.status == 304 || answer.status == 204) return true;
    return sendBody(answer, behaviour, wire);
}

}  // namespace ociproxy::itest
