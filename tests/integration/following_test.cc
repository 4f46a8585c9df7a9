// What single clients get from a fill that still runs: bytes as they arrive, the last
// of them once the digest is verified, ranges of a growing file.
#include <unistd.h>

#include "integration/stopped_fill_test.h"

namespace ociproxy::itest {

class FollowingTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(FollowingTest);
    OCIPROXY_INTEGRATION_TEST(lastBytesAreHeldBackUntilVerified);
    OCIPROXY_INTEGRATION_TEST(case55_clientLeavesWhileAnotherWaits);
    OCIPROXY_INTEGRATION_TEST(case55_starterLeaves);
    OCIPROXY_INTEGRATION_TEST(fillEndsWithoutAnyClient);
    OCIPROXY_INTEGRATION_TEST(linkIsThereFromTheStart);
    OCIPROXY_INTEGRATION_TEST(slowReaderHoldsNobodyUp);
    OCIPROXY_INTEGRATION_TEST(rangesOfAGrowingFileAreMarked);
    OCIPROXY_INTEGRATION_TEST(rangesWaitWhenUnverifiedOnesAreOff);
    OCIPROXY_INTEGRATION_TEST(openRangeAheadOfTheFill);
    OCIPROXY_INTEGRATION_TEST(case84_rangeFarAheadOfTheFill);
    OCIPROXY_INTEGRATION_TEST(case84_rangeNearTheEndStartsTheFill);
    OCIPROXY_INTEGRATION_TEST(case85_severalRangesAsTheFillComes);
    CPPUNIT_TEST_SUITE_END();

public:
    void lastBytesAreHeldBackUntilVerified() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        // All bytes but the last are there: the digest cannot be known yet.
        prepare({kMiB, kMiB - 1, -1, {}});
        TestClient starter(proxy().port());
        TestClient follower(proxy().port());
        Response first = startFollowing(&starter, kMiB - kHoldBack);
        Response second = startFollowing(&follower, kMiB - kHoldBack);
        CPPUNIT_ASSERT(starter.silentFor(kSilence) && follower.silentFor(kSilence));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB - kHoldBack}, first.bodySize);
        gate_->open();
        starter.finish(&first);
        follower.finish(&second);
        assertServed(first, bytes_);
        assertServed(second, bytes_);
    }

    void case55_clientLeavesWhileAnotherWaits() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({});
        TestClient starter(proxy().port());
        TestClient leaver(proxy().port());
        Response kept = startFollowing(&starter, kLarge / 10);
        startFollowing(&leaver, kLarge / 10);
        leaver.reset();
        gate_->open();
        starter.finish(&kept);
        assertServed(kept, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void case55_starterLeaves() {
        startProxy({2, "", "", ""});
        prepare({});
        TestClient starter(proxy().port());
        startFollowing(&starter, kLarge / 10);
        TestClient waiter = proxy().connectToOther(proxy().workerOf(starter));
        TestClient neighbour = proxy().connectTo(proxy().workerOf(starter));
        waiter.send("GET", target_);
        neighbour.send("GET", target_);
        awaitRequests(3);
        starter.reset();
        gate_->open();
        assertServed(waiter.read(), bytes_);
        assertServed(neighbour.read(), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void fillEndsWithoutAnyClient() {
        startProxy();
        prepare({});
        {
            TestClient starter(proxy().port());
            startFollowing(&starter, kMiB);
            starter.reset();
        }
        gate_->open();
        awaitStored(digest_);
        assertServed(get(target_), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    // Dropped while the fill runs, because the upstream changed its mind, it stays away.
    void linkIsThereFromTheStart() {
        startProxy();
        prepare({});
        TestClient starter(proxy().port());
        Response whole = startFollowing(&starter, kMiB);
        const std::vector<std::string> links = proxy().store().linkFiles();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, links.size());
        CPPUNIT_ASSERT_EQUAL(0, ::unlink(links[0].c_str()));
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
        awaitStored(digest_);
        CPPUNIT_ASSERT(proxy().store().linkFiles().empty());
    }

    void slowReaderHoldsNobodyUp() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({});
        TestClient slow(proxy().port());
        slow.send("GET", target_);  // and reads nothing
        gate_->awaitArrivals(1);
        gate_->open();
        assertServed(get(target_), bytes_);
        awaitStored(digest_);
        assertServed(slow.read(), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void rangesOfAGrowingFileAreMarked() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({});
        TestClient starter(proxy().port());
        Response whole = startFollowing(&starter, kMiB);
        const Response part = get(target_, {{"Range", "bytes=1000-1999"}});
        assertPart(part, 1000, 1999);
        assertContains(part.header("Cache-Status"), "detail=unverified");
        assertLacks(whole.header("Cache-Status"), "unverified");
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
        const Response later = get(target_, {{"Range", "bytes=1000-1999"}});
        assertPart(later, 1000, 1999);
        assertLacks(later.header("Cache-Status"), "unverified");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void rangesWaitWhenUnverifiedOnesAreOff() {
        startProxy({2, "follow_after = 0s\nunverified_ranges = off\n", "", ""});
        prepare({});
        TestClient starter(proxy().port());
        Response whole = startFollowing(&starter, kMiB);
        TestClient part(proxy().port());
        part.send("GET", target_, {{"Range", "bytes=0-999"}});
        awaitRequests(2);
        CPPUNIT_ASSERT(part.silentFor(kSilence));
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
        const Response response = part.read();
        assertPart(response, 0, 999);
        assertLacks(response.header("Cache-Status"), "unverified");
    }

    // Answered while the fill stands still; the rest of the blob is fetched once.
    void case84_rangeFarAheadOfTheFill() {
        startProxy({2, "", "", ""});
        constexpr std::size_t size = 16 * kMiB;
        prepare({size, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response whole = startFollowing(&starter, kMiB);
        assertFarPart(cat("bytes=", size - 1000, "-", size - 1), size);
        assertFarPart("bytes=-1000", size);
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
        awaitStored(digest_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, wholeGets());
    }

    void case84_rangeNearTheEndStartsTheFill() {
        startProxy({2, "", "", ""});
        constexpr std::size_t size = 16 * kMiB;
        prepare({size, kStopAt, -1, {}});
        assertFarPart(cat("bytes=", size - 1000, "-", size - 1), size);
        gate_->open();
        awaitStored(digest_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, wholeGets());
    }

    void case85_severalRangesAsTheFillComes() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({});
        TestClient client(proxy().port());
        client.send("GET", target_, {{"Range", cat("bytes=0-999,", 5 * kMiB, "-",
                                                   5 * kMiB + 999)}});
        Response parts = client.readHead();
        CPPUNIT_ASSERT_EQUAL(206, parts.status);
        assertContains(parts.header("Content-Type"), "multipart/byteranges");
        assertContains(parts.header("Cache-Status"), "unverified");
        client.readBody(&parts, 1000);
        gate_->open();
        client.finish(&parts);
        CPPUNIT_ASSERT(parts.complete());
        assertContains(parts.body, bytes_.substr(0, 1000));
        assertContains(parts.body, bytes_.substr(5 * kMiB, 1000));
        assertContains(parts.body, cat("Content-Range: bytes 0-999/", kLarge, "\r\n"));
        awaitStored(digest_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest_));
    }

    void openRangeAheadOfTheFill() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({});
        TestClient starter(proxy().port());
        startFollowing(&starter, kMiB);
        TestClient ahead(proxy().port());
        ahead.send("GET", target_, {{"Range", cat("bytes=", 5 * kMiB, "-")}});
        Response response = ahead.readHead();
        CPPUNIT_ASSERT_EQUAL(206, response.status);
        CPPUNIT_ASSERT(!ahead.hasInput());
        gate_->open();
        ahead.finish(&response);
        assertPart(response, 5 * kMiB, kLarge - 1);
        awaitStored(digest_);
    }

private:
    void assertFarPart(const std::string& range, std::size_t size) {
        const Response part = get(target_, {{"Range", range}});
        assertPart(part, size - 1000, size - 1);
        assertContains(part.header("Cache-Status"), "stored=?0; detail=unverified");
    }

    std::size_t wholeGets() {
        return up().count([](const Received& request) {
            return request.method == "GET" && request.fields.get("Range").empty();
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FollowingTest);

}  // namespace ociproxy::itest
