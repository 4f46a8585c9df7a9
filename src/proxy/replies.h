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

// The range that a GET asks for, applied to a body of known length.
struct Selection {
    enum class Kind : std::uint8_t { kWhole, kPart, kNone } kind = Kind::kWhole;
    ByteRange range;
};
// Several ranges, other units and malformed fields select the whole body (RFC 9110
// 14.2 lets a server ignore Range); If-Range is honoured.
Selection selectRange(const Request& request, const Digest& digest, std::uint64_t length);
// Whether a GET asks for one well-formed range at all.
bool asksForRange(const Request& request, const Digest& digest);

// Committed content: 200, 206, 304 or 416, for GET and HEAD.
Reply storedReply(const Request& request, const ContentFacts& facts, const StoredContent& content,
                  const CacheStatus& status);
// Content known by its size only: the reply to a HEAD.
Reply headReply(const ContentFacts& facts, std::uint64_t size, const CacheStatus& status);
// A body that still grows; `length` nullopt: not known yet (no ranges then).
Reply followReply(const Request& request, const ContentFacts& facts,
                  std::shared_ptr<GrowingBody> body, std::optional<std::uint64_t> length,
                  const CacheStatus& status);

// Headers of every reply, added last.
void addCommonHeaders(const std::string& nsAsReceived, Reply* reply);

}  // namespace ociproxy

#endif
