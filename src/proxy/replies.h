// Replies of the proxy: headers that every one has, content, errors.
#ifndef OCIPROXY_SRC_PROXY_REPLIES_H
#define OCIPROXY_SRC_PROXY_REPLIES_H

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/front/message.h"
#include "ociproxy/registry/range.h"
#include "ociproxy/registry/route.h"
#include "ociproxy/store/store.h"
#include "proxy/cache_status.h"
#include "proxy/content_facts.h"
#include "proxy/findings.h"
#include "proxy/target.h"

namespace ociproxy {

Reply pingReply();
// An error of the OCI format.
Reply errorReplyOf(int status, ErrorCode code, std::string_view message);
Reply refusalReply(const Refusal& refusal, const CacheStatus& status);
Reply routeErrorReply(const RouteError& error);
// 405 with Allow.
Reply methodNotAllowed(std::string_view method);

// The ranges that a GET asks for, applied to a body of known length.
struct Selection {
    enum class Kind : std::uint8_t {
        kWhole,
        kParts,    // `ranges`: at least one, in the order asked for, neither merged nor sorted
        kNone,     // no byte of them exists
        kTooMany,  // more than kMaxRanges
    };
    Kind kind = Kind::kWhole;
    std::vector<ByteRange> ranges;
};
// Other units, malformed fields and an If-Range that does not match select the whole body
// (RFC 9110 14.2 lets a server ignore Range). So do several ranges that together have more
// bytes than the body: they overlap, and only to make us send more than there is. Clients
// that fetch a layer in chunks (c/image, stargz) ask for disjoint ranges.
Selection selectRanges(const Request& request, const Digest& digest, std::uint64_t length);
// The one well-formed range that a GET asks for; nullopt also for several. Without a digest
// there is nothing that If-Range could match.
std::optional<RangeSpec> onlyRange(const Request& request, const Digest& digest);
std::optional<RangeSpec> onlyRange(const Request& request);

// All but errors obey If-Match (412) and If-None-Match (304), in this order, for GET and
// HEAD and before Range. If-Modified-Since and If-Unmodified-Since are ignored, as for all
// that has no date of modification (RFC 9110 13.1.3, 13.1.4).

// Committed content: 200, 206, 304, 400, 412 or 416.
Reply storedReply(const Request& request, const ContentFacts& facts, const StoredContent& content,
                  const CacheStatus& status);
// Content known by its size only: the reply to a HEAD.
Reply headReply(const Request& request, const ContentFacts& facts, std::uint64_t size,
                const CacheStatus& status);
// A body that still grows; `length` nullopt: not known yet (no ranges then). Several ranges
// get the whole body unless `severalParts`: then each as the body comes to it.
Reply followReply(const Request& request, const ContentFacts& facts,
                  std::shared_ptr<GrowingBody> body, std::optional<std::uint64_t> length,
                  bool severalParts, const CacheStatus& status);

// The pieces of these.
Reply contentReply(const ContentFacts& facts, const CacheStatus& status);
void describe(const CacheStatus& status, Reply* reply);
// The reply of a request whose preconditions say not to send the content (RFC 9110 13.2.2).
std::optional<Reply> preconditionReply(const Request& request, const ContentFacts& facts,
                                       const CacheStatus& status);
Reply unsatisfiable(const std::string& digest, std::uint64_t length, const CacheStatus& status);

// Headers of every reply, added last.
void addCommonHeaders(const std::string& nsAsReceived, Reply* reply);

}  // namespace ociproxy

#endif
