#include "ociproxy/shm/worker_table.h"

#include <chrono>
#include <thread>

#include <cppunit/extensions/HelperMacros.h>

#include "support/shared_tables.h"

namespace ociproxy {

namespace {

constexpr Millis kForEver{100'000};
constexpr Millis kLostWakeup{20'000};  // no wait of these tests takes nearly as long

}  // namespace

class WorkerTableTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(WorkerTableTest);
    CPPUNIT_TEST(nobodyIsCurrentBeforeTheFirstRaise);
    CPPUNIT_TEST(raiseEndsTheEarlierIncarnation);
    CPPUNIT_TEST(indicesAreIndependentOfEachOther);
    CPPUNIT_TEST(indicesBeyondTheTableAreNobody);
    CPPUNIT_TEST(aFreshIncarnationIsResponsive);
    CPPUNIT_TEST(withoutBeatNobodyIsResponsive);
    CPPUNIT_TEST(aBeatOfThePastIsNotHeard);
    CPPUNIT_TEST(onlyLivingWorkersAccept);
    CPPUNIT_TEST(waitSeesARingThatCameBefore);
    CPPUNIT_TEST(waitEndsAtItsTime);
    CPPUNIT_TEST(aRingWakesEveryWaitingThread);
    CPPUNIT_TEST(doorbellsAreSeparate);
    CPPUNIT_TEST(noWakeupIsLostBetweenProcesses);
    CPPUNIT_TEST_SUITE_END();

public:
    void nobodyIsCurrentBeforeTheFirstRaise() {
        CPPUNIT_ASSERT(!table_.isCurrent({0, 0}));
        CPPUNIT_ASSERT(!table_.isResponsive({0, 0}));
        CPPUNIT_ASSERT(!table_.isCurrent({0, 1}));
    }

    void raiseEndsTheEarlierIncarnation() {
        const WorkerId first = table_.raise(3);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{3}, first.index);
        CPPUNIT_ASSERT(table_.isCurrent(first));
        const WorkerId second = table_.raise(3);
        CPPUNIT_ASSERT(!table_.isCurrent(first) && !table_.isResponsive(first));
        CPPUNIT_ASSERT(table_.isCurrent(second) && !(first == second));
    }

    void indicesAreIndependentOfEachOther() {
        const WorkerId low = table_.raise(0);
        const WorkerId high = table_.raise(kMaxWorkers - 1);
        table_.raise(1);
        CPPUNIT_ASSERT(table_.isCurrent(low) && table_.isCurrent(high));
    }

    void indicesBeyondTheTableAreNobody() {
        CPPUNIT_ASSERT(!table_.isCurrent({kMaxWorkers, 1}));
        CPPUNIT_ASSERT(!table_.isResponsive({UINT32_MAX, 1}));
    }

    void aFreshIncarnationIsResponsive() {
        tables_.workerSlots[2].beatNs = 0;
        CPPUNIT_ASSERT(table_.isResponsive(table_.raise(2)));
    }

    void withoutBeatNobodyIsResponsive() {
        const WorkerId id = table_.raise(2);
        const std::int64_t hung = std::chrono::nanoseconds(WorkerTable::kSilentAfter).count();
        tables_.workerSlots[2].beatNs = monotonicNs() - hung - 1;
        CPPUNIT_ASSERT(table_.isCurrent(id) && !table_.isResponsive(id));
        tables_.workerSlots[2].beatNs = monotonicNs() - hung / 2;
        CPPUNIT_ASSERT(table_.isResponsive(id));
        tables_.workerSlots[2].beatNs = 0;
        table_.beat(id);
        CPPUNIT_ASSERT(table_.isResponsive(id));
        CPPUNIT_ASSERT(monotonicNs() - table_.lastBeatNs(2) < hung);
    }

    void aBeatOfThePastIsNotHeard() {
        const WorkerId old = table_.raise(2);
        table_.raise(2);
        tables_.workerSlots[2].beatNs = 7;
        table_.beat(old);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{7}, table_.lastBeatNs(2));
    }

    void onlyLivingWorkersAccept() {
        const WorkerId first = table_.raise(0);
        const WorkerId second = table_.raise(1);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, table_.acceptingCount());
        table_.setAccepting(first, true);
        table_.setAccepting(second, true);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{2}, table_.acceptingCount());
        table_.setAccepting(first, false);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{1}, table_.acceptingCount());
        const WorkerId next = table_.raise(1);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, table_.acceptingCount());
        table_.setAccepting(second, true);  // the dead say nothing
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, table_.acceptingCount());
        table_.setAccepting(next, true);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{1}, table_.acceptingCount());
        const std::int64_t hung = std::chrono::nanoseconds(WorkerTable::kSilentAfter).count();
        tables_.workerSlots[1].beatNs = monotonicNs() - hung - 1;
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, table_.acceptingCount());
    }

    void waitSeesARingThatCameBefore() {
        const std::uint32_t seen = table_.doorbell(1);
        table_.ring(1);
        CPPUNIT_ASSERT(table_.doorbell(1) != seen);
        const TimePoint began = now();
        table_.wait(1, seen, kForEver);
        CPPUNIT_ASSERT(now() - began < kLostWakeup);
    }

    void waitEndsAtItsTime() {
        const TimePoint began = now();
        table_.wait(1, table_.doorbell(1), Millis{20});
        CPPUNIT_ASSERT(now() - began >= Millis{20});
        table_.wait(1, table_.doorbell(1), Millis{0});
        table_.wait(1, table_.doorbell(1), Millis{-5});
        CPPUNIT_ASSERT(now() - began < kLostWakeup);
    }

    void aRingWakesEveryWaitingThread() {
        std::atomic<int> ready{0};
        const std::uint32_t seen = table_.doorbell(1);
        const auto body = [&] {
            ++ready;
            table_.wait(1, seen, Millis::max());
        };
        const TimePoint began = now();
        std::thread a(body);
        std::thread b(body);
        awaitAtLeast(ready, 2);
        table_.ring(1);
        a.join();
        b.join();
        CPPUNIT_ASSERT(now() - began < kLostWakeup);
    }

    void doorbellsAreSeparate() {
        const std::uint32_t seen = table_.doorbell(1);
        table_.ring(0);
        table_.ring(2);
        CPPUNIT_ASSERT_EQUAL(seen, table_.doorbell(1));
    }

    // Each process waits for the other's ring, thousands of times, with no time-out to help.
    void noWakeupIsLostBetweenProcesses() {
        constexpr std::uint32_t kRounds = 5'000;
        const TimePoint began = now();
        const pid_t child = forkChild([this] { playBall(1, 0); });
        table_.ring(1);
        playBall(0, 1);
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT(now() - began < kLostWakeup);
        CPPUNIT_ASSERT_EQUAL(kRounds, table_.doorbell(0));
    }

private:
    void playBall(std::uint32_t mine, std::uint32_t other) {
        for (std::uint32_t round = 0; round < 5'000; ++round) {
            table_.wait(mine, round, kForEver);
            table_.ring(other);
        }
    }

    SharedTables<> tables_;
    WorkerTable& table_ = tables_.workers;
};

CPPUNIT_TEST_SUITE_REGISTRATION(WorkerTableTest);

}  // namespace ociproxy
