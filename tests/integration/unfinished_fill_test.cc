// Downloads that end early: what they leave is gone on with.
#include <algorithm>
#include <thread>

#include "integration/crowd.h"
#include "integration/stopped_fill_test.h"

namespace ociproxy::itest {

class UnfinishedFillTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(UnfinishedFillTest);
    OCIPROXY_INTEGRATION_TEST(unwantedFillStopsAndIsGoneOnWith);
    OCIPROXY_INTEGRATION_TEST(killedProxyLeavesAPartial);
    OCIPROXY_INTEGRATION_TEST(stoppedProxyLeavesAPartial);
    OCIPROXY_INTEGRATION_TEST(noPartialIsKeptIfNoneIsWanted);
    OCIPROXY_INTEGRATION_TEST(failureIsSharedBySixteen);
    OCIPROXY_INTEGRATION_TEST(longDigestEndToEnd);
    CPPUNIT_TEST_SUITE_END();

public:
    // How long nobody has to want it is a time of the product's: this waits for it.
    void unwantedFillStopsAndIsGoneOnWith() {
        startProxy({2, "finish_below = 0\n", "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        {
            TestClient starter(proxy().port());
            startFollowing(&starter, kMiB);
        }
        std::this_thread::sleep_for(milliseconds{4'000});
        gate_->open();
        await("it is left", [&] {
            return proxy().log().find("nobody wants it") != std::string::npos;
        });
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        assertServed(get(target_), bytes_);
        assertResumed();
    }

    void killedProxyLeavesAPartial() {
        leaveFill("");
        proxy().killAll();
        assertGoneOnWith();
    }

    void stoppedProxyLeavesAPartial() {
        leaveFill("");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        assertGoneOnWith();
    }

    void noPartialIsKeptIfNoneIsWanted() {
        leaveFill("partial_max_age = off\n");
        proxy().killAll();
        gate_->open();
        proxy().start();
        awaitNoTempFiles();
        assertServed(get(target_), bytes_);
        CPPUNIT_ASSERT(up().lastRequest(blobPath("a", digest_)).fields.get("Range").empty());
    }

    // One more try among all who wait, and the same answer for all.
    void failureIsSharedBySixteen() {
        startProxy({2, "", "", ""});
        digest_ = up().addBlob("a", "content");
        target_ = blob("a", digest_);
        Behaviour down;
        down.status = 503;
        down.beforeHead = gate_ = std::make_shared<Gate>();
        up().behave(blobPath("a", digest_), down);
        Crowd crowd(16, [&](unsigned) { assertError(get(target_), 503, "UNAVAILABLE"); });
        awaitRequests(16);
        gate_->open();
        crowd.join();
        CPPUNIT_ASSERT_MESSAGE(cat(up().blobGets(digest_), " fetches"),
                               up().blobGets(digest_) <= 2);
    }

    void longDigestEndToEnd() {
        startProxy({2, "", "", ""});
        const std::string bytes = randomBytes(kMiB);
        const std::string digest = sha512Text(bytes);
        up().addFile(blobPath("a", digest), bytes);
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 400'000;
        up().behave(blobPath("a", digest), cut);
        assertSent(get(blob("a", digest)), bytes, digest);
        awaitStored(digest);
        up().stop();
        assertSent(get(blob("a", digest)), bytes, digest);
    }

private:
    void leaveFill(const std::string& configuration) {
        startProxy({2, configuration, "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        startFollowing(&starter, kStopAt - kHoldBack - kMiB);
    }

    void assertSent(const Response& response, const std::string& bytes,
                    const std::string& digest) {
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 200);
        CPPUNIT_ASSERT(response.body == bytes);
        CPPUNIT_ASSERT_EQUAL(digest, response.header("Docker-Content-Digest"));
    }

    void assertGoneOnWith() {
        gate_->open();
        proxy().start();
        await("there is a partial", [&] {
            const std::vector<std::string> files = proxy().store().tempFiles();
            return files.size() == 1 && files[0].find(".partial") != std::string::npos;
        });
        assertServed(get(target_), bytes_);
        assertResumed();
        awaitNoTempFiles();
    }

    // The second and last exchange went on where the first had ended.
    void assertResumed() {
        const std::string range = up().lastRequest(blobPath("a", digest_)).fields.get("Range");
        CPPUNIT_ASSERT_MESSAGE(range, range.find("bytes=") == 0);
        CPPUNIT_ASSERT(std::stoul(range.substr(6)) >= kStopAt - kHoldBack - kMiB);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digest_));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UnfinishedFillTest);

}  // namespace ociproxy::itest
