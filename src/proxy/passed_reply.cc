#include "proxy/passed_reply.h"

#include "ociproxy/base/text.h"
#include "proxy/cache_status.h"
#include "proxy/replies.h"

namespace ociproxy {

namespace {

constexpr const char* kNoType = "application/octet-stream";

Body bodyOf(const Passed& passed) {
    if (passed.stream) return StreamBody{passed.stream, passed.length};
    return BytesBody{passed.bytes};
}

Reply foreignReply(const Passed& passed, const CacheStatus& status) {
    Reply reply;
    reply.headers.set("Content-Type", passed.mediaType.empty() ? kNoType : passed.mediaType);
    reply.headers.set("Cache-Control", "no-cache");
    describe(status, &reply);
    return reply;
}

ContentFacts factsOf(const Target& target, const Passed& passed) {
    ContentFacts facts{*passed.digest, kNoType};
    facts.blob = target.kind() == ContentKind::kBlob;
    facts.byTag = !target.reference->isDigest();
    if (!facts.blob) facts.mediaType = passed.mediaType;
    return facts;
}

void markPart(const Passed& passed, Reply* reply) {
    const std::uint64_t last = *passed.partAt + *passed.length - 1;
    reply->status = 206;
    reply->headers.set("Content-Range",
                       cat("bytes ", *passed.partAt, '-', last, '/',
                           passed.total ? std::to_string(*passed.total) : std::string("*")));
}

}  // namespace

Reply passedReply(const Request& request, const Target& target, const Findings& findings) {
    const Passed& passed = *findings.passed;
    const CacheStatus status = cachePassed(findings);
    if (passed.partAt && passed.length == std::uint64_t{0}) {
        return unsatisfiable(passed.digest ? passed.digest->text() : std::string(),
                             passed.total.value_or(*passed.partAt), status);
    }
    Reply reply;
    if (passed.digest) {
        const ContentFacts facts = factsOf(target, passed);
        if (std::optional<Reply> conditional = preconditionReply(request, facts, status)) {
            return *std::move(conditional);
        }
        reply = contentReply(facts, status);
    } else {
        reply = foreignReply(passed, status);
    }
    if (passed.partAt) markPart(passed, &reply);
    reply.upstreamStatus = findings.upstreamStatus;
    if (request.method == Method::kHead) {
        reply.headLength = passed.length;
    } else {
        reply.body = bodyOf(passed);
    }
    return reply;
}

}  // namespace ociproxy
