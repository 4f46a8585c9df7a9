#ifndef OCIPROXY_UPSTREAM_CLIENT_H
#define OCIPROXY_UPSTREAM_CLIENT_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/upstream/failure.h"
#include "ociproxy/upstream/resolver.h"
#include "ociproxy/upstream/settings.h"

namespace ociproxy {

class Counters;
class Log;
class TokenBoard;
class UpstreamStats;

enum class UpstreamMethod : std::uint8_t { kGet, kHead };

// One exchange with an upstream.
struct UpstreamRequest {
    UpstreamPtr upstream;
    UpstreamMethod method = UpstreamMethod::kGet;
    std::string target;      // "/v2/library/alpine/blobs/sha256:..." with query if any
    std::string repository;  // as the upstream knows it: the scope of the token
    std::string accept;      // empty: none is sent
    // GET bytes from `rangeFirst` (to `rangeLast`, included).
    std::optional<std::uint64_t> rangeFirst;
    std::optional<std::uint64_t> rangeLast;
    // With a range: a strong entity tag. If the content has another one now, all of it is
    // sent instead of the range (RFC 9110 13.1.5). Empty: none.
    std::string ifRange;
    TimePoint firstByteDeadline;  // for everything up to the final response's head
};

// The final response, after redirects. Owns its connection; one thread. Destroying
// it before the body has ended closes the connection, after the end it is kept for
// the next request.
class UpstreamResponse {
public:
    virtual ~UpstreamResponse() = default;
    virtual int status() const noexcept = 0;
    // First value of a header field, or nullptr. Raw: neither decoded nor trusted.
    virtual const std::string* header(std::string_view name) const noexcept = 0;
    // Length of the body to come; nullopt when chunked. For HEAD: what Content-Length says.
    virtual std::optional<std::uint64_t> contentLength() const noexcept = 0;
    // Reads up to `size` bytes, at least one; 0 means that the body is complete as
    // announced. Throws UpstreamError: kIncomplete, kResponseTimeout (silence, or slower
    // than the minimum rate), kProtocol, kConnectionTerminated.
    virtual std::size_t read(char* buffer, std::size_t size) = 0;
    // The rest of a body of at most `limit` bytes. Throws UpstreamError kBodyTooLarge.
    virtual std::string readAll(std::size_t limit) = 0;

    // Every hop was at an address of the public internet.
    virtual bool fromPublicAddress() const noexcept = 0;
    // The request that was answered carried a token.
    virtual bool tokenSent() const noexcept = 0;
};

// Speaks HTTP/1.1 to upstreams, with or without TLS. The TLS contexts are Poco's; the
// sockets and the reading of responses are our own: Poco's client sessions wait per
// system call, so that a peer that sends one byte at a time outlasts every deadline,
// and they connect again by themselves, past the address guard. Responses are read
// strictly: no RFC 2047, duplicate or conflicting framing refused, a body must announce
// its length or be chunked (one of an error that does neither counts as empty), head at
// most 64 KiB and 128 fields, 1xx skipped up to 10. SIGPIPE must be ignored.
//
// For every hop: the name is resolved once, every address passes the address guard,
// connecting tries them in order (5 s each), the connected peer is checked again.
// Certificates are verified strictly, TLS 1.2 at least. Redirects (301, 302, 303,
// 307, 308) are followed up to 10 hops, target bytes exactly as received; once the
// origin changes no Authorization is sent any more, not even when a later hop leads
// back. Idle connections are reused; a reused one that turns out dead is replaced
// once. `Accept-Encoding: identity` always; a response with another Content-Encoding
// is kept raw (its digest decides).
//
// Tokens come from the shared board and are attached to requests to the upstream's
// own origin. A 401 is a response, not an error: its challenge is remembered for
// fetchToken(), and a token that was refused leaves the board while it is that one.
//
// All methods may be called from any thread and block that thread.
class UpstreamClient {
public:
    struct Options {
        Log* log = nullptr;
        TokenBoard* tokens = nullptr;
        Counters* counters = nullptr;
        UpstreamStats* stats = nullptr;  // nullptr: none are kept
        Resolver* resolver = nullptr;
        std::string userAgent;   // "ociproxy/<version>"
        std::string instanceId;  // random, same in all workers: recognizes loops in Via
        Millis connectTimeout{5'000};
        Millis idleTimeout{60'000};
        // Bodies that come more slowly on average are cut; 0: none is. A single pause as
        // long as the window is not, for that there is the idle time-out.
        std::uint64_t minRate = 1024;  // bytes per second
        Millis rateWindow{30'000};
        std::size_t maxIdlePerOrigin = 8;
        // What counts as an address of the public internet for fromPublicAddress(); where
        // we may connect to is the address guard's own judgement.
        std::function<bool(const IpAddress&)> isPublic = isPublicAddress;
    };

    explicit UpstreamClient(const Options& options);
    ~UpstreamClient();
    UpstreamClient(const UpstreamClient&) = delete;
    UpstreamClient& operator=(const UpstreamClient&) = delete;

    // Sends the request and returns the final response, whatever its status. The
    // upstream's origins are tried in order while connecting fails. Throws UpstreamError.
    std::unique_ptr<UpstreamResponse> send(const UpstreamRequest& request);

    // Whether requests for this repository need a token that the board does not
    // have: a bearer challenge of this upstream is remembered. Never blocks.
    bool needsToken(const Upstream& upstream, const std::string& repository);

    // What a 401 taught us.
    enum class Challenged : std::uint8_t {
        kNothing,    // no challenge is known
        kBearer,     // fetchToken() may help
        kUnusable,   // Basic without credentials, an unknown scheme, no realm
    };
    Challenged challenge(const Upstream& upstream);

    // Asks the realm of the remembered challenge for an anonymous pull token for
    // `repository` and puts it on the board. The realm must pass the guard: https
    // unless the upstream is http and the realm is on the same host.
    // Throws UpstreamError: kTokenDenied, kTokenUnavailable and those of a hop.
    void fetchToken(const Upstream& upstream, const std::string& repository, TimePoint deadline);

    // The board's key of that token, for claims.
    static std::string tokenName(const Upstream& upstream, const std::string& repository);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
