#include "proxy/replies.h"

#include <algorithm>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/error_body.h"

namespace ociproxy {

namespace {

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

Reply tooManyRanges(const CacheStatus& status) {
    Reply reply = errorReplyOf(400, ErrorCode::kRangeInvalid,
                               cat("more than ", kMaxRanges, " ranges"));
    describe(status, &reply);
    return reply;
}

// The ranges of a GET that are to be honoured; empty: none.
std::vector<RangeSpec> askedRanges(const Request& request, const Digest& digest) {
    const Headers& headers = request.headers;
    const std::string* range = headers.find("Range");
    if (request.method != Method::kGet || !range || headers.count("Range") > 1) return {};
    if (headers.has("If-Range") && !matchesIfRange(headers.joined("If-Range"), digest.text())) {
        return {};
    }
    return parseRange(*range).value_or(std::vector<RangeSpec>());
}

bool longerThan(std::uint64_t length, const std::vector<ByteRange>& ranges) {
    for (const ByteRange& range : ranges) {
        if (range.size() > length) return true;
        length -= range.size();
    }
    return false;
}

void markPartial(const ByteRange& range, std::uint64_t length, Reply* reply) {
    reply->status = 206;
    reply->headers.set("Content-Range", contentRange(range, length));
}

FileBody sliceOf(const StoredContent& content, const FileSlice& slice) {
    FileBody body;
    body.file = content.file;
    if (slice.size > 0) body.slices.push_back(slice);
    return body;
}

FileSlice sliceFor(const ByteRange& range) { return FileSlice{range.first, range.size()}; }

// Several as multipart/byteranges (RFC 9110 14.6): the head, and what stands between the
// parts, the same for a FileBody and a FollowBody.
template <class AnyBody>
void frameParts(std::uint64_t length, AnyBody* body, Reply* reply) {
    const std::string boundary = randomHex(16);
    const std::string begin = cat("\r\n--", boundary, "\r\nContent-Type: ",
                                  *reply->headers.find("Content-Type"), "\r\nContent-Range: ");
    body->prefix = [begin, length](const FileSlice& slice) {
        const ByteRange range{slice.offset, slice.offset + slice.size - 1};
        return cat(begin, contentRange(range, length), "\r\n\r\n");
    };
    body->suffix = cat("\r\n--", boundary, "--\r\n");
    reply->status = 206;
    reply->headers.set("Content-Type", cat("multipart/byteranges; boundary=", boundary));
}

std::vector<FileSlice> slicesOf(const std::vector<ByteRange>& ranges) {
    std::vector<FileSlice> slices;
    slices.reserve(ranges.size());
    for (const ByteRange& range : ranges) slices.push_back(sliceFor(range));
    return slices;
}

void sendParts(const std::vector<ByteRange>& ranges, const StoredContent& content, Reply* reply) {
    FileBody body;
    body.file = content.file;
    body.slices = slicesOf(ranges);
    frameParts(content.info.size, &body, reply);
    reply->body = std::move(body);
}

// The parts of a body that still grows.
void followParts(const std::vector<ByteRange>& ranges, std::uint64_t length, FollowBody* follow,
                 Reply* reply) {
    if (ranges.size() > 1) {
        follow->parts = slicesOf(ranges);
        frameParts(length, follow, reply);
        return;
    }
    markPartial(ranges.front(), length, reply);
    follow->offset = ranges.front().first;
    follow->size = ranges.front().size();
}

}  // namespace

void describe(const CacheStatus& status, Reply* reply) {
    reply->headers.set("Cache-Status", status.header);
    reply->cacheResult = status.word;
}

Reply contentReply(const ContentFacts& facts, const CacheStatus& status) {
    Reply reply;
    addContentHeaders(facts, &reply);
    describe(status, &reply);
    return reply;
}

std::optional<Reply> preconditionReply(const Request& request, const ContentFacts& facts,
                                       const CacheStatus& status) {
    const Headers& headers = request.headers;
    const std::string digest = facts.digest.text();
    if (headers.has("If-Match") && !matchesIfMatch(headers.joined("If-Match"), digest)) {
        Reply reply = errorReplyOf(412, codeForStatus(412), "the content has another digest");
        reply.headers.set("Docker-Content-Digest", digest);
        reply.headers.set("ETag", cat("\"", digest, "\""));
        describe(status, &reply);
        return reply;
    }
    if (!headers.has("If-None-Match")) return {};
    if (!matchesIfNoneMatch(headers.joined("If-None-Match"), digest)) return {};
    Reply reply = contentReply(facts, status);
    reply.status = 304;
    return reply;
}

Reply unsatisfiable(const std::string& digest, std::uint64_t length, const CacheStatus& status) {
    Reply reply = errorReplyOf(416, ErrorCode::kRangeInvalid, "no byte of the range exists");
    reply.headers.set("Content-Range", unsatisfiedRange(length));
    if (!digest.empty()) reply.headers.set("Docker-Content-Digest", digest);
    describe(status, &reply);
    return reply;
}

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

std::optional<RangeSpec> onlyRange(const Request& request, const Digest& digest) {
    const std::vector<RangeSpec> specs = askedRanges(request, digest);
    if (specs.size() != 1) return {};
    return specs.front();
}

std::optional<RangeSpec> onlyRange(const Request& request) {
    const std::string* const range = request.headers.find("Range");
    if (request.method != Method::kGet || !range || request.headers.count("Range") > 1 ||
        request.headers.has("If-Range")) {
        return {};
    }
    const std::optional<std::vector<RangeSpec>> specs = parseRange(*range);
    if (!specs || specs->size() != 1) return {};
    return specs->front();
}

Selection selectRanges(const Request& request, const Digest& digest, std::uint64_t length) {
    const std::vector<RangeSpec> specs = askedRanges(request, digest);
    if (specs.empty()) return {};
    if (specs.size() > kMaxRanges) return Selection{Selection::Kind::kTooMany, {}};
    Selection selection{Selection::Kind::kParts, {}};
    for (const RangeSpec& spec : specs) {
        const std::optional<ByteRange> range = satisfy(spec, length);
        if (range) selection.ranges.push_back(*range);
    }
    if (selection.ranges.empty()) selection.kind = Selection::Kind::kNone;
    if (longerThan(length, selection.ranges)) return {};
    return selection;
}

Reply storedReply(const Request& request, const ContentFacts& facts, const StoredContent& content,
                  const CacheStatus& status) {
    std::optional<Reply> conditional = preconditionReply(request, facts, status);
    if (conditional) return *std::move(conditional);
    const std::uint64_t length = content.info.size;
    const Selection selection =
        facts.blob ? selectRanges(request, facts.digest, length) : Selection{};
    if (selection.kind == Selection::Kind::kTooMany) return tooManyRanges(status);
    if (selection.kind == Selection::Kind::kNone) {
        return unsatisfiable(facts.digest.text(), length, status);
    }
    Reply reply = contentReply(facts, status);
    if (selection.ranges.size() > 1) {
        sendParts(selection.ranges, content, &reply);
    } else if (selection.kind == Selection::Kind::kParts) {
        markPartial(selection.ranges.front(), length, &reply);
        reply.body = sliceOf(content, sliceFor(selection.ranges.front()));
    } else {
        reply.body = sliceOf(content, FileSlice{0, length});
    }
    return reply;
}

Reply headReply(const Request& request, const ContentFacts& facts, std::uint64_t size,
                const CacheStatus& status) {
    std::optional<Reply> conditional = preconditionReply(request, facts, status);
    Reply reply = conditional ? *std::move(conditional) : contentReply(facts, status);
    if (reply.status < 400) reply.headLength = size;
    return reply;
}

Reply followReply(const Request& request, const ContentFacts& facts,
                  std::shared_ptr<GrowingBody> body, std::optional<std::uint64_t> length,
                  bool severalParts, const CacheStatus& status) {
    std::optional<Reply> conditional = preconditionReply(request, facts, status);
    if (conditional) return *std::move(conditional);
    const std::size_t asked = askedRanges(request, facts.digest).size();
    if (asked > kMaxRanges) return tooManyRanges(status);
    Selection selection;
    if (length && (asked == 1 || severalParts)) {
        selection = selectRanges(request, facts.digest, *length);
    }
    if (selection.kind == Selection::Kind::kNone) {
        return unsatisfiable(facts.digest.text(), *length, status);
    }
    Reply reply = contentReply(facts, status);
    FollowBody follow;
    follow.body = std::move(body);
    follow.size = length;
    if (selection.kind == Selection::Kind::kParts) {
        describe(unverified(status), &reply);
        followParts(selection.ranges, *length, &follow, &reply);
    }
    reply.body = std::move(follow);
    return reply;
}

}  // namespace ociproxy
