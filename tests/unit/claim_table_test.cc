#include "ociproxy/shm/claim_table.h"

#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "support/claim_fixture.h"

namespace ociproxy {

// Who owns, who watches, what is remembered.
class ClaimTableTest : public ClaimFixture {
    CPPUNIT_TEST_SUITE(ClaimTableTest);
    CPPUNIT_TEST(keysAreTypedStrings);
    CPPUNIT_TEST(statesHaveNames);
    CPPUNIT_TEST(theFirstOwnsTheOthersWatch);
    CPPUNIT_TEST(aClaimGoesItsWay);
    CPPUNIT_TEST(whatIsDoneIsFoundForAWhile);
    CPPUNIT_TEST(whatIsDoneIsClaimedAnew);
    CPPUNIT_TEST(aFinalFailureAnswersForItsTime);
    CPPUNIT_TEST(aRetryableFailureIsTriedOnceMore);
    CPPUNIT_TEST(failuresAreNotSharedBetweenRequesters);
    CPPUNIT_TEST(attemptsAreCountedOverRequestersWhileRetryable);
    CPPUNIT_TEST(aFailureWithoutTimeIsForThoseWhoWatch);
    CPPUNIT_TEST(abandonedIsAsNeverClaimed);
    CPPUNIT_TEST(anAbandonedRetryDoesNotCount);
    CPPUNIT_TEST(anAbandonedAdoptionCanBeAdoptedAgain);
    CPPUNIT_TEST(adoptedWorkThatWasThrownAwayIsNot);
    CPPUNIT_TEST(aDeadOwnersWorkIsAdopted);
    CPPUNIT_TEST(aDeadOwnersWorkIsAdoptedBeforeTheSweep);
    CPPUNIT_TEST(theSweepTouchesTheDeadOneOnly);
    CPPUNIT_TEST(anUnresponsiveOwnersWorkIsBegunAnew);
    CPPUNIT_TEST(aWantedFillIsNotLeft);
    CPPUNIT_TEST(aFillThatWasLeftIsAdopted);
    CPPUNIT_TEST(aFillThatWasLeftGivesWaySoon);
    CPPUNIT_TEST(deathsAreNoAttempts);
    CPPUNIT_TEST(everyOperationIsFenced);
    CPPUNIT_TEST(anEndedHandleIsWorthless);
    CPPUNIT_TEST(foreignHandlesAreRefused);
    CPPUNIT_TEST(generationsDoNotRepeat);
    CPPUNIT_TEST(aNewLineageThrowsAway);
    CPPUNIT_TEST(progressDoesNotShrink);
    CPPUNIT_TEST_SUITE_END();

public:
    void keysAreTypedStrings() {
        CPPUNIT_ASSERT(claimKey({"a", "bc"}) != claimKey({"ab", "c"}));
        CPPUNIT_ASSERT(claimKey({"a", "b"}) == sha256Of(std::string("a\0b", 3)));
        CPPUNIT_ASSERT(claimKey({"a"}) == sha256Of("a"));
        CPPUNIT_ASSERT(claimKey({"a", ""}) != claimKey({"a"}));
    }

    void statesHaveNames() {
        CPPUNIT_ASSERT_EQUAL(std::string("free"), std::string(claimStateName(ClaimState::kFree)));
        CPPUNIT_ASSERT_EQUAL(std::string("orphaned"),
                             std::string(claimStateName(ClaimState::kOrphaned)));
    }

    void theFirstOwnsTheOthersWatch() {
        CPPUNIT_ASSERT(!claims_.find(key("a")));
        const ClaimTable::Result first = claim("a", one_);
        CPPUNIT_ASSERT(first.outcome == Outcome::kOwner && !first.adoption);
        CPPUNIT_ASSERT(first.lineage != 0 && first.attempt == 1);
        for (const WorkerId& other : {two_, one_}) {
            const ClaimTable::Result taken = claim("a", other, bob_);
            CPPUNIT_ASSERT(taken.outcome == Outcome::kTaken);
            CPPUNIT_ASSERT(taken.view.state == ClaimState::kRunning && taken.view.owner == one_);
            CPPUNIT_ASSERT_EQUAL(first.handle.generation, taken.view.generation);
            CPPUNIT_ASSERT_EQUAL(first.lineage, taken.view.lineage);
            CPPUNIT_ASSERT(taken.view.ownerResponsive && taken.view.requester == ann_);
        }
        CPPUNIT_ASSERT(claim("b", two_).outcome == Outcome::kOwner);
        CPPUNIT_ASSERT(claims_.owns(first.handle));
    }

