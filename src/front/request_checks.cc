#include "front/request_checks.h"

#include <string>
#include <vector>

#include "front/request_target.h"
#include "ociproxy/base/text.h"
#include "ociproxy/front/message.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMaxLengthDigits = 18;  // never overflows 64 bits

std::optional<HeadRefusal> checkHost(Request* request, std::string_view authority) {
    const std::size_t count = request->headers.count("Host");
    if (count > 1) return HeadRefusal{400, "more than one Host field"};
    if (count == 0 && request->minorVersion > 0) return HeadRefusal{400, "no Host field"};
    const std::string* host = request->headers.find("Host");
    if (host && !isAuthority(*host)) return HeadRefusal{400, "invalid Host field"};
    if (!authority.empty()) request->headers.set("Host", authority);
    host = request->headers.find("Host");
    if (host) request->host = *host;
    return std::nullopt;
}

// Only the single coding "chunked" is understood. What could be framed in two ways is
// refused with 400, what is merely unknown with 501.
std::optional<HeadRefusal> checkTransferEncoding(Request* request) {
    if (!request->headers.has("Transfer-Encoding")) return std::nullopt;
    if (request->minorVersion == 0) return HeadRefusal{400, "Transfer-Encoding in HTTP/1.0"};
    if (request->headers.has("Content-Length")) {
        return HeadRefusal{400, "both Transfer-Encoding and Content-Length"};
    }
    const std::string field = request->headers.joined("Transfer-Encoding");
    std::size_t chunked = 0;
    std::size_t others = 0;
    bool lastIsChunked = false;
    for (std::string_view part : split(field, ',')) {
        const std::string_view coding = trim(part);
        if (!isToken(coding)) return HeadRefusal{400, "malformed Transfer-Encoding"};
        lastIsChunked = equalsIgnoreCase(coding, "chunked");
        ++(lastIsChunked ? chunked : others);
    }
    if (chunked > 1) return HeadRefusal{400, "chunked more than once"};
    if (chunked == 1 && !lastIsChunked) return HeadRefusal{400, "chunked is not the last coding"};
    if (others > 0) return HeadRefusal{501, "unknown transfer coding"};
    request->hasBody = true;
    return std::nullopt;
}

std::optional<HeadRefusal> checkContentLength(Request* request) {
    const std::size_t count = request->headers.count("Content-Length");
    if (count == 0) return std::nullopt;
    if (count > 1) return HeadRefusal{400, "more than one Content-Length field"};
    const std::string& text = *request->headers.find("Content-Length");
    const std::optional<std::uint64_t> length = parseUnsigned(text);
    if (!length || text.size() > kMaxLengthDigits) {
        return HeadRefusal{400, "invalid Content-Length"};
    }
    if (*length > 0) request->hasBody = true;
    return std::nullopt;
}

std::optional<HeadRefusal> checkExpect(const Request& request) {
    if (request.minorVersion == 0 || !request.headers.has("Expect")) return std::nullopt;
    // The final reply is all that a client which waits for 100 needs: bodies are not read.
    if (equalsIgnoreCase(request.headers.joined("Expect"), "100-continue")) return std::nullopt;
    return HeadRefusal{417, "unknown expectation"};
}

// An element that is not a token ends the connection after the reply: whoever sent it
// may mean something else than we do.
bool wantsKeepAlive(const Request& request) {
    bool close = false;
    bool keep = request.minorVersion > 0;
    const std::string field = request.headers.joined("Connection");
    for (std::string_view part : split(field, ',')) {
        const std::string_view option = trim(part);
        if (option.empty()) continue;
        if (equalsIgnoreCase(option, "close") || !isToken(option)) close = true;
        if (equalsIgnoreCase(option, "keep-alive")) keep = true;
    }
    return keep && !close;
}

}  // namespace

std::optional<HeadRefusal> checkRequest(Request* request, std::string_view authority) {
    if (std::optional<HeadRefusal> refusal = checkHost(request, authority)) return refusal;
    if (std::optional<HeadRefusal> refusal = checkTransferEncoding(request)) return refusal;
    if (std::optional<HeadRefusal> refusal = checkContentLength(request)) return refusal;
    if (std::optional<HeadRefusal> refusal = checkExpect(*request)) return refusal;
    request->keepAlive = wantsKeepAlive(*request);
    return std::nullopt;
}

}  // namespace ociproxy
