// The planner: local state and findings in, the next step out (src/proxy/plan.h).
#include "proxy/plan.h"

#include <cstdint>
#include <limits>

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/claim_keys.h"
#include "proxy/failure_map.h"
#include "support/proxy_fixture.h"
#include "support/scripted_server.h"

namespace ociproxy {
namespace {

class FixedBody : public GrowingBody {
public:
    int descriptor() const noexcept override { return -1; }
    Snapshot now() noexcept override { return {}; }
    void setWake(std::function<void()>) override {}
};

class CountingFollowers : public FollowerSource {
public:
    std::shared_ptr<GrowingBody> follow(const Target&, const Digest&, const ClaimView&) override {
        ++asked;
        return gone ? nullptr : std::make_shared<FixedBody>();
    }
    int asked = 0;
    bool gone = false;
};

class PlanTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PlanTest);
    CPPUNIT_TEST(linkedContentIsServed);
    CPPUNIT_TEST(publicContentIsServedAnywhere);
    CPPUNIT_TEST(case58_unlinkedContentIsConfirmedFirst);
    CPPUNIT_TEST(oldLinkHoldsOnlyWhenTheUpstreamIsSilent);
    CPPUNIT_TEST(linkOfTheNearFutureCountsAsNew);
    CPPUNIT_TEST(linkOfTheFarFutureIsConfirmed);
    CPPUNIT_TEST(coldBlobIsFilled);
    CPPUNIT_TEST(starterStreamsAtOnce);
    CPPUNIT_TEST(followerWaitsForFollowAfter);
    CPPUNIT_TEST(followAfterZeroStreamsAtOnce);
    CPPUNIT_TEST(followAfterNeverWaits);
    CPPUNIT_TEST(smallBodyIsHeldBackWithItsHeaders);
    CPPUNIT_TEST(foreignFillNeedsPermission);
    CPPUNIT_TEST(adoptedFillIsForeignEvenToItsRequester);
    CPPUNIT_TEST(adoptedFillThatHadNotStartedIsNobodysYet);
    CPPUNIT_TEST(orphanedFillIsTakenOver);
    CPPUNIT_TEST(unresponsiveOwnerIsTakenOver);
    CPPUNIT_TEST(failureIsSharedWithTheSameRequester);
    CPPUNIT_TEST(failureIsNotSharedWithAnother);
    CPPUNIT_TEST(retryableFailureIsTriedOnceMore);
    CPPUNIT_TEST(rangesWaitWhenUnverifiedIsOff);
    CPPUNIT_TEST(deadlineEndsWhatHasNotStarted);
    CPPUNIT_TEST(whoWaitedForAStartedFillMayTakeItOver);
    CPPUNIT_TEST(headOfColdBlobAsksTheUpstream);
    CPPUNIT_TEST(tagIsCheckedOnEveryRequest);
    CPPUNIT_TEST(whoWaitedTakesACheckMadeSinceItCame);
    CPPUNIT_TEST(checkOfTheFutureIsNone);
    CPPUNIT_TEST(uncheckedNextManifestIsFetchedThenPromoted);
    CPPUNIT_TEST(onlyTheNextThatWasSeenIsPromoted);
    CPPUNIT_TEST(twoRefusedTokensAreDenied);
    CPPUNIT_TEST(oldLinkHoldsWhileTheTokenServerIsDown);
    CPPUNIT_TEST(oldLinkFallsWhenTheTokenIsDenied);
    CPPUNIT_TEST(vanishedTemporaryFileIsLookedAtAgain);
    CPPUNIT_TEST(case57_failedStoreMeansPassingThrough);
    CPPUNIT_TEST(passReasonStays);
    CPPUNIT_TEST(case84_farClosedRangePassesThrough);
    CPPUNIT_TEST(nearAndOpenRangesFollow);
    CPPUNIT_TEST(farRangeWaitsWhenUnverifiedIsOff);
    CPPUNIT_TEST(case27_unknownAlgorithmPassesThrough);
    CPPUNIT_TEST(tagThatCouldNotBeStoredIsUsed);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { setUpFor(9); }
    void setUpFor(std::uint16_t upstreamPort) {
        fixture_ = std::make_unique<ProxyFixture>(upstreamPort);
        followers_ = CountingFollowers();
        findings_ = Findings();
        findings_.began = now();
        findings_.deadline = now() + Millis{25'000};
        request_ = Request();
        options_.store = fixture_->store.get();
        options_.claims = &fixture_->shared.claims();
        options_.client = fixture_->client.get();
        options_.followers = &followers_;
        options_.self = 0;
        options_.followAfter = Millis{2'000};
        options_.unverifiedRanges = true;
        options_.linkTtl = 3600;
        options_.staleMax = 7200;
    }
    void tearDown() override { fixture_.reset(); }

    void linkedContentIsServed() {
        const RepositoryKey where{"up.test", "a"};
        const Digest digest = fixture_->put("x", ContentKind::kBlob, false, &where);
        const Reply reply = expectReply(fixture_->blobTarget("a", digest));
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("hit"), reply.cacheResult);
    }

    void publicContentIsServedAnywhere() {
        const Digest digest = fixture_->put("x", ContentKind::kBlob, true);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(fixture_->blobTarget("other", digest)).status);
    }