    void aClaimGoesItsWay() {
        const ClaimHandle handle = claim("a", one_).handle;
        CPPUNIT_ASSERT(!found("a").started && found("a").total == kUnknownLength);
        CPPUNIT_ASSERT(claims_.start(handle, 100));
        CPPUNIT_ASSERT(found("a").started && found("a").total == 100);
        CPPUNIT_ASSERT(claims_.progress(handle, 60));
        CPPUNIT_ASSERT(found("a").state == ClaimState::kRunning && found("a").bytes == 60);
        CPPUNIT_ASSERT(claims_.verified(handle, 100));
        CPPUNIT_ASSERT(found("a").state == ClaimState::kVerified && found("a").bytes == 100);
        CPPUNIT_ASSERT(claim("a", two_).outcome == Outcome::kTaken);
        CPPUNIT_ASSERT(claims_.finish(handle));
        CPPUNIT_ASSERT(found("a").state == ClaimState::kCommitted && found("a").total == 100);
    }

    void whatIsDoneIsFoundForAWhile() {
        claims_.finish(claim("a", one_).handle);
        age("a", ClaimTable::kKeepDone - Millis{500});
        CPPUNIT_ASSERT(claims_.find(key("a")));
        age("a", Millis{500});
        CPPUNIT_ASSERT(!claims_.find(key("a")));
    }

    void whatIsDoneIsClaimedAnew() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.finish(first.handle);
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(second.outcome == Outcome::kOwner && second.attempt == 1);
        CPPUNIT_ASSERT(second.handle.generation > first.handle.generation);
        CPPUNIT_ASSERT(second.lineage != first.lineage);
        CPPUNIT_ASSERT(found("a").owner == two_ && found("a").bytes == 0);
    }

    void aFinalFailureAnswersForItsTime() {
        CPPUNIT_ASSERT(claims_.fail(claim("a", one_).handle, failure(false), kKeep));
        const ClaimTable::Result refused = claim("a", two_);
        CPPUNIT_ASSERT(refused.outcome == Outcome::kFailed);
        CPPUNIT_ASSERT(refused.view.state == ClaimState::kFailed);
        CPPUNIT_ASSERT(refused.view.failure.kind == 5 && refused.view.failure.status == 503);
        CPPUNIT_ASSERT(refused.view.failure.retryAfter == 7 && !refused.view.failure.retryable);
        age("a", kKeep);
        CPPUNIT_ASSERT(!claims_.find(key("a")));
        const ClaimTable::Result again = claim("a", two_);
        CPPUNIT_ASSERT(again.outcome == Outcome::kOwner && again.attempt == 1);
        CPPUNIT_ASSERT_EQUAL(0u, found("a").failure.status);
    }

    void aRetryableFailureIsTriedOnceMore() {
        claims_.fail(claim("a", one_).handle, failure(true), kKeep);
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(second.outcome == Outcome::kOwner && second.attempt == 2);
        CPPUNIT_ASSERT(claim("a", one_).outcome == Outcome::kTaken);
        claims_.fail(second.handle, failure(true), kKeep);
        const ClaimTable::Result third = claim("a", one_);
        CPPUNIT_ASSERT(third.outcome == Outcome::kFailed && third.view.attempt == 2);
        age("a", kKeep);
        CPPUNIT_ASSERT_EQUAL(1u, claim("a", one_).attempt);
    }

    void failuresAreNotSharedBetweenRequesters() {
        claims_.fail(claim("a", one_, ann_).handle, failure(false), kKeep);
        CPPUNIT_ASSERT(claim("a", two_, ann_).outcome == Outcome::kFailed);
        const ClaimTable::Result other = claim("a", two_, bob_);
        CPPUNIT_ASSERT(other.outcome == Outcome::kOwner && other.attempt == 1);
        CPPUNIT_ASSERT(found("a").requester == bob_);
        // What may pass is the upstream's trouble: the count goes on, whoever asks.
        claims_.fail(other.handle, failure(true), kKeep);
        CPPUNIT_ASSERT_EQUAL(2u, claim("a", one_, ann_).attempt);
    }

