#include "proc/disk_keeper.h"

#include <memory>
#include <optional>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/disk_cost.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "support/store_fixture.h"

namespace ociproxy {

class DiskKeeperTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(DiskKeeperTest);
    CPPUNIT_TEST(measuresIntoBudgetAndGauges);
    CPPUNIT_TEST(evictsAboveTheMarkOnly);
    CPPUNIT_TEST(whatIsCommittedCountsAtOnce);
    CPPUNIT_TEST(downloadsCount);
    CPPUNIT_TEST(withoutABoundNothingGoes);
    CPPUNIT_TEST(theAutomaticBoundIsRemembered);
    CPPUNIT_TEST(aSenselessFileIsNotRemembered);
    CPPUNIT_TEST(freeSpaceIsKept);
    CPPUNIT_TEST(fullIsSaidOnceAMinuteAndHeals);
    CPPUNIT_TEST(afterAFailureItGoesOn);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t kOne = diskCost(1);

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        evictorOptions_.directory = fixture_->cache;
        evictorOptions_.log = &fixture_->log;
        evictorOptions_.pause = Millis{0};
        space_ = std::make_unique<DiskSpace>(fixture_->cache);
        options_.space = space_.get();
        options_.shared = &shared_;
        options_.log = &fixture_->log;
        options_.maxSize = 0;
        options_.minFree = 0;
    }
    void tearDown() override {
        keeper_.reset();
        evictor_.reset();
        space_.reset();
        fixture_.reset();
    }

    void measuresIntoBudgetAndGauges() {
        options_.maxSize = 100 * kOne;
        fill(3);
        work();
        const Counters& counters = shared_.counters();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, counters.get(Gauge::kStoreFiles));
        CPPUNIT_ASSERT_EQUAL(fixture_->store->measure().bytes, counters.get(Gauge::kStoreBytes));
        CPPUNIT_ASSERT_EQUAL(3 * kOne, counters.get(Gauge::kStoreUsed));
        CPPUNIT_ASSERT_EQUAL(100 * kOne, counters.get(Gauge::kStoreLimit));
        CPPUNIT_ASSERT_EQUAL(3 * kOne, budget().used());
        CPPUNIT_ASSERT_EQUAL(3 * kOne, budget().evictable());
        CPPUNIT_ASSERT(budget().admits(1) && !budget().admits(100 * kOne));
    }

    void evictsAboveTheMarkOnly() {
        options_.maxSize = 100 * kOne;
        fill(95);
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{95}, fixture_->store->measure().files);
        fill(1);
        later();
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{90}, fixture_->store->measure().files);
        CPPUNIT_ASSERT_EQUAL(90 * kOne, budget().used());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{6}, shared_.counters().get(Counter::kEvictedFiles));
        CPPUNIT_ASSERT(shared_.counters().get(Counter::kEvictedBytes) >= 6);
        CPPUNIT_ASSERT(logged("evicted 6 files"));
    }

    void whatIsCommittedCountsAtOnce() {
        options_.maxSize = 100 * kOne;
        fill(95);
        work();
        fill(1);
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{96}, fixture_->store->measure().files);
        budget().committed(1);
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{90}, fixture_->store->measure().files);
    }

    void downloadsCount() {
        options_.maxSize = 100 * kOne;
        fill(60);
        std::unique_ptr<ContentWriter> writer = fixture_->store->create(sha256("large"), 7);
        writer->reserve(50 * kOne);
        work();
        CPPUNIT_ASSERT(budget().inFlight() >= 50 * kOne);
        CPPUNIT_ASSERT(budget().used() + budget().inFlight() <= 90 * kOne);
    }

    void withoutABoundNothingGoes() {
        fill(50);
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{50}, fixture_->store->measure().files);
        CPPUNIT_ASSERT_EQUAL(StoreBudget::kUnlimited, budget().limit());
    }

    void theAutomaticBoundIsRemembered() {
        options_.maxSize.reset();
        fill(5);
        const std::uint64_t free = space_->figures().available;
        work();
        const std::uint64_t bound = budget().limit();
        CPPUNIT_ASSERT(bound > free / 10 * 8 && bound < free + 5 * kOne);
        CPPUNIT_ASSERT_EQUAL(bound, space_->rememberedBound().value_or(0));
        space_->rememberBound(77 * kOne);
        restart();
        work();
        CPPUNIT_ASSERT_EQUAL(77 * kOne, budget().limit());
    }

    void aSenselessFileIsNotRemembered() {
        for (const char* text : {"", "0\n", "-1\n", "many\n", "99999999999999999999999\n"}) {
            writeFile(fixture_->file("auto_size"), text);
            CPPUNIT_ASSERT_MESSAGE(text, !space_->rememberedBound());
        }
        writeFile(fixture_->file("auto_size"), "4711\n");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4711}, space_->rememberedBound().value_or(0));
    }

    // More than there is: everything has to go, and then nothing is stored any more.
    void freeSpaceIsKept() {
        options_.minFree = space_->figures().total * 2;
        fill(3);
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, fixture_->store->measure().files);
        CPPUNIT_ASSERT(budget().full() && !budget().admits(1));
        CPPUNIT_ASSERT(logged("cache_min_free"));
    }

    void fullIsSaidOnceAMinuteAndHeals() {
        options_.maxSize = 10 * kOne;
        std::string problem;
        evictorOptions_.pins.push_back(*parsePin("docker.io/x", &problem));
        for (int i = 0; i < 11; ++i) pinned(cat("pinned", i));
        for (int i = 0; i < 3; ++i, at_ += options_.retryEvery) work();
        CPPUNIT_ASSERT(budget().full());
        CPPUNIT_ASSERT_EQUAL(1u, countLogged("nothing left to evict"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{11}, fixture_->store->measure().files);
        options_.maxSize = 100 * kOne;
        at_ += Millis{60'000};
        restart();
        work();
        CPPUNIT_ASSERT(!budget().full() && budget().admits(1));
    }

    void afterAFailureItGoesOn() {
        const std::string away = fixture_->cache + "-away";
        fill(1);
        makeKeeper();
        CPPUNIT_ASSERT_EQUAL(0, std::rename(fixture_->cache.c_str(), away.c_str()));
        writeFile(fixture_->cache, "in the way");
        work();
        CPPUNIT_ASSERT_EQUAL(0, std::remove(fixture_->cache.c_str()));
        CPPUNIT_ASSERT_EQUAL(0, std::rename(away.c_str(), fixture_->cache.c_str()));
        later();
        work();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shared_.counters().get(Gauge::kStoreFiles));
    }

private:
    StoreBudget& budget() { return shared_.budget(); }

    void fill(int count) {
        for (int i = 0; i < count; ++i) fixture_->put(cat("content ", ++made_));
    }

    void pinned(const std::string& text) {
        const Digest digest = fixture_->put(text, ContentKind::kManifest);
        fixture_->store->putLink({"docker.io", "library/x"}, ContentKind::kManifest, digest,
                                 false);
    }

    void makeKeeper() {
        evictor_ = std::make_unique<Evictor>(evictorOptions_);
        options_.evictor = evictor_.get();
        keeper_ = std::make_unique<DiskKeeper>(options_);
    }

    void restart() { keeper_.reset(); }

    void work() {
        if (!keeper_) makeKeeper();
        keeper_->work(at_);
    }

    // Until the store is measured again.
    void later() { at_ += options_.refreshEvery; }

    unsigned countLogged(const std::string& part) const {
        unsigned count = 0;
        for (const std::string& line : fixture_->logLines()) {
            if (line.find(part) != std::string::npos) ++count;
        }
        return count;
    }
    bool logged(const std::string& part) const { return countLogged(part) > 0; }

    SharedState shared_{SharedState::Options{}};
    std::unique_ptr<StoreFixture> fixture_;
    Evictor::Options evictorOptions_;
    DiskKeeper::Options options_;
    std::unique_ptr<DiskSpace> space_;
    std::unique_ptr<Evictor> evictor_;
    std::unique_ptr<DiskKeeper> keeper_;
    TimePoint at_ = now();
    int made_ = 0;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DiskKeeperTest);

}  // namespace ociproxy
