// Heads of replies: a byte with options, then lines "name:value". Whatever a handler puts
// into a field, a strict reader gets the head that was meant and nothing behind it.
#include "front/reply_head.h"
#include "fuzz/targets.h"
#include "ociproxy/base/text.h"
#include "support/string_source.h"
#include "upstream/strict_response.h"

namespace ociproxy::fuzz {
namespace {

constexpr int kStatuses[] = {200, 206, 304, 404, 416, 502, 599, 204};

Reply replyOf(unsigned options, std::string_view lines) {
    Reply reply;
    reply.status = kStatuses[options & 7];
    while (!lines.empty() && reply.headers.fields().size() < 100) {
        // Line feeds end lines here: 0x01 stands for them.
        std::string line(takeLine(&lines));
        for (char& c : line) {
            if (c == '\x01') c = '\n';
        }
        const std::size_t colon = std::min(line.find(':'), line.size());
        reply.headers.add(line.substr(0, colon),
                          std::string_view(line).substr(std::min(colon + 1, line.size())));
    }
    if ((options & 8) != 0) reply.body = BytesBody{"bytes"};
    return reply;
}

std::size_t sentFields(const Reply& reply) {
    std::size_t sent = 0;
    for (const HeaderField& field : reply.headers.fields()) {
        if (isToken(field.name) && isPrintable(field.value)) ++sent;
    }
    return sent;
}

}  // namespace

FUZZ_TARGET(reply_head) {
    const unsigned choice = takeByte(&input);
    const Reply reply = replyOf(choice, input);
    HeadOptions options;
    options.minorVersion = (choice & 16) != 0 ? 0 : 1;
    options.keepAlive = (choice & 32) != 0;
    const Method method = (choice & 64) != 0 ? Method::kHead : Method::kGet;
    options.framing = *frameReply(reply, method, options.minorVersion);
    const ReplyHead head = serializeHead(reply, options);
    FUZZ_CHECK(head.dropped == reply.headers.fields().size() - sentFields(reply));
    if (head.text.size() > kMaxResponseHead) return;

    StringSource source(head.text);
    const ResponseHead seen = readResponseHead(source);
    FUZZ_CHECK(source.rest().empty());
    FUZZ_CHECK(seen.status == reply.status && !seen.chunked);
    FUZZ_CHECK(seen.close == !options.keepAlive);
    FUZZ_CHECK(seen.contentLength.has_value() ==
               (options.framing.kind == Framing::Kind::kLength));
    if (seen.contentLength) FUZZ_CHECK(*seen.contentLength == options.framing.length);
    FUZZ_CHECK(seen.all("Date").size() == 1 && seen.all("Content-Length").size() <= 1);
}

}  // namespace ociproxy::fuzz
