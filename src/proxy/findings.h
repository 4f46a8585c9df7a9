#ifndef OCIPROXY_SRC_PROXY_FINDINGS_H
#define OCIPROXY_SRC_PROXY_FINDINGS_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/front/stream_source.h"
#include "ociproxy/registry/error_body.h"
#include "ociproxy/shm/claim_table.h"
#include "ociproxy/store/store.h"
#include "proxy/content_facts.h"
#include "proxy/pass_reason.h"

namespace ociproxy {

// An answer that is an error, before it is made a reply.
struct Refusal {
    int status = 502;
    ErrorCode code = ErrorCode::kUnavailable;
    std::string message;
    std::uint32_t retryAfter = 0;  // seconds; 0: no Retry-After
    int upstreamStatus = 0;
};

// What an upstream's HEAD said of content that is not stored.
struct HeadFacts {
    std::uint64_t size = 0;
    std::string mediaType;
};

// A claim that this request waits for, as it was when the wait began.
struct Awaited {
    ClaimKey key{};
    std::uint64_t generation = 0;
};

// What a plain hit was served from.
struct HitFacts {
    ContentFacts facts;
    StoredContent content;
    // Wall seconds until which the link holds that permits it; nullopt: it is public.
    std::optional<std::int64_t> linkedUntil;
};

// Content that came from the upstream past the store, for one request.
struct Passed {
    PassReason reason = PassReason::kStoreTrouble;
    std::optional<Digest> digest;  // nullopt: of an algorithm that we cannot compute
    std::string mediaType;         // as the upstream said; may be empty
    std::string bytes;             // all of it, or
    std::shared_ptr<StreamSource> stream;
    std::optional<std::uint64_t> length;  // of these
    // They are a part of content of `total` bytes (nullopt: not known), not verified.
    std::optional<std::uint64_t> partAt;
    std::optional<std::uint64_t> total;
};

// What the earlier works and waits of one request brought. The planner reads it,
// the driver and the works write it; one thread at a time.
struct Findings {
    TimePoint began;
    TimePoint deadline;  // for the first byte of the reply
    std::int64_t beganWall = 0;  // wall seconds of `began`
    bool outlastsDeadline = false;  // it has waited for a fill that had started

    std::optional<Refusal> refusal;    // final
    int upstreamStatus = 0;            // of the last answer, for the access log
    unsigned works = 0;                // upstream works that were ordered
    unsigned tokenRounds = 0;          // tokens asked for or waited for
    unsigned unauthorized = 0;         // 401 answers to works of this request
    bool startedFill = false;          // a work of this request owns the fill
    bool collapsed = false;            // it waited for somebody else's fill
    bool confirmed = false;            // it asked the upstream for a link
    std::optional<Refusal> unconfirmed;  // the upstream could not be asked: a stale link may do
    bool tagChecked = false;           // the tag entry is as fresh as this request
    bool fetchedManifest = false;      // its manifest came from upstream just now
    std::optional<HeadFacts> head;
    std::optional<Awaited> awaited;
    std::optional<std::int64_t> linkedUntil;  // wall seconds, of a link that was found
    std::optional<PassReason> passReason;     // what is not stored is to be passed through
    std::optional<Passed> passed;
    std::optional<TagEntry> tagEntry;         // of the check, where it could not be stored
    bool damaged = false;  // what was to be served was found damaged by who would remember it
    std::optional<HitFacts> hit;  // set with a reply that needed neither upstream nor wait
};

// What one work found, for all requests that joined it.
struct WorkResult {
    std::optional<Refusal> refusal;
    std::optional<Refusal> unconfirmed;
    int upstreamStatus = 0;
    bool unauthorized = false;
    bool tokenAsked = false;
    bool startedFill = false;
    bool confirmed = false;
    bool tagChecked = false;
    bool fetchedManifest = false;
    std::optional<HeadFacts> head;
    std::optional<PassReason> passReason;
    std::optional<Passed> passed;
    std::optional<TagEntry> tagEntry;
};

inline void apply(const WorkResult& result, bool first, Findings* findings) {
    if (result.refusal) findings->refusal = result.refusal;
    if (result.unconfirmed) findings->unconfirmed = result.unconfirmed;
    if (result.upstreamStatus != 0) findings->upstreamStatus = result.upstreamStatus;
    if (result.unauthorized) ++findings->unauthorized;
    if (result.tokenAsked) ++findings->tokenRounds;
    if (result.startedFill) (first ? findings->startedFill : findings->collapsed) = true;
    if (result.confirmed) findings->confirmed = true;
    if (result.tagChecked) findings->tagChecked = true;
    if (result.fetchedManifest) findings->fetchedManifest = true;
    if (result.head) findings->head = result.head;
    if (result.passReason) findings->passReason = result.passReason;
    if (result.passed) findings->passed = result.passed;
    if (result.tagEntry) findings->tagEntry = result.tagEntry;
}

}  // namespace ociproxy

#endif
