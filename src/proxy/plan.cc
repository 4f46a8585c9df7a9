#include "proxy/plan.h"

#include <algorithm>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "proxy/claim_keys.h"
#include "proxy/failure_map.h"
#include "proxy/passed_reply.h"
#include "proxy/planner_inquiry.h"
#include "proxy/read_verifier.h"

namespace ociproxy {

namespace {

// How long a wait lasts at most before the state is looked at again: a worker that
// hangs rings no bell.
constexpr Millis kLookAgain{5'000};
// More works than any request needs: what they leave behind does not stay (a disk that
// loses what it was given), and asking the upstream again would not help.
constexpr unsigned kMaxWorks = 12;
// A verified file is renamed within a moment.
constexpr Millis kCommitMoment{100};

bool running(const ClaimView& view) {
    return view.state == ClaimState::kRunning || view.state == ClaimState::kVerified;
}

bool runningUnderOwner(const std::optional<ClaimView>& view) {
    return view && running(*view) && view->ownerResponsive;
}

bool awaitedEnd(const Findings& findings, const ClaimKey& key, const ClaimView& view,
                ClaimState state) {
    return findings.awaited && findings.awaited->key == key &&
           findings.awaited->generation == view.generation && view.state == state;
}

// Whether the wall time `then` is at most `limit` seconds ago. One in the future counts as
// now, but not when it is further away than that: what a clock stamped that was years ahead
// would hold for years.
bool isWithin(std::int64_t limit, std::int64_t then) {
    const std::int64_t present = wallSeconds();
    return then >= present - limit && then <= present + limit;
}

Step refuse(const Findings& findings, const Refusal& refusal) {
    return refusalReply(refusal, cacheError(refusal, findings));
}

Refusal tooLate(const Target& target) {
    Refusal refusal;
    refusal.status = 504;
    refusal.message = cat("upstream ", target.where.upstream, " did not answer in time");
    return refusal;
}

Refusal authenticationFailed(const Target& target) {
    ClaimFailure failure = failureOf(FillFailure::kStatus);
    failure.status = 401;
    return refusalFor(failure, target);
}

ContentFacts factsOf(const Target& target, const Digest& digest, bool byTag,
                     const ContentInfo* info) {
    ContentFacts facts{digest, "application/octet-stream"};
    facts.blob = target.kind() == ContentKind::kBlob;
    facts.byTag = byTag;
    if (!info) return facts;
    if (!facts.blob) facts.mediaType = *info->manifestType;
    facts.isPublic = info->isPublic;
    facts.fetchedAt = info->fetchedAt;
    return facts;
}

}  // namespace

void promoteTag(Store* store, const RepositoryKey& where, const std::string& tag,
                const Digest& next) {
    std::optional<TagEntry> entry = store->tag(where, tag);
    if (!entry || !entry->next || *entry->next != next) return;
    entry->digest = next;
    entry->next.reset();
    store->putTag(where, tag, *entry);
}

Step Planner::plan(const Request& request, const Target& target, Findings* findings) const {
    const Inquiry inquiry{request, target, *findings};
    if (findings->refusal) return refuse(*findings, *findings->refusal);
    if (findings->passed) return passedReply(request, target, *findings);
    return withinDeadline(inquiry, next(inquiry));
}

Step Planner::next(const Inquiry& inquiry) const {
    const Reference& reference = *inquiry.target.reference;
    if (reference.isForeign()) {
        return passThrough(inquiry, std::nullopt, PassReason::kUnknownAlgorithm);
    }
    return reference.isDigest() ? planContent(inquiry, reference.digest(), false)
                                : planTag(inquiry);
}

Step Planner::withinDeadline(const Inquiry& inquiry, Step step) const {
    if (std::holds_alternative<Reply>(step) || now() < inquiry.findings.deadline) return step;
    const Wait* waiting = std::get_if<Wait>(&step);
    if (waiting && waiting->seen.started) {
        inquiry.findings.outlastsDeadline = true;  // and may take that fill over if it must
        return step;
    }
    if (inquiry.findings.outlastsDeadline) return step;
    return refuse(inquiry.findings, tooLate(inquiry.target));
}

// ---- tags ----

Step Planner::planTag(const Inquiry& inquiry) const {
    const Target& target = inquiry.target;
    Findings& findings = inquiry.findings;
    const std::optional<TagEntry> entry = tagEntry(inquiry);
    // Whoever waited takes any check that was made since it came: under steady load there
    // is always a next one running.
    const bool waited = findings.awaited && findings.awaited->key == tagKey(target);
    if (waited && entry && entry->checkedAt >= findings.beganWall &&
        entry->checkedAt <= wallSeconds()) {  // not by a clock that was ahead, whenever that was
        findings.tagChecked = true;
    }
    if (!findings.tagChecked) return checkTag(inquiry);
    if (!entry) {
        return refuse(inquiry.findings, refusalFor(failureOf(FillFailure::kStore), target));
    }
    const Digest wanted = entry->next.value_or(entry->digest);
    if (!entry->next && !inquiry.findings.head) {
        inquiry.findings.head = HeadFacts{entry->size, entry->mediaType};
    }
    Step step = planContent(inquiry, wanted, true);
    const Reply* reply = std::get_if<Reply>(&step);
    if (entry->next && reply && reply->status < 400 && !reply->headLength) {
        promote(inquiry, wanted);
    }
    return step;
}

Step Planner::checkTag(const Inquiry& inquiry) const {
    const ClaimKey key = tagKey(inquiry.target);
    const std::optional<ClaimView> view = options_.claims->find(key, options_.self);
    if (runningUnderOwner(view)) return wait(inquiry, key, *view, inquiry.findings.deadline);
    if (view && awaitedEnd(inquiry.findings, key, *view, ClaimState::kFailed)) {
        if (std::optional<Refusal> shared = sharedFailure(inquiry, *view)) {
            return refuse(inquiry.findings, *shared);
        }
    }
    return work(inquiry, WorkKind::kCheckTag, std::nullopt);
}

// ---- content by digest ----

Step Planner::planContent(const Inquiry& inquiry, const Digest& digest, bool byTag) const {
    const std::optional<StoredContent> content = open(inquiry, digest);
    if (content) {
        if (!mayServe(inquiry, digest, content->info)) return confirm(inquiry, digest);
        std::optional<Step> step = stored(inquiry, digest, byTag, *content);
        if (step) return *std::move(step);
    }
    if (inquiry.request.method == Method::kHead) return planHead(inquiry, digest, byTag);
    return planMiss(inquiry, digest, byTag);
}

std::optional<Step> Planner::stored(const Inquiry& inquiry, const Digest& digest, bool byTag,
                                    const StoredContent& content) const {
    const ContentFacts facts = factsOf(inquiry.target, digest, byTag, &content.info);
    const CacheStatus status = cacheServed(inquiry.findings);
    Reply reply = storedReply(inquiry.request, facts, content, status);
    reply.upstreamStatus = inquiry.findings.upstreamStatus;
    bool remember = true;
    if (options_.verifier && !vouch(inquiry, digest, content, &reply, &remember)) {
        inquiry.findings.damaged = true;
        return std::nullopt;
    }
    if (!byTag && remember && status.word == cacheHit().word) {
        inquiry.findings.hit = HitFacts{facts, content, std::nullopt};
        if (!facts.isPublic) inquiry.findings.hit->linkedUntil = inquiry.findings.linkedUntil;
    }
    return std::optional<Step>(std::in_place, std::move(reply));
}

// Has what is about to be sent hashed again where that is to be. False: it is damaged.
bool Planner::vouch(const Inquiry& inquiry, const Digest& digest, const StoredContent& content,
                    Reply* reply, bool* remember) const {
    ReadVerifier& verifier = *options_.verifier;
    if (inquiry.request.method == Method::kGet && std::holds_alternative<FileBody>(reply->body)) {
        switch (verifier.judge(digest, inquiry.target.kind(), content)) {
        case ReadVerifier::Verdict::kDamaged: return false;
        case ReadVerifier::Verdict::kPending: verifier.follow(digest, content, reply); break;
        case ReadVerifier::Verdict::kTrusted: break;
        }
    }
    *remember = verifier.mayRemember(content);
    return true;
}

bool Planner::linked(const Inquiry& inquiry, const Digest& digest) const {
    if (inquiry.findings.confirmed) return true;
    const std::optional<Link> link = linkOf(inquiry, digest);
    if (!link) return false;
    if (isWithin(options_.linkTtl, link->confirmedAt)) {
        inquiry.findings.linkedUntil = link->confirmedAt + options_.linkTtl;
        return true;
    }
    return inquiry.findings.unconfirmed && isWithin(options_.staleMax, link->confirmedAt);
}

bool Planner::mayServe(const Inquiry& inquiry, const Digest& digest,
                       const ContentInfo& info) const {
    return info.isPublic || linked(inquiry, digest);
}

Step Planner::confirm(const Inquiry& inquiry, const Digest& digest) const {
    const Findings& findings = inquiry.findings;
    if (findings.unconfirmed) return refuse(findings, *findings.unconfirmed);
    const ClaimKey key = linkKey(inquiry.target, digest);
    const std::optional<ClaimView> view = options_.claims->find(key, options_.self);
    if (runningUnderOwner(view)) return wait(inquiry, key, *view, findings.deadline);
    if (view && awaitedEnd(findings, key, *view, ClaimState::kFailed)) {
        if (std::optional<Refusal> shared = sharedFailure(inquiry, *view)) {
            if (!couldNotAsk(view->failure)) return refuse(findings, *shared);
            inquiry.findings.unconfirmed = shared;
            return next(inquiry);
        }
    }
    return work(inquiry, WorkKind::kConfirm, digest);
}

// HEAD of what is not stored: the upstream's HEAD answers it, unless it does not say enough.
Step Planner::planHead(const Inquiry& inquiry, const Digest& digest, bool byTag) const {
    const Findings& findings = inquiry.findings;
    const bool blob = inquiry.target.kind() == ContentKind::kBlob;
    if (findings.head) {
        ContentFacts facts = factsOf(inquiry.target, digest, byTag, nullptr);
        if (!blob) facts.mediaType = findings.head->mediaType;
        Reply reply = headReply(inquiry.request, facts, findings.head->size, cacheHead(findings));
        reply.upstreamStatus = findings.upstreamStatus;
        return reply;
    }
    if (findings.confirmed || byTag) return planMiss(inquiry, digest, byTag);
    if (blob) {
        const ClaimKey key = linkKey(inquiry.target, digest);
        const std::optional<ClaimView> view = options_.claims->find(key);
        if (view && awaitedEnd(findings, key, *view, ClaimState::kCommitted)) {
            inquiry.findings.head = HeadFacts{view->total, std::string()};
            return planHead(inquiry, digest, byTag);
        }
    }
    return confirm(inquiry, digest);
}

// ---- fills ----

Step Planner::planMiss(const Inquiry& inquiry, const Digest& digest, bool byTag) const {
    if (inquiry.findings.passReason) {
        return passThrough(inquiry, digest, *inquiry.findings.passReason);
    }
    const ClaimKey key = fillKey(inquiry.target, digest);
    const std::optional<ClaimView> view = options_.claims->find(key, options_.self);
    if (runningUnderOwner(view)) return runningFill(inquiry, digest, byTag, *view);
    if (view && view->state == ClaimState::kFailed) {
        if (const std::optional<PassReason> reason = passReasonOf(view->failure)) {
            return passThrough(inquiry, digest, *reason);
        }
        if (std::optional<Refusal> shared = sharedFailure(inquiry, *view)) {
            return refuse(inquiry.findings, *shared);
        }
    }
    // What is damaged and cannot be moved out of the way would be found again and again.
    if (view && view->state == ClaimState::kCommitted && !inquiry.findings.damaged &&
        open(inquiry, digest)) {
        return planContent(inquiry, digest, byTag);  // committed between the two looks
    }
    const bool blob = inquiry.target.kind() == ContentKind::kBlob;
    return work(inquiry, blob ? WorkKind::kFillBlob : WorkKind::kFetchManifest, digest);
}

Step Planner::runningFill(const Inquiry& inquiry, const Digest& digest, bool byTag,
                          const ClaimView& view) const {
    if (isFarAhead(inquiry, digest, view)) {
        return passThrough(inquiry, digest, PassReason::kFarRange);
    }
    // An adopted file was begun for somebody else: the new owner's upstream may yet say no.
    const bool foreign = view.adopted && view.started;
    const bool mine = view.requester == inquiry.target.requester && !foreign;
    if (!mine && !linked(inquiry, digest)) return confirm(inquiry, digest);
    if (!inquiry.findings.startedFill) inquiry.findings.collapsed = true;
    if (std::shared_ptr<GrowingBody> body = streamNow(inquiry, digest, view)) {
        std::optional<std::uint64_t> length;
        if (view.total != kUnknownLength) length = view.total;
        Reply reply = followReply(inquiry.request,
                                  factsOf(inquiry.target, digest, byTag, nullptr),
                                  std::move(body), length, options_.unverifiedRanges,
                                  cacheServed(inquiry.findings));
        reply.upstreamStatus = inquiry.findings.upstreamStatus;
        return reply;
    }
    if (inquiry.findings.passReason) {
        return passThrough(inquiry, digest, *inquiry.findings.passReason);
    }
    return wait(inquiry, fillKey(inquiry.target, digest), view, waitUntil(inquiry, view));
}

bool Planner::mayStream(const Inquiry& inquiry, const Digest& digest,
                        const ClaimView& view) const {
    if (inquiry.target.kind() != ContentKind::kBlob || !view.started) return false;
    if (inquiry.request.method != Method::kGet) return false;
    const bool known = view.total != kUnknownLength;
    if (!known && inquiry.request.minorVersion == 0) return false;
    if (onlyRange(inquiry.request, digest) && (!known || !options_.unverifiedRanges)) {
        return false;
    }
    if (view.state == ClaimState::kVerified) return true;
    return (known ? view.total : view.bytes) > kHoldBack;
}

std::shared_ptr<GrowingBody> Planner::streamNow(const Inquiry& inquiry, const Digest& digest,
                                                const ClaimView& view) const {
    const Findings& findings = inquiry.findings;
    const bool due = findings.startedFill ||
                     (options_.followAfter && now() >= findings.began + *options_.followAfter);
    if (!due || !mayStream(inquiry, digest, view)) return nullptr;
    try {
        return options_.followers->follow(inquiry.target, digest, view);
    } catch (const SysError& e) {
        trouble("temporary file of a fill", e);
        inquiry.findings.passReason = PassReason::kStoreTrouble;
        return nullptr;
    }
}

TimePoint Planner::waitUntil(const Inquiry& inquiry, const ClaimView& view) const {
    const TimePoint present = now();
    if (view.state == ClaimState::kVerified) return present + kCommitMoment;
    TimePoint until = present + kLookAgain;
    if (!view.started) until = std::min(until, inquiry.findings.deadline);
    if (!inquiry.findings.startedFill && options_.followAfter) {
        const TimePoint follow = inquiry.findings.began + *options_.followAfter;
        if (follow > present) until = std::min(until, follow);
    }
    return until;
}

// ---- steps ----

std::optional<Step> Planner::tokenFirst(const Inquiry& inquiry, WorkKind behind) const {
    const Target& target = inquiry.target;
    Findings& findings = inquiry.findings;
    if (!options_.client->needsToken(*target.upstream, target.where.repository)) return {};
    const ClaimKey key = tokenKey(target);
    const std::optional<ClaimView> view = options_.claims->find(key, options_.self);
    if (runningUnderOwner(view)) return wait(inquiry, key, *view, findings.deadline);
    const bool failed = view && view->state == ClaimState::kFailed;
    if (failed && (sharedFailure(inquiry, *view) || findings.tokenRounds >= 2)) {
        return tokenFailed(inquiry, behind, *view);
    }
    if (findings.tokenRounds >= 2 || findings.unauthorized >= 2) {
        return refuse(findings, authenticationFailed(target));
    }
    WorkOrder order;
    order.kind = WorkKind::kFetchToken;
    return Step{order};
}

// No token to be had. A link that is to be confirmed holds for a while without one, if
// the token server could not be asked either.
Step Planner::tokenFailed(const Inquiry& inquiry, WorkKind behind, const ClaimView& view) const {
    const Refusal refusal = refusalFor(view.failure, inquiry.target);
    if (behind != WorkKind::kConfirm || !couldNotAsk(view.failure)) {
        return refuse(inquiry.findings, refusal);
    }
    inquiry.findings.unconfirmed = refusal;
    return next(inquiry);
}

Step Planner::work(const Inquiry& inquiry, WorkKind kind, std::optional<Digest> digest) const {
    if (inquiry.findings.unauthorized >= 2) {
        return refuse(inquiry.findings, authenticationFailed(inquiry.target));
    }
    if (std::optional<Step> token = tokenFirst(inquiry, kind)) return *std::move(token);
    if (++inquiry.findings.works > kMaxWorks) {
        return refuse(inquiry.findings, refusalFor(failureOf(FillFailure::kStore), inquiry.target));
    }
    WorkOrder order;
    order.kind = kind;
    order.digest = std::move(digest);
    order.lastAuthentication =
        inquiry.findings.tokenRounds > 0 || inquiry.findings.unauthorized > 0;
    return order;
}

Step Planner::wait(const Inquiry& inquiry, const ClaimKey& key, const ClaimView& view,
                   TimePoint until) const {
    inquiry.findings.awaited = Awaited{key, view.generation};
    return Wait{key, view, std::min(until, now() + kLookAgain)};
}

std::optional<Refusal> Planner::sharedFailure(const Inquiry& inquiry,
                                              const ClaimView& view) const {
    if (view.requester != inquiry.target.requester || passReasonOf(view.failure)) return {};
    const bool again = view.failure.retryable && view.attempt < ClaimTable::kMaxAttempts &&
                       !inquiry.findings.startedFill;
    if (again) return {};
    return refusalFor(view.failure, inquiry.target);
}

}  // namespace ociproxy
