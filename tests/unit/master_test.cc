#include "ociproxy/proc/master.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/signals.h"
#include "support/master_drama.h"

namespace ociproxy {

class MasterTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MasterTest);
    CPPUNIT_TEST(startsTheWholeCrewAndStopsIt);
    CPPUNIT_TEST(everyWorkerIsItsIndexsLatest);
    CPPUNIT_TEST(aFailedFirstBootEndsTheMasterWithTheReason);
    CPPUNIT_TEST(aConfigurationFailureAtTheFirstBootIsOne);
    CPPUNIT_TEST(aSilentDeathAtTheFirstBootIsExplained);
    CPPUNIT_TEST(termIntAndHupStop);
    CPPUNIT_TEST(aStopDuringTheStartIsNoFailure);
    CPPUNIT_TEST(aSecondTermMeansNow);
    CPPUNIT_TEST(whoDoesNotLeaveIsKilled);
    CPPUNIT_TEST(quitDrains);
    CPPUNIT_TEST(aDrainHasAnEnd);
    CPPUNIT_TEST(usr1IsPassedOn);
    CPPUNIT_TEST(aFailureWhileStoppingIsReported);
    CPPUNIT_TEST(whatIsTheMastersAloneDoesNotCross);
    CPPUNIT_TEST(aHangUpThatIsIgnoredStaysSo);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { drama_ = std::make_unique<MasterDrama>(); }
    void tearDown() override { drama_.reset(); }

    void startsTheWholeCrewAndStopsIt() {
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGTERM);
        drama_->await("stopped");
        drama_->awaitEnd();
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void everyWorkerIsItsIndexsLatest() {
        drama_->workers = 3;
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            bool latest = heritage.shared->workers().isCurrent(seat.id);
            heritage.log->info(cat("i=", seat.id.index, " ", latest ? "latest" : "stale"));
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        std::vector<std::uint64_t> indices;
        for (int i = 0; i < 3; ++i) {
            indices.push_back(MasterDrama::number(drama_->await("latest"), "i="));
        }
        std::sort(indices.begin(), indices.end());
        CPPUNIT_ASSERT((indices == std::vector<std::uint64_t>{0, 1, 2}));
        drama_->await("all are here");
    }

    void aFailedFirstBootEndsTheMasterWithTheReason() {
        drama_->options.worker = failsAlways<Error>(1);
        drama_->begin();
        drama_->await("fatal: cannot start worker 1: no luck today");
        CPPUNIT_ASSERT_EQUAL(EX_OSERR, drama_->status());
        drama_->awaitEnd();
    }

    void aConfigurationFailureAtTheFirstBootIsOne() {
        drama_->options.worker = failsAlways<ConfigError>(0);
        drama_->begin();
        drama_->await("fatal: cannot start worker 0: no luck today");
        CPPUNIT_ASSERT_EQUAL(EX_CONFIG, drama_->status());
    }

    void aSilentDeathAtTheFirstBootIsExplained() {
        drama_->options.worker = [](const Heritage&, Seat&) { return ::raise(SIGKILL); };
        drama_->begin();
        drama_->await("fatal: cannot start worker ");
        CPPUNIT_ASSERT_EQUAL(EX_OSERR, drama_->status());
    }

    void termIntAndHupStop() {
        for (int signal : {SIGTERM, SIGINT, SIGHUP}) {
            setUp();
            drama_->begin();
            drama_->await("all are here");
            drama_->tell(signal);
            drama_->await("got SIGTERM");
            drama_->await("stopped");
            CPPUNIT_ASSERT_EQUAL(0, drama_->status());
        }
    }

    void aStopDuringTheStartIsNoFailure() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            heritage.log->info("booting");
            // Told to leave before it ever was ready.
            return MasterDrama::obey(heritage, seat, {SIGTERM});
        };
        drama_->begin();
        drama_->await("booting");
        drama_->tell(SIGTERM);
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void aSecondTermMeansNow() {
        drama_->options.worker = MasterDrama::leavesOn({SIGINT});
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGTERM);
        drama_->await("got SIGTERM");
        drama_->tell(SIGTERM);
        drama_->await("got SIGINT");
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void whoDoesNotLeaveIsKilled() {
        drama_->options.worker = MasterDrama::leavesOn({});
        drama_->options.stopLimit = Millis{400};
        drama_->options.hurryLimit = Millis{200};
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGTERM);
        drama_->await("got SIGINT");
        drama_->await("are killed");
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
        drama_->awaitEnd();
    }

    void quitDrains() {
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGQUIT);
        drama_->await("got SIGQUIT");
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void aDrainHasAnEnd() {
        drama_->options.worker = MasterDrama::leavesOn({SIGINT});
        drama_->drainLimit = Millis{200};
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGQUIT);
        drama_->await("got SIGQUIT");
        drama_->await("got SIGINT");
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

    void usr1IsPassedOn() {
        drama_->workers = 1;
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGUSR1);
        drama_->await("reopening logs");
        drama_->await("got SIGUSR1");
        drama_->await("got SIGUSR1");  // the janitor
        drama_->stopCleanly();
    }

    void aFailureWhileStoppingIsReported() {
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            return MasterDrama::obedient(heritage, seat) + (seat.id.index == 1 ? 3 : 0);
        };
        drama_->begin();
        drama_->await("all are here");
        drama_->tell(SIGTERM);
        drama_->await("exited with status 3");
        CPPUNIT_ASSERT_EQUAL(EX_SOFTWARE, drama_->status());
    }

    void whatIsTheMastersAloneDoesNotCross() {
        drama_->lock.reset(::open("/", O_RDONLY | O_CLOEXEC));
        unsigned before = reportsHeard();  // what the test program itself was given
        drama_->options.worker = [](const Heritage& heritage, Seat& seat) {
            int signal = 0;
            ::prctl(PR_GET_PDEATHSIG, &signal);
            rlimit files{};
            ::getrlimit(RLIMIT_NOFILE, &files);
            heritage.log->info(cat("lock ", heritage.cacheLock->valid() ? "open" : "closed",
                                   ", dies by ", signalName(signal), ", reports heard ",
                                   reportsHeard(), ", limit ",
                                   files.rlim_cur == files.rlim_max ? "raised" : "low"));
            return MasterDrama::obedient(heritage, seat);
        };
        drama_->begin();
        for (int i = 0; i < 2; ++i) {
            drama_->await(cat("lock closed, dies by SIGKILL, reports heard ", before,
                              ", limit raised"));
        }
        drama_->await("all are here");
        drama_->stopCleanly();
    }

    void aHangUpThatIsIgnoredStaysSo() {
        struct sigaction before{};
        struct sigaction ignore{};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGHUP, &ignore, &before);
        drama_->begin();
        ::sigaction(SIGHUP, &before, nullptr);
        drama_->await("all are here");
        drama_->tell(SIGHUP);
        drama_->tell(SIGTERM);
        std::string line = drama_->await("received ");
        CPPUNIT_ASSERT_MESSAGE(line, line.find("SIGTERM") != std::string::npos);
        drama_->await("stopped");
        CPPUNIT_ASSERT_EQUAL(0, drama_->status());
    }

private:
    template <class Failure>
    static Master::Body failsAlways(std::uint32_t index) {
        return [index](const Heritage& heritage, Seat& seat) {
            if (seat.id.index == index) throw Failure("no luck today");
            return MasterDrama::obedient(heritage, seat);
        };
    }

    // The master's ends of boot reports that this process has: pipes that are read
    // without waiting.
    static unsigned reportsHeard() {
        unsigned count = 0;
        for (int fd = 0; fd < 256; ++fd) {
            char target[64] = {};
            ssize_t length = ::readlink(cat("/proc/self/fd/", fd).c_str(), target, 63);
            int flags = ::fcntl(fd, F_GETFL);
            count += length > 0 && startsWith(target, "pipe:") && (flags & O_NONBLOCK) != 0 &&
                     (flags & O_ACCMODE) == O_RDONLY;
        }
        return count;
    }

    std::unique_ptr<MasterDrama> drama_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MasterTest);

}  // namespace ociproxy
