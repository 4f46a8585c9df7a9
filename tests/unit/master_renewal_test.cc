// HUP: a new generation beside the old one, and who leaves when.
#include "ociproxy/proc/master.h"

#include <csignal>
#include <memory>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/signals.h"
#include "support/master_drama.h"

namespace ociproxy {

class MasterRenewalTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MasterRenewalTest);
    CPPUNIT_TEST(aHangUpRenewsAndTheOldOnesRetire);
    CPPUNIT_TEST(aGenerationMayHaveAnotherSize);
    CPPUNIT_TEST(manyHangUps);
    CPPUNIT_TEST(thereIsOneJanitor);
    CPPUNIT_TEST(aRefusedConfigurationChangesNothing);
    CPPUNIT_TEST(aGenerationThatFailsToBootLeaves);
    CPPUNIT_TEST(afterARefusalTheNextOneIsTaken);
    CPPUNIT_TEST(aHangUpWaitsForWhoLeaves);
    CPPUNIT_TEST(aHangUpDuringTheStartIsRemembered);
    CPPUNIT_TEST(whoLeavesTooSlowlyIsHurriedThenKilled);
    CPPUNIT_TEST(aStopEndsBothGenerations);
    CPPUNIT_TEST(aHangUpDuringAStopIsNotObeyed);
    CPPUNIT_TEST(aDeadWorkerOfWhoLeavesIsNotReplaced);
    CPPUNIT_TEST(milestonesAreAnnounced);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        drama_ = std::make_unique<MasterDrama>();
        drama_->renewed = [] { return next(2); };
    }
    void tearDown() override { drama_.reset(); }

    void aHangUpRenewsAndTheOldOnesRetire() {
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("got SIGUSR2");
        drama_->await("got SIGUSR2");
        drama_->find("the next are here");
        drama_->stopCleanly();
        drama_->awaitEnd();
    }

    void aGenerationMayHaveAnotherSize() {
        drama_->renewed = [] { return next(5); };
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        for (int i = 0; i < 5; ++i) drama_->await("up life=1");
        drama_->await("the next are here");
        drama_->stopCleanly();
    }

    void manyHangUps() {
        drama_->begin();
        drama_->await("all are here");
        for (int i = 0; i < 30; ++i) {
            drama_->tell(SIGHUP);
            drama_->await("the next are here");
        }
        drama_->stopCleanly();
        drama_->awaitEnd();
    }

    // The old one leaves only at a word of its own, and the next one is not there before.
    void thereIsOneJanitor() {
        drama_->options.janitor = [](const Heritage& heritage, Seat& seat) {
            heritage.log->info("keeps house");
            MasterDrama::obedient(heritage, seat);
            heritage.log->info("leaves the house");
            return 0;
        };
        drama_->begin();
        for (int i = 0; i < 5; ++i) {
            drama_->await("keeps house");
            drama_->find("are here");
            drama_->tell(SIGHUP);
            const std::string line = drama_->await(" the house", "keeps house");
            CPPUNIT_ASSERT_MESSAGE(line, line.find("leaves") != std::string::npos);
        }
        drama_->await("keeps house");
        drama_->stopCleanly();
    }

    void aRefusedConfigurationChangesNothing() {
        drama_->renewed = []() -> Generation { throw ConfigError("file:7: no such key"); };
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("not reloaded, what runs goes on: file:7: no such key");
        drama_->tell(SIGUSR1);  // the old ones are there and obey
        drama_->await("got SIGUSR1");
        drama_->await("got SIGUSR1");
        drama_->stopCleanly();
    }

    void aGenerationThatFailsToBootLeaves() {
        drama_->options.worker = failsInTheSecondHalf();
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("not reloaded, what runs goes on: cannot start worker 1: no luck");
        drama_->tell(SIGUSR1);
        drama_->await("got SIGUSR1");
        drama_->await("got SIGUSR1");
        drama_->stopCleanly();
        drama_->awaitEnd();
    }

    void afterARefusalTheNextOneIsTaken() {
        auto calls = std::make_shared<int>(0);
        drama_->renewed = [calls]() -> Generation {
            if (++*calls == 1) throw ConfigError("file:7: no such key");
            return next(2);
        };
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("not reloaded");
        drama_->tell(SIGHUP);
        drama_->await("the next are here");
        drama_->stopCleanly();
    }

    void aHangUpWaitsForWhoLeaves() {
        drama_->options.worker = leavesLate();
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("got SIGUSR2");
        drama_->await("got SIGUSR2");
        drama_->find("the next are here");
        drama_->tell(SIGHUP);
        drama_->await("received SIGHUP: reloads when");
        drama_->tell(SIGUSR1);  // what the old ones leave on
        drama_->await("the next are here");
        drama_->tell(SIGTERM);
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void aHangUpDuringTheStartIsRemembered() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            heritage.log->info("booting");
            if (seat.id.index == 1) nextSignal(Millis{60'000});  // USR1, passed on
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        drama_->await("booting");
        drama_->await("booting");
        drama_->tell(SIGHUP);
        drama_->await("received SIGHUP: reloads when");
        drama_->tell(SIGUSR1);
        drama_->await("all are here");
        drama_->await("the next are here");
        drama_->stopCleanly();
    }

    void whoLeavesTooSlowlyIsHurriedThenKilled() {
        drama_->options.worker = MasterDrama::leavesOn({SIGTERM});
        drama_->options.hurryLimit = Millis{100};
        drama_->drainLimit = Millis{100};
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("that are cut short: ");
        drama_->await("that are killed: ");
        drama_->await("was killed by SIGKILL");
        drama_->await("was killed by SIGKILL");
        drama_->stopCleanly();
    }

    void aStopEndsBothGenerations() {
        drama_->options.worker = MasterDrama::leavesOn({SIGTERM});
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->await("the next are here");
        drama_->tell(SIGTERM);
        for (int i = 0; i < 4; ++i) drama_->await("got SIGTERM");
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
        drama_->awaitEnd();
    }

    void aHangUpDuringAStopIsNotObeyed() {
        drama_->options.worker = MasterDrama::leavesOn({SIGINT});
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGTERM);
        drama_->await("got SIGTERM");
        drama_->tell(SIGHUP);
        drama_->await("received SIGHUP while stopping: not reloaded");
        drama_->tell(SIGTERM);
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void aDeadWorkerOfWhoLeavesIsNotReplaced() {
        drama_->options.worker = MasterDrama::leavesOn({SIGTERM});
        drama_->begin();
        const std::string victim = drama_->await("worker 0[");
        drama_->find("all are here");
        drama_->tell(SIGHUP);
        drama_->await("the next are here");
        ::kill(static_cast<pid_t>(MasterDrama::number(victim, "worker 0[")), SIGKILL);
        drama_->await("was killed by SIGKILL");
        drama_->tell(SIGTERM);
        // Three that are told, none that came in between.
        for (int i = 0; i < 3; ++i) drama_->await("got SIGTERM", "up life=2");
        drama_->await("stopped");
    }

    void milestonesAreAnnounced() {
        drama_->announced = [](Log& log, Milestone milestone, const std::string& status) {
            static const char* const kNames[] = {"alive",    "ready",   "reloading",
                                                 "reloaded", "refused", "stopping"};
            if (milestone == Milestone::kAlive) return;
            log.info(cat("<", kNames[static_cast<unsigned>(milestone)], "> ", status));
        };
        drama_->begin();
        drama_->await("<ready> running: 2 of 2 workers");
        drama_->tell(SIGHUP);
        drama_->await("<reloading>");
        drama_->await("<reloaded>");
        drama_->tell(SIGTERM);
        drama_->await("<stopping>");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

private:
    static Generation next(unsigned workers) {
        Generation out;
        out.workers = workers;
        out.greeting = "the next are here";
        return out;
    }

    static Master::Body failsInTheSecondHalf() {
        return [](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == kMaxWorkers / 2 + 1) throw Error("no luck today");
            return MasterDrama::obedient(heritage, seat);
        };
    }

    // Who is told to retire does so when USR1 comes.
    static Master::Body leavesLate() {
        return [](const Heritage& heritage, Seat& seat) {
            MasterDrama::announce(heritage, seat);
            const int told = MasterDrama::obeyed(heritage, seat, {SIGTERM, SIGUSR2});
            return told == SIGTERM ? 0 : MasterDrama::obey(heritage, seat, {SIGTERM, SIGUSR1});
        };
    }

    std::unique_ptr<MasterDrama> drama_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MasterRenewalTest);

}  // namespace ociproxy
