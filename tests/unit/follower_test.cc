// A client's view of a fill of any worker (src/proxy/follower.h).
#include "proxy/follower.h"

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/claim_keys.h"
#include "proxy/failure_map.h"
#include "proxy/plan.h"
#include "support/proxy_fixture.h"

namespace ociproxy {
namespace {

using State = GrowingBody::State;

class FollowerTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FollowerTest);
    CPPUNIT_TEST(lastBytesAreHeldBackUntilVerified);
    CPPUNIT_TEST(unknownLengthIsHeldBackToo);
    CPPUNIT_TEST(committedFillIsComplete);
    CPPUNIT_TEST(failedFillBreaks);
    CPPUNIT_TEST(failedCommitIsCompleteAllTheSame);
    CPPUNIT_TEST(deadOwnerIsTakenOver);
    CPPUNIT_TEST(adoptedFileGoesOn);
    CPPUNIT_TEST(adoptedFileOfAnotherLengthBreaks);
    CPPUNIT_TEST(verifiedAtAnotherLengthBreaks);
    CPPUNIT_TEST(newLineageOfAnotherLengthBreaksWhoGotNone);
    CPPUNIT_TEST(newLineageBreaksWhoGotBytes);
    CPPUNIT_TEST(newLineageServesWhoGotNone);
    CPPUNIT_TEST(forgottenClaimIsJudgedByTheFile);
    CPPUNIT_TEST(case57_failedDiskForsakesTheFile);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<ProxyFixture>();
        watcher_ = std::make_unique<ClaimWatcher>(&claims(), &fixture_->shared.workers(), 0);
        takeOvers_ = 0;
        content_ = std::string(kTotal, 'x');
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
        key_ = fillKey(fixture_->blobTarget("a", *digest_), *digest_);
        begin();
    }
    void tearDown() override {
        writer_.reset();
        watcher_.reset();
        fixture_.reset();
    }

    void lastBytesAreHeldBackUntilVerified() {
        const std::unique_ptr<Follower> follower = follow();
        expect(follower->now(), State::kGrowing, 0);
        write(1000);
        expect(follower->now(), State::kGrowing, 1000);
        write(kTotal - 1000);
        expect(follower->now(), State::kGrowing, kTotal - kHoldBack);
        CPPUNIT_ASSERT(claims().verified(handle_, kTotal));
        expect(follower->now(), State::kComplete, kTotal);
    }

    void unknownLengthIsHeldBackToo() {
        CPPUNIT_ASSERT(claims().start(handle_, kUnknownLength));
        const std::unique_ptr<Follower> follower = follow();
        write(kHoldBack + 10);
        expect(follower->now(), State::kGrowing, 10);
        CPPUNIT_ASSERT(!follower->now().length);
    }

    void committedFillIsComplete() {
        const std::unique_ptr<Follower> follower = follow();
        commit();
        expect(follower->now(), State::kComplete, kTotal);
    }

    void failedFillBreaks() {
        const std::unique_ptr<Follower> follower = follow();
        write(100'000);
        claims().fail(handle_, failureOf(FillFailure::kDigestMismatch), Millis{60'000});
        CPPUNIT_ASSERT(follower->now().state == State::kBroken);
    }

    void failedCommitIsCompleteAllTheSame() {
        const std::unique_ptr<Follower> follower = follow();
        write(kTotal);
        claims().verified(handle_, kTotal);
        claims().fail(handle_, failureOf(FillFailure::kCommit), Millis{60'000});
        expect(follower->now(), State::kComplete, kTotal);
    }

    // Whoever reads goes on alone, and verifies as long as the file has all that it was sent.
    void case57_failedDiskForsakesTheFile() {
        const ClaimView view = *claims().find(key_, 0);
        Follower::Options wanted = options();
        std::optional<Continuation::Part> part;
        wanted.goOn = [&part](Continuation::Part asked) {
            part = std::move(asked);
            return std::shared_ptr<StreamSource>();
        };
        Follower follower(std::move(wanted), view,
                          fixture_->store->openTemporary(*digest_, view.lineage));
        write(1000);
        claims().fail(handle_, failureOf(FillFailure::kStore), Millis{60'000});
        expect(follower.now(), State::kForsaken, 1000);
        follower.continuation(1000, kTotal);
        CPPUNIT_ASSERT(part->verify && part->offset == 1000 && part->total == kTotal);
        follower.continuation(1000, 2000);
        CPPUNIT_ASSERT(!part->verify && part->end == std::uint64_t{2000});
        follower.continuation(1001, kTotal);
        CPPUNIT_ASSERT(!part->verify);
    }

    void deadOwnerIsTakenOver() {
        const std::unique_ptr<Follower> follower = follow();
        write(1000);
        die();
        expect(follower->now(), State::kGrowing, 1000);
        CPPUNIT_ASSERT(takeOvers_ > 0);
    }

    void adoptedFileGoesOn() {
        const std::unique_ptr<Follower> follower = follow();
        write(1000);
        die();
        adopt();
        CPPUNIT_ASSERT(claims().start(handle_, kTotal));
        expect(follower->now(), State::kGrowing, 1000);
        write(kTotal - 1000);
        CPPUNIT_ASSERT(writer_->matches());
        claims().verified(handle_, kTotal);
        expect(follower->now(), State::kComplete, kTotal);
    }

    // Headers may have named the length although no byte was offered yet.
    void adoptedFileOfAnotherLengthBreaks() {
        const std::unique_ptr<Follower> follower = follow();
        die();
        adopt();
        CPPUNIT_ASSERT(claims().start(handle_, kTotal + 1));
        CPPUNIT_ASSERT(follower->now().state == State::kBroken);
        const std::unique_ptr<Follower> late = follow();
        CPPUNIT_ASSERT_EQUAL(kTotal + 1, *late->now().length);
        CPPUNIT_ASSERT(claims().start(handle_, kUnknownLength));
        CPPUNIT_ASSERT(late->now().state == State::kBroken);
    }

    void verifiedAtAnotherLengthBreaks() {
        const std::unique_ptr<Follower> follower = follow();
        write(kTotal - 1);
        CPPUNIT_ASSERT(claims().verified(handle_, kTotal - 1));
        CPPUNIT_ASSERT(follower->now().state == State::kBroken);
    }

    void newLineageOfAnotherLengthBreaksWhoGotNone() {
        const std::unique_ptr<Follower> follower = follow();
        expect(follower->now(), State::kGrowing, 0);
        restart(kTotal - 1);
        CPPUNIT_ASSERT(follower->now().state == State::kBroken);
    }

    void newLineageBreaksWhoGotBytes() {
        const std::unique_ptr<Follower> follower = follow();
        write(1000);
        expect(follower->now(), State::kGrowing, 1000);
        restart();
        CPPUNIT_ASSERT(follower->now().state == State::kBroken);
    }

    void newLineageServesWhoGotNone() {
        const std::unique_ptr<Follower> follower = follow();
        expect(follower->now(), State::kGrowing, 0);
        restart();
        write(1000);
        expect(follower->now(), State::kGrowing, 1000);
    }

    void forgottenClaimIsJudgedByTheFile() {
        const std::unique_ptr<Follower> follower = follow();
        write(kTotal);
        CPPUNIT_ASSERT(writer_->matches());
        claims().verified(handle_, kTotal);
        writer_->commit(info());
        claims().abandon(handle_);
        expect(follower->now(), State::kComplete, kTotal);
    }

private:
    static constexpr std::uint64_t kTotal = 200'000;

    ClaimTable& claims() { return fixture_->shared.claims(); }
    ClaimTable::Result claim() { return claims().claim(key_, fixture_->self, Sha256{}); }

    void begin() {
        const ClaimTable::Result result = claim();
        handle_ = result.handle;
        writer_ = fixture_->store->create(*digest_, result.lineage);
        CPPUNIT_ASSERT(claims().start(handle_, kTotal));
    }
    void write(std::uint64_t bytes) {
        writer_->append(content_.data(), bytes);
        CPPUNIT_ASSERT(claims().progress(handle_, writer_->size()));
    }
    ContentInfo info() const {
        ContentInfo info;
        info.size = kTotal;
        info.blobType = "application/octet-stream";
        return info;
    }
    void commit() {
        write(kTotal);
        CPPUNIT_ASSERT(writer_->matches());
        claims().verified(handle_, kTotal);
        writer_->commit(info());
        CPPUNIT_ASSERT(claims().finish(handle_));
    }
    void die() {
        writer_->keep();
        writer_.reset();
        const WorkerId dead = fixture_->self;
        fixture_->self = fixture_->shared.workers().raise(0);
        fixture_->shared.workers().beat(fixture_->self);
        CPPUNIT_ASSERT_EQUAL(1u, claims().sweep(dead));
    }
    Follower::Options options() {
        return {&claims(),   watcher_.get(),     fixture_->store.get(),   key_,
                *digest_,    ContentKind::kBlob, [this] { ++takeOvers_; }};
    }
    void adopt() {
        const ClaimTable::Result result = claim();
        CPPUNIT_ASSERT(result.adoption.has_value());
        writer_ = fixture_->store->adopt(*digest_, result.adoption->lineage,
                                         result.adoption->bytes);
        CPPUNIT_ASSERT(writer_ != nullptr);
        handle_ = result.handle;
    }
    void restart(std::uint64_t total = kTotal) {
        const std::uint64_t lineage = claims().newLineage(handle_);
        CPPUNIT_ASSERT(lineage != 0);
        writer_ = fixture_->store->create(*digest_, lineage);
        CPPUNIT_ASSERT(claims().start(handle_, total));
    }
    std::unique_ptr<Follower> follow() {
        const ClaimView view = *claims().find(key_, 0);
        Fd file = fixture_->store->openTemporary(*digest_, view.lineage);
        CPPUNIT_ASSERT(file.valid());
        return std::make_unique<Follower>(options(), view, std::move(file));
    }
    static void expect(const GrowingBody::Snapshot& seen, State state, std::uint64_t readable) {
        CPPUNIT_ASSERT_EQUAL(static_cast<int>(state), static_cast<int>(seen.state));
        CPPUNIT_ASSERT_EQUAL(readable, seen.readable);
    }

    std::unique_ptr<ProxyFixture> fixture_;
    std::unique_ptr<ClaimWatcher> watcher_;
    std::unique_ptr<ContentWriter> writer_;
    std::optional<Digest> digest_;
    std::string content_;
    ClaimKey key_{};
    ClaimHandle handle_;
    int takeOvers_ = 0;
};

CPPUNIT_TEST_SUITE_REGISTRATION(FollowerTest);

}  // namespace
}  // namespace ociproxy
