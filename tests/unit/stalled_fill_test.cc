// A fill whose owner hangs and is overtaken, and who counts as wanting one.
#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/shm/counters.h"
#include "proxy/follower.h"
#include "proxy/plan.h"
#include "support/shared_tables.h"
#include "support/works_fixture.h"

namespace ociproxy {
namespace {

constexpr std::uint64_t kPrefix = 200'000;

class StalledFillTest : public WorksFixture {
    CPPUNIT_TEST_SUITE(StalledFillTest);
    CPPUNIT_TEST(prefixIsCopiedAndNothingFetchedTwice);
    CPPUNIT_TEST(prefixThatIsGoneIsFetchedAnew);
    CPPUNIT_TEST(wokenOwnerIsFencedAndHarmsNobody);
    CPPUNIT_TEST(followerStaysOverTheCopy);
    CPPUNIT_TEST(followerBreaksWhenItIsFetchedAnew);
    CPPUNIT_TEST(aFollowerWantsItsFill);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        WorksFixture::setUp();
        tables_ = std::make_unique<SharedTables<16>>();
        claims_.reset(new ClaimTable(tables_->claims()));  // is made in place
    }
    void tearDown() override {
        stalled_.reset();
        WorksFixture::tearDown();
        claims_.reset();
        tables_.reset();
    }

    void prefixIsCopiedAndNothingFetchedTwice() {
        stall();
        runFill();
        expectCommitted();
        CPPUNIT_ASSERT_EQUAL(cat("bytes=", kPrefix, "-"), server_->onlyRequest().field("Range"));
        CPPUNIT_ASSERT_EQUAL(content_.size() - kPrefix,
                             fixture_->shared.counters().get(Counter::kBytesFetched));
    }

    void prefixThatIsGoneIsFetchedAnew() {
        stall();
        stalled_.reset();  // and its file with it
        runFill();
        expectCommitted();
        CPPUNIT_ASSERT(!server_->onlyRequest().has("Range"));
        CPPUNIT_ASSERT(view().lineage == view().origin);
    }

    void wokenOwnerIsFencedAndHarmsNobody() {
        stall();
        const ClaimTable::Result heir = overtake();
        const std::unique_ptr<ContentWriter> writer =
            fixture_->store->copy(*digest_, stalledClaim_.lineage, kPrefix, heir.lineage);
        stalled_->append("harm", 4);
        CPPUNIT_ASSERT(!claims_->progress(stalledClaim_.handle, stalled_->size()));
        stalled_.reset();
        CPPUNIT_ASSERT(fixture_->store->openTemporary(*digest_, heir.lineage));
        writer->append(content_.data() + kPrefix, content_.size() - kPrefix);
        CPPUNIT_ASSERT(writer->matches());
    }

    void followerStaysOverTheCopy() {
        stall();
        const std::unique_ptr<Follower> follower = follow();
        const std::uint64_t offered = follower->now().readable;
        CPPUNIT_ASSERT(offered > 0);
        const int before = follower->descriptor();
        runFill();
        const GrowingBody::Snapshot snapshot = follower->now();
        CPPUNIT_ASSERT(snapshot.state == GrowingBody::State::kComplete);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{content_.size()}, snapshot.readable);
        CPPUNIT_ASSERT(content_ == readAll(follower->descriptor(), content_.size() + 1, "body"));
        // What is on its way from the old file is still right.
        std::string piece(offered, '\0');
        CPPUNIT_ASSERT_EQUAL(piece.size(), preadAll(before, piece.data(), offered, 0, "piece"));
        CPPUNIT_ASSERT(piece == content_.substr(0, offered));
    }

    void followerBreaksWhenItIsFetchedAnew() {
        stall();
        const std::unique_ptr<Follower> follower = follow();
        CPPUNIT_ASSERT(follower->now().readable > 0);
        stalled_.reset();
        runFill();
        CPPUNIT_ASSERT(follower->now().state == GrowingBody::State::kBroken);
    }

    // Also while it waits for nothing; no longer when it has gone.
    void aFollowerWantsItsFill() {
        stall();
        ClaimWatcher watcher(claims_.get(), &tables_->workers, 1);
        std::unique_ptr<Follower> follower = follow(&watcher);
        watcher.start();
        setWanted(0);
        tables_->workers.ring(1);
        while (slot().wantedNs == 0) std::this_thread::yield();
        follower.reset();
        watcher.stop();
        setWanted(0);
        ClaimWatcher again(claims_.get(), &tables_->workers, 1);
        again.follow(key(), [] {});  // the ticket ends at once
        again.start();
        again.stop();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, slot().wantedNs);
    }

private:
    ClaimKey key() const { return fillKey(fixture_->blobTarget("a", *digest_), *digest_); }
    ClaimView view() { return *claims_->find(key()); }
    ClaimSlot& slot() { return tables_->claimSlots[stalledClaim_.handle.slot]; }
    void setWanted(std::int64_t time) { slot().wantedNs = time; }

    // A worker has fetched so much and hangs; the upstream has the rest.
    void stall() {
        serve([this](const ScriptedRequest& request) {
            return request.has("Range")
                       ? plainAnswer(206, rangeField(kPrefix), content_.substr(kPrefix))
                       : plainAnswer(200, "", content_);
        });
        context_->claims = claims_.get();
        context_->self = tables_->workers.raise(2);
        const WorkerId owner = tables_->workers.raise(1);
        stalledClaim_ = claims_->claim(key(), owner, fixture_->blobTarget("a", *digest_).requester);
        stalled_ = fixture_->store->create(*digest_, stalledClaim_.lineage);
        stalled_->append(content_.data(), kPrefix + 10);  // ten are not announced yet
        claims_->start(stalledClaim_.handle, content_.size());
        claims_->progress(stalledClaim_.handle, kPrefix);
        const Millis hung = WorkerTable::kHungAfter + Millis{1};
        tables_->workerSlots[1].beatNs = monotonicNs() - std::chrono::nanoseconds(hung).count();
    }
    ClaimTable::Result overtake() {
        return claims_->claim(key(), context_->self,
                              fixture_->blobTarget("a", *digest_).requester);
    }
    std::unique_ptr<Follower> follow(ClaimWatcher* watcher = nullptr) {
        Follower::Options options{claims_.get(), watcher, fixture_->store.get(), key(), *digest_,
                                  ContentKind::kBlob, [] {}, nullptr};
        return std::make_unique<Follower>(
            std::move(options), view(),
            fixture_->store->openTemporary(*digest_, stalledClaim_.lineage));
    }
    void expectCommitted() {
        CPPUNIT_ASSERT(view().state == ClaimState::kCommitted);
        const std::optional<StoredContent> stored =
            fixture_->store->open(*digest_, ContentKind::kBlob);
        CPPUNIT_ASSERT(stored && content_ == readAll(stored->file->get(), content_.size() + 1, "x"));
    }

    std::unique_ptr<SharedTables<16>> tables_;
    std::unique_ptr<ClaimTable> claims_;
    ClaimTable::Result stalledClaim_;
    std::unique_ptr<ContentWriter> stalled_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StalledFillTest);

}  // namespace
}  // namespace ociproxy