    void attemptsAreCountedOverRequestersWhileRetryable() {
        claims_.fail(claim("a", one_, ann_).handle, failure(true), kKeep);
        for (const Sha256& who : {bob_, ann_, bob_}) {
            const ClaimTable::Result next = claim("a", two_, who);
            CPPUNIT_ASSERT(next.outcome == Outcome::kOwner);
            CPPUNIT_ASSERT_EQUAL(ClaimTable::kMaxAttempts, next.attempt);
            claims_.fail(next.handle, failure(true), kKeep);
            CPPUNIT_ASSERT(claim("a", one_, who).outcome == Outcome::kFailed);
        }
        const ClaimTable::Result said = claim("a", two_, ann_);
        claims_.fail(said.handle, failure(false), kKeep);  // what it says to one
        CPPUNIT_ASSERT_EQUAL(1u, claim("a", one_, bob_).attempt);  // is nothing to another
    }

    void aFailureWithoutTimeIsForThoseWhoWatch() {
        claims_.fail(claim("a", one_).handle, failure(false), Millis{0});
        CPPUNIT_ASSERT(found("a").state == ClaimState::kFailed);
        age("a", kMoment);
        CPPUNIT_ASSERT(!claims_.find(key("a")));
        claims_.fail(claim("a", one_).handle, failure(false), Millis{0});
        CPPUNIT_ASSERT(claim("a", two_).outcome == Outcome::kOwner);
    }

