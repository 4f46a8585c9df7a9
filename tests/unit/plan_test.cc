// The planner: local state and findings in, the next step out (src/proxy/plan.h).
#include "proxy/plan.h"

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/claim_keys.h"
#include "proxy/failure_map.h"
#include "support/proxy_fixture.h"

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
    CPPUNIT_TEST(coldBlobIsFilled);
    CPPUNIT_TEST(starterStreamsAtOnce);
    CPPUNIT_TEST(followerWaitsForFollowAfter);
    CPPUNIT_TEST(followAfterZeroStreamsAtOnce);
    CPPUNIT_TEST(followAfterNeverWaits);
    CPPUNIT_TEST(smallBodyIsHeldBackWithItsHeaders);
    CPPUNIT_TEST(foreignFillNeedsPermission);
    CPPUNIT_TEST(orphanedFillIsTakenOver);
    CPPUNIT_TEST(unresponsiveOwnerIsTakenOver);
    CPPUNIT_TEST(failureIsSharedWithTheSameRequester);
    CPPUNIT_TEST(failureIsNotSharedWithAnother);
    CPPUNIT_TEST(retryableFailureIsTriedOnceMore);
    CPPUNIT_TEST(rangesWaitWhenUnverifiedIsOff);
    CPPUNIT_TEST(deadlineEndsWhatHasNotStarted);
    CPPUNIT_TEST(headOfColdBlobAsksTheUpstream);
    CPPUNIT_TEST(tagIsCheckedOnEveryRequest);
    CPPUNIT_TEST(uncheckedNextManifestIsFetchedThenPromoted);
    CPPUNIT_TEST(twoRefusedTokensAreDenied);
    CPPUNIT_TEST(vanishedTemporaryFileIsLookedAtAgain);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<ProxyFixture>();
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

    void orphanedFillIsTakenOver() {
        runFill(coldTarget(), 1'000'000);
        const WorkerId dead = fixture_->self;
        fixture_->self = fixture_->shared.workers().raise(0);
        fixture_->shared.claims().sweep(dead);
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

    void twoRefusedTokensAreDenied() {
        findings_.unauthorized = 2;
        CPPUNIT_ASSERT_EQUAL(403, expectReply(coldTarget()).status);
    }

    void vanishedTemporaryFileIsLookedAtAgain() {
        runFill(coldTarget(), 1'000'000);
        findings_.startedFill = true;
        followers_.gone = true;
        expectWait(coldTarget());
    }

private:
    Digest coldDigest() const { return digestOf(DigestAlgorithm::kSha256, "cold"); }
    Target coldTarget() const { return fixture_->blobTarget("a", coldDigest()); }

    ClaimHandle runFill(const Target& target, std::uint64_t total) {
        ClaimTable& claims = fixture_->shared.claims();
        const ClaimTable::Result result =
            claims.claim(fillKey(target, coldDigest()), fixture_->self, target.requester);
        CPPUNIT_ASSERT(result.outcome == ClaimTable::Outcome::kOwner);
        CPPUNIT_ASSERT(claims.start(result.handle, total));
        return result.handle;
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

    std::unique_ptr<ProxyFixture> fixture_;
    CountingFollowers followers_;
    Planner::Options options_;
    Findings findings_;
    Request request_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PlanTest);

}  // namespace
}  // namespace ociproxy
