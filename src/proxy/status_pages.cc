#include "ociproxy/proxy/status_pages.h"

#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "proxy/exposition.h"
#include "proxy/metrics_page.h"

namespace ociproxy {

namespace {

Reply textReply(int status, std::string text) {
    Reply reply;
    reply.status = status;
    reply.headers.set("Content-Type", "text/plain; charset=utf-8");
    reply.headers.set("Cache-Control", "no-store");
    reply.body = BytesBody{std::move(text)};
    return reply;
}

// Monitors may add a query; it means nothing here.
std::string_view pathOf(const Request& request) {
    const std::string_view target = request.target;
    return target.substr(0, target.find('?'));
}

}  // namespace

void StatusPages::handle(std::shared_ptr<Exchange> exchange) noexcept {
    try {
        exchange->reply(replyTo(exchange->request()));
    } catch (const std::exception&) {
        exchange->reply(errorReply(500, "internal error"));
    }
}

Reply StatusPages::replyTo(const Request& request) {
    if (request.method == Method::kOther) {
        Reply reply = errorReply(405, "only GET and HEAD are served here");
        reply.headers.set("Allow", "GET, HEAD");
        return reply;
    }
    if (request.hasBody) return errorReply(400, "a request with a body is not served");
    const std::string_view path = pathOf(request);
    if (path == "/healthz") return textReply(200, "ok\n");
    if (path == "/readyz") return readiness();
    if (path != "/metrics") return errorReply(404, "there are /metrics, /healthz and /readyz");
    Reply reply = textReply(200, metricsText(*options_.shared, options_.version));
    reply.headers.set("Content-Type", Exposition::kContentType);
    return reply;
}

Reply StatusPages::readiness() {
    std::string trouble;
    if (options_.shared->workers().acceptingCount() == 0) {
        trouble += "no worker accepts connections\n";
    }
    if (options_.shared->counters().get(Gauge::kStoreWritable) == 0) {
        trouble += "the cache cannot be written to; see the log\n";
    }
    return trouble.empty() ? textReply(200, "ready\n") : textReply(503, trouble);
}

Reply StatusPages::errorReply(int status, std::string_view message) noexcept {
    return textReply(status, cat(message, "\n"));
}

}  // namespace ociproxy
