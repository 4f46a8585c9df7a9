#include "ociproxy/shm/claim_table.h"

#include <set>
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "support/claim_fixture.h"

namespace ociproxy {

// Rings, and which slot a new key gets.
class ClaimSlotsTest : public ClaimFixture {
    CPPUNIT_TEST_SUITE(ClaimSlotsTest);
    CPPUNIT_TEST(progressRingsSeldom);
    CPPUNIT_TEST(everyChangeRings);
    CPPUNIT_TEST(watchersStayOverTakeovers);
    CPPUNIT_TEST(watchersEndWithTheirKeyOrTheirWorker);
    CPPUNIT_TEST(aBucketCanBeFull);
    CPPUNIT_TEST(whatEndedAMomentAgoKeepsItsSlot);
    CPPUNIT_TEST(slotsAreReusedInOrder);
    CPPUNIT_TEST(watchedOrphansStayLonger);
    CPPUNIT_TEST(lineagesInUseAreThoseOfUnfinishedClaims);
    CPPUNIT_TEST(nonsenseInASlotCountsAsFree);
    CPPUNIT_TEST(theCensusCountsWhatIsUsed);
    CPPUNIT_TEST_SUITE_END();

public:
    void theCensusCountsWhatIsUsed() {
        const auto count = [this](ClaimState state) {
            return claims_.census()->inState.at(static_cast<std::size_t>(state));
        };
        CPPUNIT_ASSERT_EQUAL(16u, claims_.census()->slots);
        CPPUNIT_ASSERT_EQUAL(16u, count(ClaimState::kFree));
        claims_.finish(claim("a", two_).handle);
        claims_.fail(claim("b", two_).handle, failure(false), kKeep);
        claims_.verified(claim("c", two_).handle, 1);
        claimAndDie("d", 1);
        claim("e", two_);
        for (ClaimState state : {ClaimState::kCommitted, ClaimState::kFailed,
                                 ClaimState::kVerified, ClaimState::kOrphaned,
                                 ClaimState::kRunning}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(claimStateName(state), 1u, count(state));
        }
        CPPUNIT_ASSERT_EQUAL(11u, count(ClaimState::kFree));
        age("a", kKeep);
        CPPUNIT_ASSERT_EQUAL(0u, count(ClaimState::kCommitted));
        CPPUNIT_ASSERT_EQUAL(12u, count(ClaimState::kFree));
    }

    void progressRingsSeldom() {
        const ClaimHandle handle = claim("a", one_).handle;
        claims_.find(key("a"), 2);
        claims_.start(handle, 10'000'000);
        assertRings(2, [&] { claims_.progress(handle, 1); });
        slot("a").rungNs = monotonicNs() + ns(kKeep);  // the clock stands still
        assertSilent(2, [&] { claims_.progress(handle, 2); });
        assertSilent(2, [&] { claims_.progress(handle, 1024 * 1024); });
        assertRings(2, [&] { claims_.progress(handle, 1024 * 1024 + 1); });
        slot("a").rungNs = monotonicNs() + ns(kKeep);
        assertSilent(2, [&] { claims_.progress(handle, 1024 * 1024 + 2); });
        assertRings(2, [&] { claims_.start(handle, 1024 * 1024 + 9); });
        assertRings(2, [&] { claims_.progress(handle, 1024 * 1024 + 9); });
        assertSilent(2, [&] { claims_.progress(handle, 1024 * 1024 + 10); });
        slot("a").rungNs = monotonicNs() - ns(Millis{100});
        assertRings(2, [&] { claims_.progress(handle, 1024 * 1024 + 11); });
    }

    void everyChangeRings() {
        ClaimHandle handle = claim("a", one_).handle;
        claims_.find(key("a"), 2);
        claims_.find(key("a"), 63);
        assertRings(2, [&] { claims_.start(handle, 5); });
        assertRings(63, [&] { claims_.newLineage(handle); });
        assertRings(63, [&] { claims_.verified(handle, 5); });
        assertRings(2, [&] { claims_.finish(handle); });
        assertRings(2, [&] { handle = claim("a", one_).handle; });
        assertRings(2, [&] { claims_.fail(handle, failure(true), kKeep); });
        assertRings(2, [&] { handle = claim("a", one_).handle; });
        assertRings(63, [&] { claims_.abandon(handle); });
        assertRings(2, [&] { handle = claim("a", one_).handle; });
        tables_.workers.raise(1);
        assertRings(2, [&] { claims_.sweep(one_); });
        assertSilent(1, [&] { claims_.finish(claim("a", two_).handle); });
        assertSilent(2, [&] { claims_.find(key("a")); });
        assertSilent(2, [&] { claims_.finish(claim("b", two_).handle); });
    }

    void watchersStayOverTakeovers() {
        claim("a", one_);
        claims_.find(key("a"), 7);
        hang(1);
        assertRings(7, [&] { claim("a", two_); });
        tables_.workers.raise(2);
        ClaimHandle handle;
        const WorkerId three = tables_.workers.raise(3);
        assertRings(7, [&] { handle = claim("a", three).handle; });
        assertRings(7, [&] { claims_.verified(handle, 1); });
        assertRings(7, [&] { claims_.finish(handle); });
    }

