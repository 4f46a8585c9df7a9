#include "front/canned.h"

#include <string>

#include "front/reply_head.h"
#include "front/transport.h"

namespace ociproxy {

void sendCanned(Transport& transport, const Reply& reply) {
    HeadOptions head;
    head.framing = frameReply(reply, Method::kGet, 1).value_or(Framing{});
    head.keepAlive = false;
    head.wallSeconds = wallSeconds();
    std::string text = serializeHead(reply, head).text;
    if (const BytesBody* body = std::get_if<BytesBody>(&reply.body)) text += body->bytes;
    (void)!transport.send(text.data(), text.size(), false);
}

}  // namespace ociproxy