    void abandonedIsAsNeverClaimed() {
        const ClaimHandle handle = claim("a", one_).handle;
        CPPUNIT_ASSERT(claims_.abandon(handle));
        CPPUNIT_ASSERT(!claims_.find(key("a")) && !claims_.owns(handle));
        const ClaimTable::Result next = claim("a", two_);
        CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.attempt == 1 && !next.adoption);
    }

    void anAbandonedRetryDoesNotCount() {
        claims_.fail(claim("a", one_).handle, failure(true), kKeep);
        claims_.abandon(claim("a", two_).handle);
        CPPUNIT_ASSERT(found("a").state == ClaimState::kFailed && found("a").attempt == 1);
        CPPUNIT_ASSERT_EQUAL(503u, found("a").failure.status);
        const ClaimTable::Result retry = claim("a", two_);
        CPPUNIT_ASSERT(retry.outcome == Outcome::kOwner && retry.attempt == 2);
        age("a", kKeep);
        claims_.abandon(retry.handle);
        CPPUNIT_ASSERT(!claims_.find(key("a")));
    }

    void anAbandonedAdoptionCanBeAdoptedAgain() {
        const ClaimTable::Result first = claimAndDie("a", 70);
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(claims_.abandon(second.handle));
        CPPUNIT_ASSERT(found("a").state == ClaimState::kOrphaned);
        CPPUNIT_ASSERT(!claims_.owns(second.handle));
        const ClaimTable::Result third = claim("a", two_);
        CPPUNIT_ASSERT(third.adoption && third.adoption->lineage == first.lineage);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{70}, third.adoption->bytes);
    }

    void adoptedWorkThatWasThrownAwayIsNot() {
        claimAndDie("a", 70);
        const ClaimHandle handle = claim("a", two_).handle;
        claims_.newLineage(handle);
        claims_.abandon(handle);
        CPPUNIT_ASSERT(!claims_.find(key("a")));
        CPPUNIT_ASSERT(!claim("a", two_).adoption);
    }

    void aDeadOwnersWorkIsAdopted() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.start(first.handle, 1000);
        claims_.progress(first.handle, 500);
        tables_.workers.raise(1);
        CPPUNIT_ASSERT_EQUAL(1u, claims_.sweep(one_));
        CPPUNIT_ASSERT(found("a").state == ClaimState::kOrphaned && !found("a").ownerResponsive);
        const ClaimTable::Result second = claim("a", two_, bob_);
        CPPUNIT_ASSERT(second.outcome == Outcome::kOwner && second.adoption);
        CPPUNIT_ASSERT_EQUAL(first.lineage, second.lineage);
        CPPUNIT_ASSERT_EQUAL(first.lineage, second.adoption->lineage);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{500}, second.adoption->bytes);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{500}, found("a").bytes);
        CPPUNIT_ASSERT(found("a").started && found("a").total == 1000);
        CPPUNIT_ASSERT(found("a").owner == two_ && found("a").requester == bob_);
        CPPUNIT_ASSERT(!claims_.owns(first.handle) && claims_.owns(second.handle));
    }

    void aDeadOwnersWorkIsAdoptedBeforeTheSweep() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.progress(first.handle, 5);
        tables_.workers.raise(1);
        CPPUNIT_ASSERT(!found("a").ownerResponsive);
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(second.adoption && second.adoption->bytes == 5);
        CPPUNIT_ASSERT_EQUAL(0u, claims_.sweep(one_));
        CPPUNIT_ASSERT(claims_.owns(second.handle));
    }

    void theSweepTouchesTheDeadOneOnly() {
        const ClaimHandle others = claim("a", two_).handle;
        claims_.finish(claim("b", one_).handle);
        const ClaimHandle verified = claim("c", one_).handle;
        claims_.verified(verified, 9);
        const WorkerId next = tables_.workers.raise(1);
        const ClaimHandle heirs = claim("d", next).handle;
        CPPUNIT_ASSERT_EQUAL(1u, claims_.sweep(one_));
        CPPUNIT_ASSERT_EQUAL(0u, claims_.sweep(one_));
        CPPUNIT_ASSERT(claims_.owns(others) && claims_.owns(heirs) && !claims_.owns(verified));
        CPPUNIT_ASSERT(found("b").state == ClaimState::kCommitted);
        CPPUNIT_ASSERT(found("c").state == ClaimState::kOrphaned);
    }

    void anUnresponsiveOwnersWorkIsBegunAnew() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.start(first.handle, 1000);
        claims_.progress(first.handle, 500);
        hang(1);
        CPPUNIT_ASSERT(!found("a").ownerResponsive);
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(second.outcome == Outcome::kOwner && second.adoption->ownerLives);
        CPPUNIT_ASSERT_EQUAL(first.lineage, second.adoption->lineage);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{500}, second.adoption->bytes);
        CPPUNIT_ASSERT(second.adoption->started && second.adoption->total == 1000);
        CPPUNIT_ASSERT(second.lineage != first.lineage && second.attempt == 1);
        CPPUNIT_ASSERT_EQUAL(first.lineage, found("a").origin);
        CPPUNIT_ASSERT(found("a").bytes == 0 && !found("a").started);
        CPPUNIT_ASSERT(found("a").total == kUnknownLength);
        tables_.workers.beat(one_);
        CPPUNIT_ASSERT(!claims_.progress(first.handle, 600));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, found("a").bytes);
        const std::uint64_t anew = claims_.newLineage(second.handle);
        CPPUNIT_ASSERT(found("a").lineage == anew && found("a").origin == anew);
    }

    void aWantedFillIsNotLeft() {
        const ClaimTable::Result first = claim("a", one_);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(first.handle, Millis{60'000}));
        slot("a").wantedNs -= ns(Millis{60'000});
        found("a");  // who only looks wants nothing
        CPPUNIT_ASSERT(claims_.leaveUnwanted(first.handle, Millis{60'000}));
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(second.handle, Millis{60'000}));
        slot("a").wantedNs -= ns(Millis{60'000});
        claims_.find(key("a"), 3);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(second.handle, Millis{60'000}));
        slot("a").wantedNs -= ns(Millis{60'000});
        claims_.start(second.handle, 10);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(second.handle, Millis{60'000}));
        slot("a").wantedNs -= ns(Millis{60'000});
        claims_.verified(second.handle, 10);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(second.handle, Millis{60'000}));
        CPPUNIT_ASSERT(claims_.owns(second.handle));
    }

    void aFillThatWasLeftIsAdopted() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.find(key("a"), 3);
        claims_.start(first.handle, 1000);
        claims_.progress(first.handle, 500);
        slot("a").wantedNs -= ns(Millis{60'000});
        assertRings(3, [&] { claims_.leaveUnwanted(first.handle, Millis{60'000}); });
        CPPUNIT_ASSERT(found("a").state == ClaimState::kOrphaned);
        assertRefused(first.handle);
        CPPUNIT_ASSERT(!claims_.leaveUnwanted(first.handle, Millis{0}));
        const ClaimTable::Result second = claim("a", two_);
        CPPUNIT_ASSERT(second.adoption && !second.adoption->ownerLives);
        CPPUNIT_ASSERT_EQUAL(first.lineage, second.lineage);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{500}, second.adoption->bytes);
    }

    // Or what clients leave behind would fill the table.
    void aFillThatWasLeftGivesWaySoon() {
        fillBucket();
        claims_.find(key("fill 3"), 3);
        slot("fill 3").wantedNs -= ns(Millis{60'000});
        CPPUNIT_ASSERT(claims_.leaveUnwanted(handles_[3], Millis{60'000}));
        CPPUNIT_ASSERT(claim("b", two_).outcome == Outcome::kFull);
        age("fill 3", Millis{61'000});
        CPPUNIT_ASSERT(claim("b", two_).outcome == Outcome::kOwner);
    }

    void deathsAreNoAttempts() {
        claims_.fail(claim("a", one_).handle, failure(true), kKeep);
        claimAndDie("a", 1);
        one_ = tables_.workers.raise(1);
        const ClaimTable::Result third = claim("a", one_);
        CPPUNIT_ASSERT(third.adoption);
        CPPUNIT_ASSERT_EQUAL(2u, third.attempt);
        hang(1);
        CPPUNIT_ASSERT_EQUAL(2u, claim("a", two_).attempt);
    }

    void everyOperationIsFenced() {
        const ClaimTable::Result first = claim("a", one_);
        hang(1);
        const ClaimTable::Result second = claim("a", two_);
        assertRefused(first.handle);
        CPPUNIT_ASSERT(claims_.owns(second.handle));
        const ClaimView view = found("a");
        CPPUNIT_ASSERT(view.state == ClaimState::kRunning && view.owner == two_);
        CPPUNIT_ASSERT(view.lineage == second.lineage && view.bytes == 0 && !view.started);
    }

    void anEndedHandleIsWorthless() {
        const ClaimHandle finished = claim("a", one_).handle;
        claims_.finish(finished);
        assertRefused(finished);
        CPPUNIT_ASSERT(found("a").state == ClaimState::kCommitted);
        const ClaimHandle failed = claim("b", one_).handle;
        claims_.fail(failed, failure(true), kKeep);
        assertRefused(failed);
        const ClaimHandle abandoned = claim("c", one_).handle;
        claims_.abandon(abandoned);
        assertRefused(abandoned);
    }

    void foreignHandlesAreRefused() {
        const ClaimHandle handle = claim("a", one_).handle;
        assertRefused({});
        assertRefused({16, handle.generation});
        assertRefused({UINT32_MAX, handle.generation});
        assertRefused({handle.slot, handle.generation + 1});
        CPPUNIT_ASSERT(claims_.owns(handle));
    }

    void generationsDoNotRepeat() {
        tables_.claimHeader->lastGeneration = (std::uint64_t{1} << 32) - 5;
        std::vector<ClaimHandle> earlier;
        for (int i = 0; i < 12; ++i) {
            const ClaimHandle handle = claim("a", one_).handle;
            if (!earlier.empty()) CPPUNIT_ASSERT(handle.generation > earlier.back().generation);
            for (const ClaimHandle& old : earlier) CPPUNIT_ASSERT(!claims_.owns(old));
            CPPUNIT_ASSERT(claims_.finish(handle));
            earlier.push_back(handle);
        }
        CPPUNIT_ASSERT(earlier.back().generation > UINT32_MAX);
    }

    void aNewLineageThrowsAway() {
        const ClaimTable::Result first = claim("a", one_);
        claims_.start(first.handle, 1000);
        claims_.verified(first.handle, 1000);
        const std::uint64_t lineage = claims_.newLineage(first.handle);
        CPPUNIT_ASSERT(lineage != 0 && lineage != first.lineage);
        const ClaimView view = found("a");
        CPPUNIT_ASSERT(view.state == ClaimState::kRunning && view.lineage == lineage);
        CPPUNIT_ASSERT(view.bytes == 0 && !view.started && view.total == kUnknownLength);
        CPPUNIT_ASSERT_EQUAL(first.handle.generation, view.generation);
        CPPUNIT_ASSERT(claims_.progress(first.handle, 3));
        tables_.workers.raise(1);
        CPPUNIT_ASSERT_EQUAL(lineage, claim("a", two_).adoption->lineage);
    }

    void progressDoesNotShrink() {
        const ClaimHandle handle = claim("a", one_).handle;
        claims_.progress(handle, 50);
        CPPUNIT_ASSERT(claims_.progress(handle, 20));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{50}, found("a").bytes);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimTableTest);

}  // namespace ociproxy
