// Replies from the cache: a byte with options, then lines with the size of the blob and with
// the fields of the request. What is announced is what is sent, and no more than there is.
#include "front/reply_head.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"
#include "proxy/replies.h"

namespace ociproxy::fuzz {
namespace {

const Digest& digest() {
    static const Digest known = digestOf(DigestAlgorithm::kSha256, "content");
    return known;
}

Request requestOf(bool head, std::string_view lines) {
    Request request;
    request.method = head ? Method::kHead : Method::kGet;
    while (!lines.empty() && request.headers.fields().size() < 128) {
        const std::string_view line = takeLine(&lines);
        const std::size_t colon = std::min(line.find(':'), line.size());
        request.headers.add(line.substr(0, colon),
                            trim(line.substr(std::min(colon + 1, line.size()))));
    }
    return request;
}

StoredContent contentOf(std::uint64_t size) {
    StoredContent content;
    content.file = std::make_shared<const Fd>();
    content.info.size = size;
    return content;
}

void checkSlices(const FileBody& body, std::uint64_t size) {
    FUZZ_CHECK(body.slices.size() <= kMaxRanges);
    std::uint64_t left = size;
    for (const FileSlice& slice : body.slices) {
        FUZZ_CHECK(slice.size > 0 && slice.offset < size && slice.size <= size - slice.offset);
        FUZZ_CHECK(slice.size <= left);  // all of them together are no more than the blob
        left -= slice.size;
        if (!body.prefix) continue;
        const std::string part = body.prefix(slice);
        FUZZ_CHECK(startsWith(part, "\r\n--") && endsWith(part, "\r\n\r\n"));
        const std::string field = "Content-Range: ";
        const std::size_t at = part.find(field);
        FUZZ_CHECK(at != std::string::npos);
        const std::string value = part.substr(at + field.size(), part.size() - at - field.size() - 4);
        const std::optional<ContentRange> said = parseContentRange(value);
        FUZZ_CHECK(said && said->length == size && said->range.first == slice.offset);
        FUZZ_CHECK(said->range.size() == slice.size);
    }
}

void checkPartial(const Reply& reply, const FileBody& body) {
    const bool several = static_cast<bool>(body.prefix);
    FUZZ_CHECK(several == (body.slices.size() > 1));
    FUZZ_CHECK(reply.headers.has("Content-Range") == !several);
    if (several) return;
    const std::optional<ContentRange> said =
        parseContentRange(*reply.headers.find("Content-Range"));
    FUZZ_CHECK(said && said->range.first == body.slices.at(0).offset);
    FUZZ_CHECK(said->range.size() == body.slices.at(0).size);
}

}  // namespace

FUZZ_TARGET(stored_reply) {
    const unsigned choice = takeByte(&input);
    const bool head = (choice & 1) != 0;
    const std::uint64_t size = parseUnsigned(takeLine(&input)).value_or(1000) >> 1;
    const Request request = requestOf(head, input);
    ContentFacts facts{digest(), "application/octet-stream"};
    facts.blob = (choice & 2) == 0;
    const Reply reply = storedReply(request, facts, contentOf(size), cacheHit());

    const int status = reply.status;
    FUZZ_CHECK(status == 200 || status == 206 || status == 304 || status == 400 ||
               status == 412 || status == 416);
    FUZZ_CHECK(status != 206 || (!head && facts.blob && request.headers.has("Range")));
    FUZZ_CHECK(status != 304 || request.headers.has("If-None-Match"));
    const std::optional<Framing> framing = frameReply(reply, request.method, 1);
    FUZZ_CHECK(framing.has_value() && framing->kind != Framing::Kind::kChunked);
    if (status == 200) FUZZ_CHECK(framing->length == size);
    const FileBody* body = std::get_if<FileBody>(&reply.body);
    FUZZ_CHECK(status == 206 ? body != nullptr : true);
    if (body == nullptr) return;
    FUZZ_CHECK(status == 200 || status == 206);
    checkSlices(*body, size);
    if (status == 206) checkPartial(reply, *body);
}

}  // namespace ociproxy::fuzz
