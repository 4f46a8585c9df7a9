#include "ociproxy/proc/child_policy.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <sysexits.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

ChildEnd exitedWith(int status) {
    return ChildEnd{status << 8};  // as waitpid(2) encodes it
}

const ChildEnd kKilled{SIGKILL};

}  // namespace

class ChildPolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ChildPolicyTest);
    CPPUNIT_TEST(theFirstStartsAtOnce);
    CPPUNIT_TEST(noSecondWhileOneRuns);
    CPPUNIT_TEST(shortLivesDoubleTheDelayUpToTheLongest);
    CPPUNIT_TEST(aSteadyChildIsReplacedAtOnce);
    CPPUNIT_TEST(aSteadyLifeForgivesEarlierShortOnes);
    CPPUNIT_TEST(aMillisecondLessIsNotSteady);
    CPPUNIT_TEST(failedForksBackOffToo);
    CPPUNIT_TEST(aConfigurationFailureIsFinal);
    CPPUNIT_TEST(otherStatusesAreNotFinal);
    CPPUNIT_TEST(endsAreNamed);
    CPPUNIT_TEST(endsAreToldApart);
    CPPUNIT_TEST_SUITE_END();

public:
    void theFirstStartsAtOnce() {
        CPPUNIT_ASSERT(policy_.mayStart(at_));
        CPPUNIT_ASSERT(policy_.due() && *policy_.due() <= at_);
    }

    void noSecondWhileOneRuns() {
        policy_.started(at_);
        CPPUNIT_ASSERT(!policy_.mayStart(at_ + Millis{3'600'000}));
        CPPUNIT_ASSERT(!policy_.due());
    }

    void shortLivesDoubleTheDelayUpToTheLongest() {
        std::vector<long> delays;
        for (int i = 0; i < 9; ++i) delays.push_back(delayAfter(Millis{10}, kKilled));
        std::vector<long> expected{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
        CPPUNIT_ASSERT(delays == expected);
    }

    void aSteadyChildIsReplacedAtOnce() {
        CPPUNIT_ASSERT_EQUAL(0L, delayAfter(Millis{30'000}, kKilled));
        CPPUNIT_ASSERT(policy_.mayStart(at_));
    }

    void aSteadyLifeForgivesEarlierShortOnes() {
        delayAfter(Millis{1}, kKilled);
        delayAfter(Millis{1}, kKilled);
        CPPUNIT_ASSERT_EQUAL(0L, delayAfter(Millis{40'000}, kKilled));
        CPPUNIT_ASSERT_EQUAL(100L, delayAfter(Millis{1}, kKilled));
    }

    void aMillisecondLessIsNotSteady() {
        CPPUNIT_ASSERT_EQUAL(100L, delayAfter(Millis{29'999}, kKilled));
        CPPUNIT_ASSERT(!policy_.mayStart(at_ + Millis{99}));
        CPPUNIT_ASSERT(policy_.mayStart(at_ + Millis{100}));
    }

    void failedForksBackOffToo() {
        policy_.forkFailed(at_);
        CPPUNIT_ASSERT(*policy_.due() == at_ + Millis{100});
        at_ += Millis{100};
        policy_.forkFailed(at_);
        CPPUNIT_ASSERT(*policy_.due() == at_ + Millis{200});
        CPPUNIT_ASSERT(!policy_.mayStart(at_ + Millis{199}));
    }

    void aConfigurationFailureIsFinal() {
        policy_.started(at_);
        policy_.ended(at_ + Millis{60'000}, exitedWith(EX_CONFIG));
        CPPUNIT_ASSERT(policy_.gaveUp());
        CPPUNIT_ASSERT(!policy_.due());
        CPPUNIT_ASSERT(!policy_.mayStart(at_ + Millis{3'600'000}));
    }

    void otherStatusesAreNotFinal() {
        for (int status : {0, 1, EX_OSERR, EX_SOFTWARE}) {
            policy_.started(at_);
            policy_.ended(at_, exitedWith(status));
            CPPUNIT_ASSERT(!policy_.gaveUp());
            CPPUNIT_ASSERT(policy_.due());
        }
    }

    void endsAreNamed() {
        CPPUNIT_ASSERT_EQUAL(std::string("exited with status 71"), exitedWith(71).text());
        CPPUNIT_ASSERT_EQUAL(std::string("was killed by SIGKILL"), kKilled.text());
        CPPUNIT_ASSERT_EQUAL(std::string("was killed by SIGABRT (core dumped)"),
                             ChildEnd{SIGABRT | 0x80}.text());
    }

    void endsAreToldApart() {
        CPPUNIT_ASSERT(exitedWith(0).clean() && !exitedWith(1).clean() && !kKilled.clean());
        CPPUNIT_ASSERT(exitedWith(EX_CONFIG).configFailure());
        CPPUNIT_ASSERT(!ChildEnd{EX_CONFIG}.configFailure());  // a signal of that number
        CPPUNIT_ASSERT(!exitedWith(0).configFailure());
        CPPUNIT_ASSERT(exitedWith(EX_OSERR).bootFailure() && exitedWith(EX_CONFIG).bootFailure());
        CPPUNIT_ASSERT(!exitedWith(1).bootFailure() && !kKilled.bootFailure());
        CPPUNIT_ASSERT(kKilled.killedBy(SIGKILL) && !kKilled.killedBy(SIGTERM));
        CPPUNIT_ASSERT(!exitedWith(SIGKILL).killedBy(SIGKILL));
        CPPUNIT_ASSERT(exitedWith(3).exited() && !kKilled.exited());
    }

private:
    // Starts one when due and lets it live for `life`; how long its successor waits.
    long delayAfter(Millis life, const ChildEnd& end) {
        at_ = std::max(at_, *policy_.due());
        policy_.started(at_);
        at_ += life;
        policy_.ended(at_, end);
        return std::chrono::duration_cast<Millis>(*policy_.due() - at_).count();
    }

    TimePoint at_ = TimePoint(Millis{1'000'000});
    ChildPolicy policy_{ChildPolicy::Limits{}};
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChildPolicyTest);

}  // namespace ociproxy
