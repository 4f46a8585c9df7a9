#include "ociproxy/proc/master.h"

#include <csignal>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "support/master_drama.h"

namespace ociproxy {

namespace {

const ClaimKey kKey = claimKey({"test", "key"});

}  // namespace

class MasterDeathTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MasterDeathTest);
    CPPUNIT_TEST(aKilledWorkerIsDisownedAndReplaced);
    CPPUNIT_TEST(theDeadIsDisownedEvenIfNobodyFollows);
    CPPUNIT_TEST(aDeadJanitorIsReplaced);
    CPPUNIT_TEST(childrenThatDieEarlyAreBackedOff);
    CPPUNIT_TEST(aFailedLaterBootIsLoggedAndTriedAgain);
    CPPUNIT_TEST(aConfigurationFailureIsNotStartedAgain);
    CPPUNIT_TEST(whenAllWorkersGaveUpTheMasterEnds);
    CPPUNIT_TEST(childrenDieWithTheMaster);
    CPPUNIT_TEST(aWorkerWithoutPulseIsAborted);
    CPPUNIT_TEST(aStoppedWorkerIsKilled);
    CPPUNIT_TEST(whenAllWereStoppedNobodyIsHung);
    CPPUNIT_TEST(aChildThatCannotBeStartedIsTriedAgain);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { drama_ = std::make_unique<MasterDrama>(); }
    void tearDown() override { drama_.reset(); }

    void aKilledWorkerIsDisownedAndReplaced() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == 0 && seat.life == 1) {
                heritage.shared->claims().claim(kKey, seat.id, Sha256{});
            }
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        drama_->await("all are here");
        CPPUNIT_ASSERT(drama_->shared.claims().find(kKey)->state == ClaimState::kRunning);
        std::string first = drama_->signalWorker0();
        drama_->await("was killed by SIGKILL, unfinished claims: 1; started again in 100 ms");
        std::string second = drama_->await("up life=2");
        WorkerId dead{0, MasterDrama::number(first, "epoch=")};
        WorkerId alive{0, MasterDrama::number(second, "epoch=")};
        CPPUNIT_ASSERT(!drama_->shared.workers().isCurrent(dead));
        CPPUNIT_ASSERT(drama_->shared.workers().isCurrent(alive));
        CPPUNIT_ASSERT(alive.epoch > dead.epoch);
        CPPUNIT_ASSERT(drama_->shared.claims().find(kKey)->state == ClaimState::kOrphaned);
        const std::uint64_t pid = MasterDrama::number(second, "worker 0[");
        drama_->find(cat("worker 0 (pid ", pid, ") is ready"));
        drama_->stopCleanly();
    }

    void theDeadIsDisownedEvenIfNobodyFollows() {
        drama_->options.policy.firstDelay = drama_->options.policy.longestDelay = Millis{3'600'000};
        drama_->begin();
        std::string line = drama_->signalWorker0();
        drama_->await("was killed by SIGKILL");
        WorkerId dead{0, MasterDrama::number(line, "epoch=")};
        CPPUNIT_ASSERT(!drama_->shared.workers().isCurrent(dead));
        drama_->stopCleanly();
    }

    void aDeadJanitorIsReplaced() {
        drama_->begin();
        drama_->await("all are here");
        std::string line = drama_->find("janitor[");
        ::kill(static_cast<pid_t>(MasterDrama::number(line, "janitor[")), SIGKILL);
        drama_->await("was killed by SIGKILL; started again in 100 ms");
        std::string again = drama_->await("up life=2");
        CPPUNIT_ASSERT_MESSAGE(again, again.find("janitor[") != std::string::npos);
        drama_->stopCleanly();
    }

    void childrenThatDieEarlyAreBackedOff() {
        drama_->options.janitor = [](const Heritage&, Seat&) { return 0; };
        drama_->begin();
        drama_->await("exited with status 0; started again in 100 ms");
        drama_->await("exited with status 0; started again in 200 ms");
        drama_->await("exited with status 0; started again in 400 ms");
        drama_->stopCleanly();
    }

    void aFailedLaterBootIsLoggedAndTriedAgain() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == 0 && seat.life == 2) throw Error("no luck today");
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        drama_->signalWorker0();
        drama_->await("exited with status 71: no luck today; started again in 200 ms");
        drama_->await("up life=3");
        drama_->stopCleanly();
    }

    void aConfigurationFailureIsNotStartedAgain() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == 0 && seat.life == 2) throw ConfigError("file:1: it has changed");
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        drama_->signalWorker0();
        drama_->await("exited with status 78: file:1: it has changed; not started again");
        drama_->stopCleanly();
    }

    void whenAllWorkersGaveUpTheMasterEnds() {
        drama_->workers = 1;
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            if (seat.life == 2) throw ConfigError("file:1: it has changed");
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        drama_->signalWorker0();
        drama_->await("fatal: no worker can use the configuration any more");
        CPPUNIT_ASSERT_EQUAL(EX_CONFIG, drama_->status());
        drama_->awaitEnd();
    }

    void childrenDieWithTheMaster() {
        drama_->options.worker = MasterDrama::leavesOn({});
        drama_->options.janitor = MasterDrama::leavesOn({});
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGKILL);
        // The end of the pipe: no process has it any more.
        drama_->awaitEnd();
        CPPUNIT_ASSERT_EQUAL(-SIGKILL, drama_->status());
    }

    void aWorkerWithoutPulseIsAborted() {
        drama_->options.hungAfter = Millis{2'500};
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == 1 || seat.life > 1) return MasterDrama::obedient(heritage, seat);
            MasterDrama::announce(heritage, seat);
            for (;;) ::pause();
        };
        drama_->begin();
        std::string line = drama_->await("has not shown life");
        CPPUNIT_ASSERT_MESSAGE(line, line.find("worker 0 ") != std::string::npos);
        drama_->await("was killed by SIGABRT");
        drama_->await("up life=2");
        drama_->stopCleanly();
    }

    void aStoppedWorkerIsKilled() {
        drama_->options.hungAfter = Millis{2'500};
        drama_->options.abortLimit = Millis{100};
        drama_->begin();
        drama_->signalWorker0(SIGSTOP);
        drama_->await("has not shown life");
        drama_->await("was killed by SIGKILL");
        drama_->await("up life=2");
        drama_->stopCleanly();
    }

    // As by ^Z in a shell, and fg: the master is awake first, and finds only old beats.
    void whenAllWereStoppedNobodyIsHung() {
        drama_->options.hungAfter = Millis{4'000};
        drama_->announced = [](Log& log, Milestone, const std::string&) {
            log.info(cat("turn at ", monotonicNs()));
        };
        drama_->begin();
        std::string worker0 = drama_->signalWorker0(SIGSTOP);
        std::string worker1 = drama_->find("worker 1[");
        pid_t workers[] = {static_cast<pid_t>(MasterDrama::number(worker0, "worker 0[")),
                           static_cast<pid_t>(MasterDrama::number(worker1, "worker 1["))};
        ::kill(workers[1], SIGSTOP);
        drama_->tell(SIGSTOP);
        // The time that must pass, of the clock that the master looks at.
        std::this_thread::sleep_for(Millis{5'500});
        const std::uint64_t continued = static_cast<std::uint64_t>(monotonicNs());
        drama_->tell(SIGCONT);
        const char* const kHung = "has not shown life";
        while (MasterDrama::number(drama_->await("turn at ", kHung), "turn at ") < continued) {
        }
        for (pid_t worker : workers) ::kill(worker, SIGCONT);
        drama_->tell(SIGUSR1);
        drama_->await("got SIGUSR1", kHung);
        drama_->await("got SIGUSR1", kHung);
        drama_->stopCleanly();
    }

    void aChildThatCannotBeStartedIsTriedAgain() {
        drama_->begin();
        drama_->await("all are here");
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(drama_->master(), RLIMIT_NOFILE, nullptr, &before));
        rlimit none{0, before.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(drama_->master(), RLIMIT_NOFILE, &none, nullptr));
        drama_->signalWorker0();
        drama_->await("cannot start worker 0: Too many open files");
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(drama_->master(), RLIMIT_NOFILE, &before, nullptr));
        drama_->await("up life=");
        drama_->stopCleanly();
    }

private:
    std::unique_ptr<MasterDrama> drama_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MasterDeathTest);

}  // namespace ociproxy
