#include "ociproxy/base/clock.h"

#include <cstdint>
#include <ctime>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

class ClockTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ClockTest);
    CPPUNIT_TEST(httpDates);
    CPPUNIT_TEST(datesBeyondFourDigitsAreClamped);
    CPPUNIT_TEST(logTimeIsNow);
    CPPUNIT_TEST(bothMonotonicFormsAreOneClock);
    CPPUNIT_TEST_SUITE_END();

public:
    void httpDates() {
        CPPUNIT_ASSERT_EQUAL(std::string("Mon, 23 Nov 2026 20:00:00 GMT"), httpDate(1795464000));
        CPPUNIT_ASSERT_EQUAL(std::string("Sun, 06 Nov 1994 08:49:37 GMT"), httpDate(784111777));
        CPPUNIT_ASSERT_EQUAL(std::string("Thu, 29 Feb 2024 23:59:59 GMT"), httpDate(1709251199));
        CPPUNIT_ASSERT_EQUAL(std::string("Thu, 01 Jan 1970 00:00:00 GMT"), httpDate(0));
    }

    void datesBeyondFourDigitsAreClamped() {
        std::string last = "Fri, 31 Dec 9999 23:59:59 GMT";
        CPPUNIT_ASSERT_EQUAL(last, httpDate(253402300799));
        CPPUNIT_ASSERT_EQUAL(last, httpDate(253402300800));
        CPPUNIT_ASSERT_EQUAL(last, httpDate(INT64_MAX));
        CPPUNIT_ASSERT_EQUAL(httpDate(0), httpDate(INT64_MIN));
    }

    void logTimeIsNow() {
        std::int64_t before = wallSeconds();
        std::string text = logTime();
        std::int64_t after = wallSeconds();
        std::tm fields{};
        const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
        CPPUNIT_ASSERT(rest != nullptr);
        CPPUNIT_ASSERT_EQUAL(std::size_t{24}, text.size());
        CPPUNIT_ASSERT(rest[0] == '.' && rest[4] == 'Z');
        std::int64_t parsed = ::timegm(&fields);
        CPPUNIT_ASSERT(before <= parsed && parsed <= after);
    }

    void bothMonotonicFormsAreOneClock() {
        std::int64_t before = monotonicNs();
        std::int64_t middle =
            std::chrono::duration_cast<std::chrono::nanoseconds>(now().time_since_epoch()).count();
        std::int64_t after = monotonicNs();
        CPPUNIT_ASSERT(before <= middle && middle <= after);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClockTest);

}  // namespace ociproxy
