// Whether bytes come fast enough (src/upstream/minimum_rate.h).
#include "upstream/minimum_rate.h"

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {
namespace {

constexpr Millis kWindow{30'000};
constexpr std::uint64_t kQuota = 30 * 1024;

class MinimumRateTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MinimumRateTest);
    CPPUNIT_TEST(aWindowWithItsBytesIsFastEnough);
    CPPUNIT_TEST(aTrickleIsTooSlow);
    CPPUNIT_TEST(onePauseIsForgiven);
    CPPUNIT_TEST(pausesInTurnAreNot);
    CPPUNIT_TEST(anyRateWillDo);
    CPPUNIT_TEST_SUITE_END();

    static TimePoint at(int seconds) { return TimePoint{} + Millis{seconds * 1000}; }

public:
    void aWindowWithItsBytesIsFastEnough() {
        MinimumRate rate(1024, kWindow, at(0));
        for (int second = 1; second <= 300; ++second) {
            rate.received(1024, at(second));
            CPPUNIT_ASSERT(!rate.tooSlow(at(second)));
        }
    }

    void aTrickleIsTooSlow() {
        MinimumRate rate(1024, kWindow, at(0));
        rate.received(kQuota, at(1));
        rate.received(kQuota - 1, at(30));
        CPPUNIT_ASSERT(!rate.tooSlow(at(30)));
        CPPUNIT_ASSERT(rate.tooSlow(at(31)));
        rate.received(1, at(31));
        CPPUNIT_ASSERT(!rate.tooSlow(at(31)));
    }

    void onePauseIsForgiven() {
        MinimumRate rate(1024, kWindow, at(0));
        rate.paused(at(0), at(50));
        rate.received(1, at(50));
        CPPUNIT_ASSERT(!rate.tooSlow(at(50)));
        rate.received(kQuota, at(60));
        rate.paused(at(60), at(119));
        CPPUNIT_ASSERT(!rate.tooSlow(at(119)));
    }

    void pausesInTurnAreNot() {
        MinimumRate rate(1024, kWindow, at(0));
        rate.paused(at(0), at(50));
        rate.received(1, at(50));
        rate.paused(at(50), at(100));
        rate.received(1, at(100));
        CPPUNIT_ASSERT(rate.tooSlow(at(100)));
    }

    void anyRateWillDo() {
        const MinimumRate rate(0, kWindow, at(0));
        CPPUNIT_ASSERT(!rate.tooSlow(at(100'000)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MinimumRateTest);

}  // namespace
}  // namespace ociproxy
