// The wall clock jumps by hours and years, forth and back, by libfaketime: nobody is taken
// for hung, nothing times out, and what is cached is served.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "integration/stopped_fill_test.h"
#include "ociproxy/base/clock.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kYear = 365 * 24 * kHour;
// What a slow machine may add to a time that is compared.
constexpr std::int64_t kSlack = 120;

// Where Debian's package has it; empty if it is not installed.
std::string fakeTimeLibrary() {
    namespace fs = std::filesystem;
    std::error_code missing;
    for (const fs::directory_entry& entry : fs::directory_iterator("/usr/lib", missing)) {
        const fs::path library = entry.path() / "faketime/libfaketimeMT.so.1";
        if (fs::exists(library, missing)) return library;
    }
    return {};
}

}  // namespace

class ClockJumpTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(ClockJumpTest);
    OCIPROXY_INTEGRATION_TEST(hitsAreServedAndNobodyIsKilled);
    OCIPROXY_INTEGRATION_TEST(runningFillGoesOn);
    OCIPROXY_INTEGRATION_TEST(linksOfTheFutureAreConfirmed);
    OCIPROXY_INTEGRATION_TEST(backOffIsNotTheWallClocks);
    CPPUNIT_TEST_SUITE_END();

public:
    void hitsAreServedAndNobodyIsKilled() {
        startWithClock({2, "", "public = yes\n", ""});
        const std::string bytes = randomBytes(64 * kKiB);
        const std::string target = blob("a", up().addBlob("a", bytes));
        assertServed(get(target), bytes);
        const std::vector<pid_t> before = proxy().workers();
        TestClient kept(proxy().port());
        for (std::int64_t offset : {kHour, -kHour, 3 * kYear, -3 * kYear, std::int64_t{0}}) {
            jump(offset);
            for (const Response& response : {get(target), kept.get(target)}) {
                assertServed(response, bytes);
                assertContains(response.header("Cache-Status"), "hit");
                assertAge(response, std::max<std::int64_t>(0, offset));
            }
            awaitStamp(offset);
        }
        CPPUNIT_ASSERT(before == proxy().workers());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
        assertLacks(proxy().log(), "has not shown life");
    }

    void runningFillGoesOn() {
        startWithClock({2, "follow_after = 0s\n", "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        TestClient other(proxy().port());
        Response followed = startFollowing(&other, kMiB);
        for (std::int64_t offset : {2 * kYear, -2 * kYear}) {
            jump(offset);
            assertServed(get("/v2/"), "{}");
            awaitStamp(offset);
        }
        gate_->open();
        starter.finish(&response);
        other.finish(&followed);
        assertServed(response, bytes_);
        assertServed(followed, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    // Not for as long as the clock was ahead.
    void linksOfTheFutureAreConfirmed() {
        startWithClock({1, "", "public = no\n", ""});
        jump(3 * kYear);
        const std::string bytes = randomBytes(kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, heads(digest));
        jump(-kHour);
        proxy().reload();  // or the worker remembers that it may serve this
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, heads(digest));
        jump(0);
        proxy().reload();
        assertServed(get(blob("a", digest)), bytes);  // of an hour ago: still good
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, heads(digest));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void backOffIsNotTheWallClocks() {
        startWithClock({});
        jump(-kYear);
        for (std::size_t death = 0; death < 3; ++death) {
            await("two workers", [&] { return proxy().workers().size() == 2; });
            ::kill(proxy().workers().front(), SIGKILL);
            await("a death is noticed", [&] {
                return countOf(proxy().log(), "was killed by SIGKILL") > death;
            });
            jump(death % 2 == 0 ? kYear : -kYear);
        }
        await("two workers", [&] { return proxy().workers().size() == 2; });
        assertServed(get("/v2/"), "{}");
    }

private:
    void startWithClock(const ProxySetup& setup) {
        const std::string library = fakeTimeLibrary();
        if (library.empty()) skipTest("libfaketime is not installed");
        if (underSanitizer()) skipTest("libfaketime and sanitizers do not go together");
        makeProxy(setup);
        jump(0);
        proxy().startThrough({"/usr/bin/env", cat("LD_PRELOAD=", library),
                              "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1",
                              "NO_FAKE_STAT=1", cat("FAKETIME_TIMESTAMP_FILE=", clockFile())});
        proxy().start();
        await("all processes", [&] {
            return proxy().workers().size() == setup.workers &&
                   proxy().children("ociproxy: janitor").size() == 1;
        });
    }

    // Beside the access log, which confined processes may reach. Replaced as a whole: it
    // is read all the time.
    std::string clockFile() { return proxy().root().file("clock"); }

    void jump(std::int64_t offset) {
        const std::string next = cat(clockFile(), ".new");
        writeFile(next, cat(offset < 0 ? "" : "+", offset, "\n"));
        std::filesystem::rename(next, clockFile());
    }

    static void assertAge(const Response& response, std::int64_t offset) {
        const std::int64_t age = std::atoll(response.header("Age").c_str());
        CPPUNIT_ASSERT_MESSAGE(response.summary(), age >= offset && age < offset + kSlack);
    }

    // The access log has the time that the proxy was made to believe in.
    void awaitStamp(std::int64_t offset) {
        const std::string low = stamp(offset - kSlack);
        const std::string high = stamp(offset + kSlack);
        await(cat("a line of about ", high), [&] {
            const std::vector<std::string> lines = proxy().accessLog();
            return !lines.empty() && lines.back() >= low && lines.back() <= high;
        });
    }

    static std::string stamp(std::int64_t offset) {
        const std::time_t time = static_cast<std::time_t>(wallSeconds() + offset);
        std::tm fields = {};
        ::gmtime_r(&time, &fields);
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &fields);
        return text;
    }

    std::size_t heads(const std::string& digest) {
        return up().count("HEAD", blobPath("a", digest));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClockJumpTest);

}  // namespace ociproxy::itest
