#include "proxy/replies.h"

#include <algorithm>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/error_body.h"

namespace ociproxy {

namespace {

void describe(const CacheStatus& status, Reply* reply) {
    reply->headers.set("Cache-Status", status.header);
    reply->cacheResult = status.word;
}

const char* cacheControl(const ContentFacts& facts) {
    if (facts.byTag) return "no-cache";
    return facts.isPublic ? "public, max-age=31536000, immutable"
                          : "private, max-age=31536000, immutable";
}

void addContentHeaders(const ContentFacts& facts, Reply* reply) {
    const std::string digest = facts.digest.text();
    reply->headers.set("Content-Type", facts.mediaType);
    reply->headers.set("Docker-Content-Digest", digest);
    reply->headers.set("ETag", cat("\"", digest, "\""));
    reply->headers.set("Cache-Control", cacheControl(facts));
    if (facts.blob) reply->headers.set("Accept-Ranges", "bytes");
    if (facts.byTag) reply->headers.set("Vary", "Accept");
    if (facts.fetchedAt > 0) {
        reply->headers.set("Age", cat(std::max<std::int64_t>(0, wallSeconds() - facts.fetchedAt)));
    }
}

Reply contentReply(const ContentFacts& facts, const CacheStatus& status) {
    Reply reply;
    addContentHeaders(facts, &reply);
    describe(status, &reply);
    return reply;
}

bool notModified(const Request& request, const Digest& digest) {
    return request.headers.has("If-None-Match") &&
           matchesIfNoneMatch(request.headers.joined("If-None-Match"), digest.text());
}

Reply unsatisfiable(const ContentFacts& facts, std::uint64_t length, const CacheStatus& status) {
    Reply reply = errorReplyOf(416, ErrorCode::kRangeInvalid, "no byte of the range exists");
    reply.headers.set("Content-Range", unsatisfiedRange(length));
    reply.headers.set("Docker-Content-Digest", facts.digest.text());
    describe(status, &reply);
    return reply;
}

// The one range of a GET that is to be honoured.
std::optional<RangeSpec> singleRange(const Request& request, const Digest& digest) {
    const std::string* range = request.headers.find("Range");
    if (request.method != Method::kGet || !range || request.headers.count("Range") > 1) return {};
    if (const std::string* ifRange = request.headers.find("If-Range")) {
        if (!matchesIfRange(*ifRange, digest.text())) return {};
    }
    const std::optional<std::vector<RangeSpec>> specs = parseRange(*range);
    if (!specs || specs->size() != 1) return {};
    return specs->front();
}

void markPartial(const ByteRange& range, std::uint64_t length, Reply* reply) {
    reply->status = 206;
    reply->headers.set("Content-Range", contentRange(range, length));
}

}  // namespace

void addCommonHeaders(const std::string& nsAsReceived, Reply* reply) {
    reply->headers.set("Docker-Distribution-API-Version", "registry/2.0");
    reply->headers.set("Via", "1.1 ociproxy");
    reply->headers.set("X-Content-Type-Options", "nosniff");
    if (!reply->headers.has("Cache-Status")) describe(cacheLocal(), reply);
    if (!nsAsReceived.empty()) reply->headers.set("OCI-Namespace", nsAsReceived);
}

Reply pingReply() {
    Reply reply;
    reply.headers.set("Content-Type", "application/json");
    reply.body = BytesBody{"{}"};
    return reply;
}

Reply errorReplyOf(int status, ErrorCode code, std::string_view message) {
    Reply reply;
    reply.status = status;
    reply.headers.set("Content-Type", "application/json");
    reply.body = BytesBody{errorBody(code, message)};
    reply.cacheResult = "error";
    return reply;
}

Reply refusalReply(const Refusal& refusal, const CacheStatus& status) {
    Reply reply = errorReplyOf(refusal.status, refusal.code, refusal.message);
    if (refusal.retryAfter > 0) reply.headers.set("Retry-After", cat(refusal.retryAfter));
    reply.upstreamStatus = refusal.upstreamStatus;
    describe(status, &reply);
    return reply;
}

Reply routeErrorReply(const RouteError& error) {
    return errorReplyOf(error.status, error.code, error.message);
}

Reply methodNotAllowed(std::string_view method) {
    Reply reply = errorReplyOf(405, ErrorCode::kUnsupported,
                               cat("method ", logEscape(method), " is not served here"));
    reply.headers.set("Allow", "GET, HEAD");
    return reply;
}

bool asksForRange(const Request& request, const Digest& digest) {
    return singleRange(request, digest).has_value();
}

Selection selectRange(const Request& request, const Digest& digest, std::uint64_t length) {
    Selection selection;
    const std::optional<RangeSpec> spec = singleRange(request, digest);
    if (!spec) return selection;
    const std::optional<ByteRange> range = satisfy(*spec, length);
    selection.kind = range ? Selection::Kind::kPart : Selection::Kind::kNone;
    if (range) selection.range = *range;
    return selection;
}

Reply storedReply(const Request& request, const ContentFacts& facts, const StoredContent& content,
                  const CacheStatus& status) {
    Reply reply = contentReply(facts, status);
    if (notModified(request, facts.digest)) {
        reply.status = 304;
        return reply;
    }
    const std::uint64_t length = content.info.size;
    const Selection selection =
        facts.blob ? selectRange(request, facts.digest, length) : Selection{};
    if (selection.kind == Selection::Kind::kNone) return unsatisfiable(facts, length, status);
    ByteRange range{0, length - 1};
    if (selection.kind == Selection::Kind::kPart) {
        range = selection.range;
        markPartial(range, length, &reply);
    }
    FileBody body;
    body.file = content.file;
    if (length > 0) body.slices.push_back({std::string(), range.first, range.size()});
    reply.body = std::move(body);
    return reply;
}

Reply headReply(const ContentFacts& facts, std::uint64_t size, const CacheStatus& status) {
    Reply reply = contentReply(facts, status);
    reply.headLength = size;
    return reply;
}

Reply followReply(const Request& request, const ContentFacts& facts,
                  std::shared_ptr<GrowingBody> body, std::optional<std::uint64_t> length,
                  const CacheStatus& status) {
    Reply reply = contentReply(facts, status);
    FollowBody follow;
    follow.body = std::move(body);
    if (length) {
        const Selection selection = selectRange(request, facts.digest, *length);
        if (selection.kind == Selection::Kind::kNone) return unsatisfiable(facts, *length, status);
        follow.size = *length;
        if (selection.kind == Selection::Kind::kPart) {
            markPartial(selection.range, *length, &reply);
            describe(unverified(status), &reply);
            follow.offset = selection.range.first;
            follow.size = selection.range.size();
        }
    }
    reply.body = std::move(follow);
    return reply;
}

}  // namespace ociproxy
