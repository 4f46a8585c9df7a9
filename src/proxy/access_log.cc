#include "proxy/access_log.h"

#include <algorithm>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

// Of method and target in an object, escaped: together with the rest below 4,096 bytes.
constexpr std::size_t kLongestMethod = 64;
constexpr std::size_t kLongestTarget = 3'400;
constexpr std::size_t kLongestEscape = 6;  // \u001f

long long milliseconds(const Finished& finished) {
    return std::max<long long>(finished.duration.count() / 1000, 0);
}

// Milliseconds as seconds with three decimals.
std::string seconds(long long ms) {
    const std::string fraction = std::to_string(ms % 1000);
    return cat(ms / 1000, ".", std::string(3 - fraction.size(), '0'), fraction);
}

std::string requestLine(const Request* request) {
    if (!request) return "\"-\"";
    return cat("\"", logEscape(request->methodText), " ", logEscape(request->target), "\"");
}

std::string textLine(const Finished& finished) {
    return cat(logTime(), " ", finished.peer, " ", requestLine(finished.request), " ",
               finished.status, " ", finished.bodyBytes, " ", seconds(milliseconds(finished)), " ",
               finished.cacheResult.empty() ? std::string_view("-") : finished.cacheResult, " ",
               finished.upstreamStatus == 0 ? std::string("-")
                                            : std::to_string(finished.upstreamStatus),
               finished.complete ? "" : " cut");
}

std::string quoted(std::string_view text, std::size_t longest) {
    std::string escaped = jsonEscape(text);
    if (escaped.size() > longest) {
        escaped = jsonEscape(text.substr(0, longest / kLongestEscape)) + "...";
    }
    return cat('"', escaped, '"');
}

std::string orNull(bool known, const std::string& value) {
    return known ? value : "null";
}

std::string jsonLine(const Finished& finished) {
    const Request* request = finished.request;
    const std::string method = request ? quoted(request->methodText, kLongestMethod) : "null";
    const std::string target = request ? quoted(request->target, kLongestTarget) : "null";
    const std::string cache = cat('"', jsonEscape(finished.cacheResult), '"');
    return cat("{\"time\":\"", logTime(), "\",\"client\":\"", jsonEscape(finished.peer),
               "\",\"method\":", method, ",\"target\":", target, ",\"status\":",
               finished.status, ",\"bytes\":", finished.bodyBytes, ",\"duration_ms\":",
               milliseconds(finished), ",\"cache\":", orNull(!finished.cacheResult.empty(), cache),
               ",\"upstream_status\":",
               orNull(finished.upstreamStatus != 0, std::to_string(finished.upstreamStatus)),
               ",\"complete\":", finished.complete ? "true" : "false", "}");
}

}  // namespace

std::string accessLine(const Finished& finished, LogFormat format) {
    return format == LogFormat::kJson ? jsonLine(finished) : textLine(finished);
}

}  // namespace ociproxy
