#include "proxy/access_log.h"

#include "ociproxy/base/clock.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

// Milliseconds as seconds with three decimals.
std::string seconds(Millis duration) {
    const long long ms = duration.count() < 0 ? 0 : duration.count();
    const std::string fraction = std::to_string(ms % 1000);
    return cat(ms / 1000, ".", std::string(3 - fraction.size(), '0'), fraction);
}

std::string requestLine(const Request* request) {
    if (!request) return "\"-\"";
    return cat("\"", logEscape(request->methodText), " ", logEscape(request->target), "\"");
}

}  // namespace

std::string accessLine(const Finished& finished) {
    return cat(logTime(), " ", finished.peer, " ", requestLine(finished.request), " ",
               finished.status, " ", finished.bodyBytes, " ", seconds(finished.duration), " ",
               finished.cacheResult.empty() ? std::string_view("-") : finished.cacheResult, " ",
               finished.upstreamStatus == 0 ? std::string("-")
                                            : std::to_string(finished.upstreamStatus),
               finished.complete ? "" : " cut");
}

}  // namespace ociproxy
