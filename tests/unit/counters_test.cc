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
    CPPUNIT_TEST(everyCounterHasItsOwnPlace);
    CPPUNIT_TEST(nothingIsLostBetweenThreadsAndProcesses);
    CPPUNIT_TEST(cellsOfWorkersAreAddedUp);
    CPPUNIT_TEST(aNewIncarnationGoesOnCounting);
    CPPUNIT_TEST(raiseEndsTheGaugesOfItsIndexAlone);
    CPPUNIT_TEST(observationsFallIntoTheirBuckets);
    CPPUNIT_TEST(resultsAreKeptApart);
    CPPUNIT_TEST(causesAreKeptApart);
    CPPUNIT_TEST(theRegionHoldsAllTables);
    CPPUNIT_TEST(linesOfTwoRunsDiffer);
    CPPUNIT_TEST_SUITE_END();

public:
    void beginWithZeroAndAdd() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.get(Counter::kBytesSent));
        counters_.add(Counter::kBytesSent);
        counters_.add(Counter::kBytesSent, 41);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{42}, counters_.get(Counter::kBytesSent));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.get(Counter::kBytesSaved));
    }

    void gaugesTakeTheLatestValue() {
        counters_.set(Gauge::kStoreBytes, UINT64_MAX);
        counters_.set(Gauge::kStoreFiles, 3);
        counters_.set(Gauge::kStoreBytes, 5);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, counters_.get(Gauge::kStoreBytes));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, counters_.get(Gauge::kStoreFiles));
    }

    void everyCounterHasItsOwnPlace() {
        const std::uint32_t count = static_cast<std::uint32_t>(Counter::kCount);
        for (std::uint32_t i = 0; i < count; ++i) {
            counters_.add(static_cast<Counter>(i), i + 1);
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{i + 1}, counters_.get(static_cast<Counter>(i)));
        }
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

    void cellsOfWorkersAreAddedUp() {
        counters_.add(Counter::kRequests);
        for (std::uint32_t index : {0u, 1u, kMaxWorkers - 1}) {
            Counters worker(tables_.counterBlock.get());
            worker.workAs(index);
            worker.add(Counter::kRequests, 10);
            worker.change(WorkerGauge::kFollowers, 2);
            worker.fillFailed(3);
            worker.finished(RequestResult::kHit, Micros{1}, Micros{2});
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{31}, counters_.get(Counter::kRequests));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{6}, counters_.get(WorkerGauge::kFollowers));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, counters_.fillsFailed(3));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, counters_.duration(RequestResult::kHit).count());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3},
                             counters_.firstByte(RequestResult::kHit).sumMicros);
    }

    void aNewIncarnationGoesOnCounting() {
        for (std::uint64_t life = 1; life <= 3; ++life) {
            tables_.workers.raise(5);
            const pid_t child = forkChild([this] {
                counters_.workAs(5);
                counters_.add(Counter::kRequests, 7);
                counters_.finished(RequestResult::kMiss, Micros{1}, Micros{1});
                ::_exit(0);  // as suddenly as any death
            });
            CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
            tables_.workers.raise(5);
            CPPUNIT_ASSERT_EQUAL(7 * life, counters_.get(Counter::kRequests));
            CPPUNIT_ASSERT_EQUAL(life, counters_.duration(RequestResult::kMiss).count());
        }
    }

    void raiseEndsTheGaugesOfItsIndexAlone() {
        for (std::uint32_t index : {4u, 5u}) {
            Counters worker(tables_.counterBlock.get());
            worker.workAs(index);
            worker.change(WorkerGauge::kConnectionsIdle, 3);
            worker.change(WorkerGauge::kFillsRunning, 1);
        }
        tables_.workers.raise(5);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{3}, counters_.get(WorkerGauge::kConnectionsIdle));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{1}, counters_.get(WorkerGauge::kFillsRunning));
        tables_.workers.raise(4);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, counters_.get(WorkerGauge::kConnectionsIdle));
    }

    void observationsFallIntoTheirBuckets() {
        const auto took = [this](std::int64_t micros) {
            counters_.finished(RequestResult::kHit, Micros{0}, Micros{micros});
        };
        for (std::int64_t micros : {-5, 0, 500, 501, 1'000, 300'000'000, 300'000'001}) {
            took(micros);
        }
        const Histogram seen = counters_.duration(RequestResult::kHit);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, seen.buckets[0]);  // bounds belong to them
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, seen.buckets[1]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, seen.buckets[kHistogramBuckets - 2]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, seen.buckets[kHistogramBuckets - 1]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, seen.count());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{600'002'002}, seen.sumMicros);
    }

    void resultsAreKeptApart() {
        std::set<std::string> names;
        const std::uint8_t count = static_cast<std::uint8_t>(RequestResult::kCount);
        for (std::uint8_t i = 0; i < count; ++i) {
            names.insert(requestResultName(static_cast<RequestResult>(i)));
            for (unsigned n = 0; n <= i; ++n) {
                counters_.finished(static_cast<RequestResult>(i), Micros{i}, Micros{2 * i});
            }
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{count}, names.size());
        for (std::uint8_t i = 0; i < count; ++i) {
            const Histogram seen = counters_.duration(static_cast<RequestResult>(i));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{i} + 1, seen.count());
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{2} * i * (i + 1u), seen.sumMicros);
        }
    }

    void causesAreKeptApart() {
        for (std::uint32_t i = 0; i < kMaxFailureCauses; ++i) {
            for (std::uint32_t n = 0; n <= i; ++n) counters_.fillFailed(i);
        }
        for (std::uint32_t i = 0; i < kMaxFailureCauses; ++i) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{i} + 1, counters_.fillsFailed(i));
        }
    }

    void theRegionHoldsAllTables() {
        SharedState state({32, 2});
        const WorkerId me = state.workers().raise(63);
        const ClaimKey key = claimKey({"test"});
        const pid_t child = forkChild([&] {
            const bool owner = state.claims().claim(key, me, Sha256{}).outcome ==
                               ClaimTable::Outcome::kOwner;
            const bool kept = state.tokens().put(key, "secret", INT64_MAX);
            state.counters().add(Counter::kRequests, owner && kept ? 1 : 0);
            state.upstreams().observe("up.test", UpstreamOutcome::k2xx, Micros{1});
        });
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, state.counters().get(Counter::kRequests));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, state.upstreams().rows().size());
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
