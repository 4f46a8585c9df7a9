#include "ociproxy/shm/store_budget.h"

#include <optional>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "support/shared_tables.h"

namespace ociproxy {

class StoreBudgetTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreBudgetTest);
    CPPUNIT_TEST(aFreshOneHasNoBound);
    CPPUNIT_TEST(contentTakesPagesAndOneForItsMetadata);
    CPPUNIT_TEST(whatIsLargerThanTheBoundIsNeverAdmitted);
    CPPUNIT_TEST(roomIsWhatIsFreeAndWhatMayBeEvicted);
    CPPUNIT_TEST(whatIsInFlightTakesRoom);
    CPPUNIT_TEST(nothingIsAdmittedWhileFull);
    CPPUNIT_TEST(aCorrectionKeepsWhatWasCommittedMeanwhile);
    CPPUNIT_TEST(everyCommitAboveTheMarkRings);
    CPPUNIT_TEST(noCommitIsLostBetweenThreadsAndProcesses);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t kPage = 4096;
    static constexpr std::uint64_t kBound = 100 * kPage;

public:
    void aFreshOneHasNoBound() {
        CPPUNIT_ASSERT(budget_.admits(std::nullopt));
        CPPUNIT_ASSERT(budget_.admits(~std::uint64_t{0}));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, budget_.used());
    }

    void contentTakesPagesAndOneForItsMetadata() {
        CPPUNIT_ASSERT_EQUAL(kPage, StoreBudget::costOf(0));
        CPPUNIT_ASSERT_EQUAL(2 * kPage, StoreBudget::costOf(1));
        CPPUNIT_ASSERT_EQUAL(2 * kPage, StoreBudget::costOf(kPage));
        CPPUNIT_ASSERT_EQUAL(3 * kPage, StoreBudget::costOf(kPage + 1));
    }

    void whatIsLargerThanTheBoundIsNeverAdmitted() {
        budget_.setLimit(kBound, kBound);
        budget_.setEvictable(10 * kBound);
        CPPUNIT_ASSERT(budget_.admits(kBound - kPage));
        CPPUNIT_ASSERT(!budget_.admits(kBound));
        CPPUNIT_ASSERT(!budget_.admits(~std::uint64_t{0}));
    }

    void roomIsWhatIsFreeAndWhatMayBeEvicted() {
        budget_.setLimit(kBound, kBound);
        budget_.committed(97 * kPage);
        CPPUNIT_ASSERT(budget_.admits(kPage));
        CPPUNIT_ASSERT(!budget_.admits(2 * kPage));
        budget_.setEvictable(kPage);
        CPPUNIT_ASSERT(budget_.admits(2 * kPage));
        CPPUNIT_ASSERT(!budget_.admits(3 * kPage));
        CPPUNIT_ASSERT(budget_.admits(std::nullopt));
    }

    void whatIsInFlightTakesRoom() {
        budget_.setLimit(kBound, kBound);
        budget_.setInFlight(98 * kPage);
        CPPUNIT_ASSERT(budget_.admits(kPage));
        CPPUNIT_ASSERT(!budget_.admits(2 * kPage));
    }

    void nothingIsAdmittedWhileFull() {
        budget_.setFull(true);
        CPPUNIT_ASSERT(!budget_.admits(0));
        CPPUNIT_ASSERT(!budget_.admits(std::nullopt));
        budget_.setFull(false);
        CPPUNIT_ASSERT(budget_.admits(0));
    }

    void aCorrectionKeepsWhatWasCommittedMeanwhile() {
        budget_.committed(kPage);
        const std::uint64_t then = budget_.used();
        budget_.committed(3 * kPage);
        budget_.correct(then, 7 * kPage);
        CPPUNIT_ASSERT_EQUAL(11 * kPage, budget_.used());
        budget_.correct(20 * kPage, 0);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, budget_.used());
    }

    void everyCommitAboveTheMarkRings() {
        budget_.setLimit(kBound, 4 * kPage);
        const std::uint32_t before = budget_.bell();
        budget_.committed(3 * kPage);
        CPPUNIT_ASSERT_EQUAL(before, budget_.bell());
        budget_.committed(0);
        CPPUNIT_ASSERT_EQUAL(before + 1, budget_.bell());
        budget_.committed(0);
        CPPUNIT_ASSERT_EQUAL(before + 2, budget_.bell());
        budget_.wait(before, Millis{60'000});  // has rung: does not wait
    }

    void noCommitIsLostBetweenThreadsAndProcesses() {
        constexpr int kEach = 20'000;
        const pid_t child = forkChild([this] { commitMany(kEach); });
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i) threads.emplace_back([this] { commitMany(kEach); });
        for (std::thread& thread : threads) thread.join();
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT_EQUAL(3 * kEach * kPage, budget_.used());
    }

private:
    void commitMany(int count) {
        for (int i = 0; i < count; ++i) budget_.committed(0);
    }

    SharedArray<BudgetCells> cells_;
    StoreBudget budget_{cells_.get()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreBudgetTest);

}  // namespace ociproxy