    void watchersEndWithTheirKeyOrTheirWorker() {
        const ClaimHandle first = claim("a", one_).handle;
        claims_.find(key("a"), 7);
        claims_.find(key("a"), 2);
        claims_.find(key("a"), 1);
        claims_.sweep(two_);
        assertSilent(2, [&] { claims_.start(first, 1); });
        assertRings(7, [&] { claims_.finish(first); });
        age("a", kKeep);
        fillBucket();
        assertSilent(7, [&] { claims_.finish(handles_.front()); });
    }

    void aBucketCanBeFull() {
        fillBucket();
        CPPUNIT_ASSERT_EQUAL(std::size_t{16}, handles_.size());
        CPPUNIT_ASSERT(claim("more", two_).outcome == Outcome::kFull);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, tables_.counters.get(Counter::kClaimTableFull));
        CPPUNIT_ASSERT(claim("fill 3", two_).outcome == Outcome::kTaken);
        claims_.abandon(handles_[3]);
        const ClaimTable::Result room = claim("more", two_);
        CPPUNIT_ASSERT(room.outcome == Outcome::kOwner);
        CPPUNIT_ASSERT_EQUAL(handles_[3].slot, room.handle.slot);
        CPPUNIT_ASSERT(!claims_.owns(handles_[3]));
    }

    void whatEndedAMomentAgoKeepsItsSlot() {
        fillBucket();
        claims_.finish(handles_[5]);
        claims_.fail(handles_[6], failure(false), Millis{0});
        CPPUNIT_ASSERT(claim("more", two_).outcome == Outcome::kFull);
        age("fill 5", kMoment);
        CPPUNIT_ASSERT_EQUAL(handles_[5].slot, claim("more", two_).handle.slot);
        CPPUNIT_ASSERT(!claims_.find(key("fill 5")));
        age("fill 6", kMoment);
        CPPUNIT_ASSERT_EQUAL(handles_[6].slot, claim("still more", two_).handle.slot);
    }

    void slotsAreReusedInOrder() {
        fillBucket();
        claims_.fail(handles_[2], failure(false), kKeep);  // remembered, ended first
        age("fill 2", kMoment * 3);
        claims_.fail(handles_[9], failure(false), kKeep);  // remembered
        age("fill 9", kMoment);
        claims_.finish(handles_[4]);  // forgotten
        age("fill 4", kKeep);
        orphan(handles_[1], Millis{61'000});
        orphan(handles_[8], Millis{59'000});  // not old enough
        claims_.abandon(handles_[7]);
        for (std::size_t expected : {7u, 4u, 1u, 2u, 9u}) {
            const ClaimTable::Result got = claim("new " + std::to_string(expected), two_);
            CPPUNIT_ASSERT(got.outcome == Outcome::kOwner && !got.adoption);
            CPPUNIT_ASSERT_EQUAL(handles_[expected].slot, got.handle.slot);
        }
        CPPUNIT_ASSERT(claim("too many", two_).outcome == Outcome::kFull);
    }

    void watchedOrphansStayLonger() {
        fillBucket();
        claims_.find(key("fill 1"), 5);
        orphan(handles_[1], Millis{599'000});
        CPPUNIT_ASSERT(claim("more", two_).outcome == Outcome::kFull);
        age("fill 1", Millis{2'000});
        CPPUNIT_ASSERT(claim("more", two_).outcome == Outcome::kOwner);
    }

    void lineagesInUseAreThoseOfUnfinishedClaims() {
        const ClaimTable::Result running = claim("a", two_);
        const ClaimTable::Result verified = claim("b", two_);
        claims_.verified(verified.handle, 1);
        claims_.finish(claim("c", two_).handle);
        claims_.fail(claim("d", two_).handle, failure(true), kKeep);
        const ClaimTable::Result orphaned = claimAndDie("e", 1);
        const std::set<std::uint64_t> expected = {running.lineage, verified.lineage,
                                                  orphaned.lineage};
        CPPUNIT_ASSERT(expected == claims_.lineagesInUse());
        age("e", Millis{61'000});  // nobody went on: its file is nobody's
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, claims_.lineagesInUse()->count(orphaned.lineage));
    }

    void nonsenseInASlotCountsAsFree() {
        ClaimHandle handle = claim("a", one_).handle;
        slot("a").state = 77;
        CPPUNIT_ASSERT(!claims_.find(key("a")) && !claims_.owns(handle));
        handle = claim("a", one_).handle;
        slot("a").ownerIndex = UINT32_MAX;
        CPPUNIT_ASSERT(!claims_.find(key("a")) && !claims_.owns(handle));
        handle = claim("a", one_).handle;
        claims_.progress(handle, 5);
        slot("a").bytes = 6;  // nobody may believe that these are there
        CPPUNIT_ASSERT(!claims_.find(key("a")) && !claims_.owns(handle));
        CPPUNIT_ASSERT(claim("a", one_).outcome == Outcome::kOwner);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimSlotsTest);

}  // namespace ociproxy