    void case58_unlinkedContentIsConfirmedFirst() {
        const RepositoryKey where{"up.test", "a"};
        const Digest digest = fixture_->put("x", ContentKind::kBlob, false, &where);
        expectWork(fixture_->blobTarget("b", digest), WorkKind::kConfirm);
        findings_.confirmed = true;
        CPPUNIT_ASSERT_EQUAL(200, expectReply(fixture_->blobTarget("b", digest)).status);
    }

    void oldLinkHoldsOnlyWhenTheUpstreamIsSilent() {
        options_.linkTtl = -1;
        const RepositoryKey where{"up.test", "a"};
        const Target target =
            fixture_->blobTarget("a", fixture_->put("x", ContentKind::kBlob, false, &where));
        expectWork(target, WorkKind::kConfirm);
        findings_.unconfirmed = Refusal();
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
        options_.staleMax = -1;
        CPPUNIT_ASSERT_EQUAL(502, expectReply(target).status);
    }

    // The clock was put back by a little, or by years.
    void linkOfTheNearFutureCountsAsNew() {
        const Target target = linkedTarget();
        fixture_->stampLinks(wallSeconds() + options_.linkTtl - 60);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
    }

    void linkOfTheFarFutureIsConfirmed() {
        const Target target = linkedTarget();
        fixture_->stampLinks(wallSeconds() + options_.linkTtl + 60);
        expectWork(target, WorkKind::kConfirm);
        findings_.unconfirmed = Refusal();
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
        for (std::int64_t confirmedAt :
             {wallSeconds() + options_.staleMax + 60, std::numeric_limits<std::int64_t>::max()}) {
            fixture_->stampLinks(confirmedAt);
            CPPUNIT_ASSERT_EQUAL(502, expectReply(target).status);
        }
    }

    void coldBlobIsFilled() { expectWork(coldTarget(), WorkKind::kFillBlob); }

    void starterStreamsAtOnce() {
        runFill(coldTarget(), 1'000'000);
        findings_.startedFill = true;
        const Reply reply = expectReply(coldTarget());
        CPPUNIT_ASSERT(std::holds_alternative<FollowBody>(reply.body));
        CPPUNIT_ASSERT_EQUAL(std::string("miss"), reply.cacheResult);
    }

    void followerWaitsForFollowAfter() {
        runFill(coldTarget(), 1'000'000);
        const Wait wait = expectWait(coldTarget());
        CPPUNIT_ASSERT(wait.until <= findings_.began + Millis{2'000});
        findings_.began -= Millis{2'000};
        const Reply reply = expectReply(coldTarget());
        CPPUNIT_ASSERT_EQUAL(std::string("collapsed"), reply.cacheResult);
    }

    void followAfterZeroStreamsAtOnce() {
        options_.followAfter = Millis{0};
        runFill(coldTarget(), 1'000'000);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(coldTarget()).status);
    }

    void followAfterNeverWaits() {
        options_.followAfter.reset();
        runFill(coldTarget(), 1'000'000);
        findings_.began -= Millis{3'600'000};
        expectWait(coldTarget());
        CPPUNIT_ASSERT_EQUAL(0, followers_.asked);
    }

    void smallBodyIsHeldBackWithItsHeaders() {
        const ClaimHandle fill = runFill(coldTarget(), kHoldBack);
        findings_.startedFill = true;
        expectWait(coldTarget());
        fixture_->shared.claims().verified(fill, kHoldBack);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(coldTarget()).status);
    }

    void foreignFillNeedsPermission() {
        options_.followAfter = Millis{0};
        runFill(coldTarget(), 1'000'000);
        const Target other = fixture_->blobTarget("b", coldDigest());
        expectWork(other, WorkKind::kConfirm);
        fixture_->store->putLink(other.where, ContentKind::kBlob, coldDigest(), false);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(other).status);
    }

