#include "proxy/store_trouble.h"

#include <cerrno>
#include <thread>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "support/log_fixture.h"
#include "support/proxy_fixture.h"

namespace ociproxy {

class StoreTroubleTest : public LogFixture {
    CPPUNIT_TEST_SUITE(StoreTroubleTest);
    CPPUNIT_TEST(eachKindIsSaidOnceAMinute);
    CPPUNIT_TEST(laterItSaysHowManyThereWere);
    CPPUNIT_TEST_SUITE_END();

public:
    void eachKindIsSaidOnceAMinute() {
        Log log(file("log"), LogLevel::kInfo);
        StoreTrouble trouble(&log, &counters());
        for (int i = 0; i < 10; ++i) {
            trouble.report("fill", SysError("write /x", ENOSPC));
            trouble.report("tag", SysError("rename /y", EROFS));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{20}, counters().get(Counter::kStoreTroubles));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, read(file("log")).size());
    }

    void laterItSaysHowManyThereWere() {
        Log log(file("log"), LogLevel::kInfo);
        StoreTrouble trouble(&log, &counters(), Millis{100});
        trouble.report("fill", SysError("write /x", ENOSPC));
        trouble.report("fill", SysError("write /x", ENOSPC));
        std::this_thread::sleep_for(Millis{150});  // the pause is what is tested
        trouble.report("fill", SysError("write /x", ENOSPC));
        const Lines lines = read(file("log"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, lines.size());
        CPPUNIT_ASSERT(lines[1].find("(1 more of this kind since the last line)") !=
                       std::string::npos);
    }

private:
    Counters& counters() { return fixture_.shared.counters(); }
    ProxyFixture fixture_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreTroubleTest);

}  // namespace ociproxy
