#include "ociproxy/shm/counters.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/shm/shared_state.h"
#include "support/shared_tables.h"

namespace ociproxy {

class CountersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CountersTest);
    CPPUNIT_TEST(beginWithZeroAndAdd);
    CPPUNIT_TEST(gaugesTakeTheLatestValue);
    CPPUNIT_TEST(everyCounterHasItsOwnNameAndPlace);
    CPPUNIT_TEST(nothingIsLostBetweenThreadsAndProcesses);
    CPPUNIT_TEST(theRegionHoldsAllTables);
    CPPUNIT_TEST(linesOfTwoRunsDiffer);
    CPPUNIT_TEST_SUITE_END();

public:
    void beginWithZeroAndAdd() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.get(Counter::kHits));
        counters_.add(Counter::kHits);
        counters_.add(Counter::kHits, 41);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{42}, counters_.get(Counter::kHits));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.get(Counter::kMisses));
    }

    void gaugesTakeTheLatestValue() {
        counters_.set(Gauge::kStoreBytes, UINT64_MAX);
        counters_.set(Gauge::kStoreFiles, 3);
        counters_.set(Gauge::kStoreBytes, 5);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, counters_.get(Gauge::kStoreBytes));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, counters_.get(Gauge::kStoreFiles));
    }

    void everyCounterHasItsOwnNameAndPlace() {
        std::set<std::string> names;
        const std::uint32_t count = static_cast<std::uint32_t>(Counter::kCount);
        for (std::uint32_t i = 0; i < count; ++i) {
            names.insert(counterName(static_cast<Counter>(i)));
            counters_.add(static_cast<Counter>(i), i + 1);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{count}, names.size());
        for (std::uint32_t i = 0; i < count; ++i) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{i + 1}, counters_.get(static_cast<Counter>(i)));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("bytes_sent"),
                             std::string(counterName(Counter::kBytesSent)));
        CPPUNIT_ASSERT_EQUAL(std::string("lock_repaired"),
                             std::string(counterName(Counter::kLockRepaired)));
    }

    void nothingIsLostBetweenThreadsAndProcesses() {
        const auto addMany = [this] {
            for (int i = 0; i < 20'000; ++i) counters_.add(Counter::kRequests);
        };
        const pid_t child = forkChild(addMany);
        std::thread one(addMany);
        std::thread two(addMany);
        one.join();
        two.join();
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{60'000}, counters_.get(Counter::kRequests));
    }

    void theRegionHoldsAllTables() {
        SharedState state({32, 2});
        const WorkerId me = state.workers().raise(63);
        const ClaimKey key = claimKey({"test"});
        const pid_t child = forkChild([&] {
            const bool owner = state.claims().claim(key, me, Sha256{}).outcome ==
                               ClaimTable::Outcome::kOwner;
            const bool kept = state.tokens().put(key, "secret", INT64_MAX);
            state.counters().add(Counter::kFills, owner && kept ? 1 : 0);
        });
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, state.counters().get(Counter::kFills));
        CPPUNIT_ASSERT(state.claims().find(key)->state == ClaimState::kRunning);
        CPPUNIT_ASSERT(state.claims().find(key)->owner == me);
        CPPUNIT_ASSERT_EQUAL(std::string("secret"), *state.tokens().find(key));
    }

    // Files are named after lineages: those of an earlier run must not look like ours.
    void linesOfTwoRunsDiffer() {
        const ClaimKey key = claimKey({"test"});
        std::set<std::uint64_t> lineages;
        for (int run = 0; run < 8; ++run) {
            SharedState state({16, 1});
            const WorkerId me = state.workers().raise(0);
            const std::uint64_t lineage = state.claims().claim(key, me, Sha256{}).lineage;
            CPPUNIT_ASSERT(lineage != 0 && lineage <= std::uint64_t{1} << 48);
            lineages.insert(lineage);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{8}, lineages.size());
    }

private:
    SharedTables<> tables_;
    Counters& counters_ = tables_.counters;
};

CPPUNIT_TEST_SUITE_REGISTRATION(CountersTest);

}  // namespace ociproxy