    void adoptedFillIsForeignEvenToItsRequester() {
        options_.followAfter = Millis{0};
        runFill(coldTarget(), 1'000'000);
        die();
        CPPUNIT_ASSERT(claim(coldTarget()).adoption->started);
        expectWork(coldTarget(), WorkKind::kConfirm);
        CPPUNIT_ASSERT_EQUAL(0, followers_.asked);
        fixture_->store->putLink(coldTarget().where, ContentKind::kBlob, coldDigest(), false);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(coldTarget()).status);
    }

    void adoptedFillThatHadNotStartedIsNobodysYet() {
        claim(coldTarget());
        die();
        CPPUNIT_ASSERT(claim(coldTarget()).adoption.has_value());
        expectWait(coldTarget());
    }

    void orphanedFillIsTakenOver() {
        runFill(coldTarget(), 1'000'000);
        die();
        expectWork(coldTarget(), WorkKind::kFillBlob);
    }

    void unresponsiveOwnerIsTakenOver() {
        runFill(coldTarget(), 1'000'000);
        fixture_->shared.workers().raise(0);  // not swept yet: the owner is not current
        expectWork(coldTarget(), WorkKind::kFillBlob);
    }

    void failureIsSharedWithTheSameRequester() {
        failFill(coldTarget(), 404, false);
        CPPUNIT_ASSERT_EQUAL(404, expectReply(coldTarget()).status);
    }

    void failureIsNotSharedWithAnother() {
        failFill(coldTarget(), 404, false);
        expectWork(fixture_->blobTarget("b", coldDigest()), WorkKind::kFillBlob);
    }

    void retryableFailureIsTriedOnceMore() {
        failFill(coldTarget(), 503, true);
        expectWork(coldTarget(), WorkKind::kFillBlob);
        findings_.startedFill = true;  // but not by the request whose fill it was
        CPPUNIT_ASSERT_EQUAL(503, expectReply(coldTarget()).status);
        findings_.startedFill = false;
        failFill(coldTarget(), 503, true);
        CPPUNIT_ASSERT_EQUAL(503, expectReply(coldTarget()).status);
    }

    void rangesWaitWhenUnverifiedIsOff() {
        runFill(coldTarget(), 1'000'000);
        findings_.startedFill = true;
        request_.headers.add("Range", "bytes=0-9");
        CPPUNIT_ASSERT_EQUAL(206, expectReply(coldTarget()).status);
        options_.unverifiedRanges = false;
        expectWait(coldTarget());
    }

    void deadlineEndsWhatHasNotStarted() {
        findings_.deadline = now() - Millis{1};
        CPPUNIT_ASSERT_EQUAL(504, expectReply(coldTarget()).status);
        runFill(coldTarget(), 1'000'000);
        findings_.began = now();
        expectWait(coldTarget());
    }

    void whoWaitedForAStartedFillMayTakeItOver() {
        findings_.deadline = now() - Millis{1};
        Findings late = findings_;
        runFill(coldTarget(), 1'000'000);
        expectWait(coldTarget());
        die();
        expectWork(coldTarget(), WorkKind::kFillBlob);
        findings_ = late;  // who comes now has waited for nothing that would excuse it
        CPPUNIT_ASSERT_EQUAL(504, expectReply(coldTarget()).status);
    }

    void headOfColdBlobAsksTheUpstream() {
        request_.method = Method::kHead;
        expectWork(coldTarget(), WorkKind::kConfirm);
        findings_.confirmed = true;
        findings_.head = HeadFacts{77, ""};
        const Reply reply = expectReply(coldTarget());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77}, *reply.headLength);
    }

    void tagIsCheckedOnEveryRequest() {
        const Target target = fixture_->manifestTarget("a", "latest");
        const Digest digest = fixture_->put("{}", ContentKind::kManifest, true);
        fixture_->store->putTag(target.where, "latest", {digest, "application/x-test", 2, 0, {}});
        expectWork(target, WorkKind::kCheckTag);
        findings_.tagChecked = true;
        const Reply reply = expectReply(target);
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("revalidated"), reply.cacheResult);
    }

    void whoWaitedTakesACheckMadeSinceItCame() {
        const Target target = fixture_->manifestTarget("a", "latest");
        const Digest digest = fixture_->put("{}", ContentKind::kManifest, true);
        findings_.beganWall = 1'000;
        const auto checkedAt = [&](std::int64_t wall) {
            fixture_->store->putTag(target.where, "latest",
                                    {digest, "application/x-test", 2, wall, {}});
        };
        checkedAt(1'000);
        expectWork(target, WorkKind::kCheckTag);  // it has not waited for any
        const ClaimTable::Result check = fixture_->shared.claims().claim(
            tagKey(target), fixture_->self, target.requester);
        checkedAt(999);
        expectWait(target);
        expectWait(target);  // a check made before it came is none
        checkedAt(1'000);  // and the next one is running already
        CPPUNIT_ASSERT(fixture_->shared.claims().owns(check.handle));
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
    }

    // Else one that failed would pass for one that succeeded, until the clock gets there.
    void checkOfTheFutureIsNone() {
        const Target target = fixture_->manifestTarget("a", "latest");
        const Digest digest = fixture_->put("{}", ContentKind::kManifest, true);
        findings_.beganWall = wallSeconds();
        fixture_->store->putTag(target.where, "latest",
                                {digest, "application/x-test", 2, wallSeconds() + 3600, {}});
        const ClaimTable::Result check = fixture_->shared.claims().claim(
            tagKey(target), fixture_->self, target.requester);
        expectWait(target);
        ClaimFailure denied = failureOf(UpstreamError(UpstreamFailure::kTokenDenied, "denied"));
        denied.retryable = false;
        fixture_->shared.claims().fail(check.handle, denied, Millis{60'000});
        CPPUNIT_ASSERT_EQUAL(403, expectReply(target).status);
    }

    void uncheckedNextManifestIsFetchedThenPromoted() {
        const Target target = fixture_->manifestTarget("a", "latest");
        const Digest old = fixture_->put("{}", ContentKind::kManifest, true);
        const Digest next = digestOf(DigestAlgorithm::kSha256, "[]");
        fixture_->store->putTag(target.where, "latest", {old, "application/x-test", 2, 0, next});
        findings_.tagChecked = true;
        expectWork(target, WorkKind::kFetchManifest);
        CPPUNIT_ASSERT(fixture_->store->tag(target.where, "latest")->digest == old);
        fixture_->put("[]", ContentKind::kManifest, true);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
        const std::optional<TagEntry> entry = fixture_->store->tag(target.where, "latest");
        CPPUNIT_ASSERT(entry->digest == next);
        CPPUNIT_ASSERT(!entry->next);
    }

    void onlyTheNextThatWasSeenIsPromoted() {
        const RepositoryKey where{"up.test", "a"};
        const Digest old = digestOf(DigestAlgorithm::kSha256, "{}");
        const Digest seen = digestOf(DigestAlgorithm::kSha256, "[1]");
        const Digest newer = digestOf(DigestAlgorithm::kSha256, "[2]");
        const auto promoted = [&](std::optional<Digest> next) {
            fixture_->store->putTag(where, "latest", {old, "application/x-test", 2, 7, next});
            promoteTag(fixture_->store.get(), where, "latest", seen);
            return *fixture_->store->tag(where, "latest");
        };
        CPPUNIT_ASSERT(promoted(newer).digest == old);
        CPPUNIT_ASSERT(*promoted(newer).next == newer);
        CPPUNIT_ASSERT(promoted({}).digest == old);
        CPPUNIT_ASSERT(promoted(seen).digest == seen && !promoted(seen).next);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{7}, promoted(seen).checkedAt);
        fixture_->store->dropTag(where, "latest");
        promoteTag(fixture_->store.get(), where, "latest", seen);
        CPPUNIT_ASSERT(!fixture_->store->tag(where, "latest"));
    }

    void twoRefusedTokensAreDenied() {
        findings_.unauthorized = 2;
        CPPUNIT_ASSERT_EQUAL(403, expectReply(coldTarget()).status);
    }

    void oldLinkHoldsWhileTheTokenServerIsDown() {
        const Target target = linkedLongAgoBehindTokens();
        expectWork(target, WorkKind::kFetchToken);
        failToken(UpstreamFailure::kConnectionRefused);
        CPPUNIT_ASSERT_EQUAL(200, expectReply(target).status);
        findings_.unconfirmed.reset();
        options_.staleMax = -1;
        CPPUNIT_ASSERT_EQUAL(502, expectReply(target).status);
        findings_.unconfirmed.reset();
        options_.staleMax = 7200;
        CPPUNIT_ASSERT_EQUAL(502, expectReply(coldTarget()).status);  // of no use to a miss
    }

    void oldLinkFallsWhenTheTokenIsDenied() {
        const Target target = linkedLongAgoBehindTokens();
        failToken(UpstreamFailure::kTokenDenied);
        CPPUNIT_ASSERT_EQUAL(403, expectReply(target).status);
    }

    void vanishedTemporaryFileIsLookedAtAgain() {
        runFill(coldTarget(), 1'000'000);
        findings_.startedFill = true;
        followers_.gone = true;
        expectWait(coldTarget());
    }

    void case57_failedStoreMeansPassingThrough() {
        for (const FillFailure kind :
             {FillFailure::kStore, FillFailure::kCommit, FillFailure::kNoRoom}) {
            setUpFor(9);
            fixture_->shared.claims().fail(runFill(coldTarget(), 10), failureOf(kind),
                                           Millis{60'000});
            const WorkOrder order = expectPass(coldTarget());
            CPPUNIT_ASSERT(order.reason == (kind == FillFailure::kNoRoom
                                                ? PassReason::kNoRoom
                                                : PassReason::kStoreTrouble));
            CPPUNIT_ASSERT(order.digest == coldDigest() && !order.isPart());
        }
    }

    void passReasonStays() {
        findings_.passReason = PassReason::kTableFull;
        request_.minorVersion = 0;
        CPPUNIT_ASSERT(expectPass(coldTarget()).needsLength);
        request_.headers.add("Range", "bytes=5-9");
        const WorkOrder order = expectPass(coldTarget());
        CPPUNIT_ASSERT(order.first == 5 && order.last == std::uint64_t{9});
        options_.unverifiedRanges = false;
        CPPUNIT_ASSERT(!expectPass(coldTarget()).isPart());
    }

    void case84_farClosedRangePassesThrough() {
        runFill(coldTarget(), 100'000'000);
        request_.headers.add("Range", "bytes=90000000-90000009");
        const WorkOrder order = expectPass(coldTarget());
        CPPUNIT_ASSERT(order.reason == PassReason::kFarRange);
        CPPUNIT_ASSERT(order.first == 90'000'000 && order.last == std::uint64_t{90'000'009});
        request_.headers.set("Range", "bytes=-10");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{99'999'990}, expectPass(coldTarget()).first);
    }

    void nearAndOpenRangesFollow() {
        runFill(coldTarget(), 100'000'000);
        findings_.startedFill = true;
        for (const char* range : {"bytes=8388607-8388700", "bytes=90000000-", "bytes=0-9"}) {
            request_.headers.set("Range", range);
            CPPUNIT_ASSERT_EQUAL(206, expectReply(coldTarget()).status);
        }
    }

    void farRangeWaitsWhenUnverifiedIsOff() {
        runFill(coldTarget(), 100'000'000);
        options_.unverifiedRanges = false;
        request_.headers.add("Range", "bytes=90000000-90000009");
        expectWait(coldTarget());
    }

    void case27_unknownAlgorithmPassesThrough() {
        Target target = coldTarget();
        target.reference = Reference::foreign("blake3:" + std::string(64, 'a'));
        const WorkOrder order = expectPass(target);
        CPPUNIT_ASSERT(order.reason == PassReason::kUnknownAlgorithm && !order.digest);
    }

    void tagThatCouldNotBeStoredIsUsed() {
        const Digest digest = coldDigest();
        findings_.tagChecked = true;
        findings_.tagEntry = TagEntry{digest, "application/json", 4, 0, std::nullopt};
        findings_.passReason = PassReason::kStoreTrouble;
        const WorkOrder order = expectPass(fixture_->manifestTarget("a", "latest"));
        CPPUNIT_ASSERT(order.digest == digest);
    }

private:
    Digest coldDigest() const { return digestOf(DigestAlgorithm::kSha256, "cold"); }
    Target coldTarget() const { return fixture_->blobTarget("a", coldDigest()); }

    ClaimTable::Result claim(const Target& target) {
        const ClaimTable::Result result = fixture_->shared.claims().claim(
            fillKey(target, coldDigest()), fixture_->self, target.requester);
        CPPUNIT_ASSERT(result.outcome == ClaimTable::Outcome::kOwner);
        return result;
    }
    ClaimHandle runFill(const Target& target, std::uint64_t total) {
        const ClaimTable::Result result = claim(target);
        CPPUNIT_ASSERT(fixture_->shared.claims().start(result.handle, total));
        return result.handle;
    }
    // The owner of what was claimed so far is dead, and this worker is another one.
    void die() {
        const WorkerId dead = fixture_->self;
        fixture_->self = fixture_->shared.workers().raise(0);
        fixture_->shared.workers().beat(fixture_->self);
        CPPUNIT_ASSERT_EQUAL(1u, fixture_->shared.claims().sweep(dead));
    }
    Target linkedTarget() {
        const RepositoryKey where{"up.test", "a"};
        return fixture_->blobTarget("a", fixture_->put("x", ContentKind::kBlob, false, &where));
    }

    // A stored blob whose link has run out, of an upstream that has asked for a token.
    Target linkedLongAgoBehindTokens() {
        const ScriptedServer server(ScriptedServer::saying(
            plainAnswer(401, "WWW-Authenticate: Bearer realm=\"/token\"\r\n", "")));
        setUpFor(server.port());
        options_.linkTtl = -1;
        const RepositoryKey where{"up.test", "a"};
        const Target target =
            fixture_->blobTarget("a", fixture_->put("x", ContentKind::kBlob, false, &where));
        UpstreamRequest request;
        request.upstream = target.upstream;
        request.target = target.upstreamPath("x");
        request.firstByteDeadline = now() + Millis{20'000};
        CPPUNIT_ASSERT_EQUAL(401, fixture_->client->send(request)->status());
        return target;
    }
    void failToken(UpstreamFailure kind) {
        ClaimFailure failure = failureOf(UpstreamError(kind, "a test says so"));
        failure.retryable = false;
        const Target target = coldTarget();
        ClaimTable& claims = fixture_->shared.claims();
        claims.fail(claims.claim(tokenKey(target), fixture_->self, target.requester).handle,
                    failure, Millis{60'000});
    }
    void failFill(const Target& target, std::uint32_t status, bool retryable) {
        ClaimFailure failure = failureOf(FillFailure::kStatus);
        failure.status = status;
        failure.retryable = retryable;
        fixture_->shared.claims().fail(runFill(target, 10), failure, Millis{60'000});
    }

    Step plan(const Target& target) {
        return Planner(options_).plan(request_, target, &findings_);
    }
    Reply expectReply(const Target& target) {
        Step step = plan(target);
        CPPUNIT_ASSERT_MESSAGE("a reply is expected", std::holds_alternative<Reply>(step));
        return std::get<Reply>(std::move(step));
    }
    Wait expectWait(const Target& target) {
        const Step step = plan(target);
        CPPUNIT_ASSERT_MESSAGE("a wait is expected", std::holds_alternative<Wait>(step));
        return std::get<Wait>(step);
    }
    void expectWork(const Target& target, WorkKind kind) {
        const Step step = plan(target);
        CPPUNIT_ASSERT_MESSAGE("a work is expected", std::holds_alternative<WorkOrder>(step));
        CPPUNIT_ASSERT(std::get<WorkOrder>(step).kind == kind);
    }

    WorkOrder expectPass(const Target& target) {
        const Step step = plan(target);
        CPPUNIT_ASSERT_MESSAGE("a work is expected", std::holds_alternative<WorkOrder>(step));
        CPPUNIT_ASSERT(std::get<WorkOrder>(step).kind == WorkKind::kPassThrough);
        return std::get<WorkOrder>(step);
    }

    std::unique_ptr<ProxyFixture> fixture_;
    CountingFollowers followers_;
    Planner::Options options_;
    Findings findings_;
    Request request_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PlanTest);

}  // namespace
}  // namespace ociproxy
