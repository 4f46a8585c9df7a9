// Single ranges of a 1,000-byte blob, cached and not.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class RangeTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(RangeTest);
    OCIPROXY_INTEGRATION_TEST(case62_closedRange);
    OCIPROXY_INTEGRATION_TEST(case63_openAndSuffixRanges);
    OCIPROXY_INTEGRATION_TEST(case64_lastBeyondTheEnd);
    OCIPROXY_INTEGRATION_TEST(case65_numbersBeyond64Bits);
    OCIPROXY_INTEGRATION_TEST(case66_unsatisfiable);
    OCIPROXY_INTEGRATION_TEST(case67_suffixLongerThanTheBlob);
    OCIPROXY_INTEGRATION_TEST(case68_malformedRangesAreIgnored);
    OCIPROXY_INTEGRATION_TEST(case69_otherUnitsAreIgnored);
    OCIPROXY_INTEGRATION_TEST(case70_unitInUpperCase);
    OCIPROXY_INTEGRATION_TEST(case79_ifRange);
    OCIPROXY_INTEGRATION_TEST(case80_ifRangeAlone);
    OCIPROXY_INTEGRATION_TEST(case81_rangeOnHead);
    OCIPROXY_INTEGRATION_TEST(case82_ifNoneMatchWins);
    OCIPROXY_INTEGRATION_TEST(case83_rangeOfTheEmptyBlob);
    OCIPROXY_INTEGRATION_TEST(case86_readersThatLeaveEarly);
    OCIPROXY_INTEGRATION_TEST(rangeOfAnUncachedBlobFillsTheStore);
    OCIPROXY_INTEGRATION_TEST(rangesOfALargeBlob);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
        target_ = blob("a", digest_);
        startProxy();
    }

    void case62_closedRange() {
        assertPart("bytes=0-99", 0, 99);
        assertPart("bytes=500-500", 500, 500);
    }

    void case63_openAndSuffixRanges() {
        assertPart("bytes=900-", 900, 999);
        assertPart("bytes=-100", 900, 999);
    }

    void case64_lastBeyondTheEnd() { assertPart("bytes=990-1000", 990, 999); }

    void case65_numbersBeyond64Bits() { assertPart("bytes=0-99999999999999999999999", 0, 999); }

    void case66_unsatisfiable() {
        fill();
        for (const char* range : {"bytes=1000-", "bytes=1000-1000", "bytes=-0",
                                  "bytes=99999999999999999999999-"}) {
            const Response response = get(target_, {{"Range", range}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(range, 416, response.status);
            CPPUNIT_ASSERT_EQUAL(std::string("bytes */1000"), response.header("Content-Range"));
        }
    }

    void case67_suffixLongerThanTheBlob() { assertPart("bytes=-5000", 0, 999); }

    void case68_malformedRangesAreIgnored() {
        fill();
        for (const char* range : {"bytes=5-2", "bytes=abc", "bytes=", "bytes 0-1"}) {
            assertServed(get(target_, {{"Range", range}}), bytes_);
        }
    }

    void case69_otherUnitsAreIgnored() {
        fill();
        assertServed(get(target_, {{"Range", "items=0-1"}}), bytes_);
    }

    void case70_unitInUpperCase() { assertPart("BYTES=0-0", 0, 0); }

    void case79_ifRange() {
        fill();
        assertPart("bytes=0-9", 0, 9, cat('"', digest_, '"'));
        for (const std::string& validator : {std::string("\"other\""), cat("W/\"", digest_, '"'),
                                             std::string("Mon, 23 Nov 2026 20:00:00 GMT")}) {
            assertServed(get(target_, {{"Range", "bytes=0-9"}, {"If-Range", validator}}), bytes_);
        }
    }

    void case80_ifRangeAlone() {
        fill();
        assertServed(get(target_, {{"If-Range", cat('"', digest_, '"')}}), bytes_);
    }

    void case81_rangeOnHead() {
        fill();
        const Response response = head(target_, {{"Range", "bytes=0-9"}});
        CPPUNIT_ASSERT_EQUAL(200, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string("1000"), response.header("Content-Length"));
    }

    void case82_ifNoneMatchWins() {
        fill();
        const Response response = get(
            target_, {{"Range", "bytes=0-9"}, {"If-None-Match", cat('"', digest_, '"')}});
        CPPUNIT_ASSERT_EQUAL(304, response.status);
    }

    void case83_rangeOfTheEmptyBlob() {
        const std::string empty = blob("a", up().addBlob("a", ""));
        assertServed(get(empty), "");
        for (const char* range : {"bytes=0-", "bytes=-1", "bytes=0-0"}) {
            const Response response = get(empty, {{"Range", range}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(range, 416, response.status);
            CPPUNIT_ASSERT_EQUAL(std::string("bytes */0"), response.header("Content-Range"));
        }
    }

    void case86_readersThatLeaveEarly() {
        const std::string bytes = randomBytes(3 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        for (std::size_t first = 0; first < 3; ++first) {
            TestClient client(proxy().port());
            client.send("GET", blob("a", digest),
                        {{"Range", cat("bytes=", first * kMiB, "-")}});
            Response response = client.readHead();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), 206, response.status);
            client.readBody(&response, kMiB);
            CPPUNIT_ASSERT_EQUAL(0, bytes.compare(first * kMiB, kMiB, response.body, 0, kMiB));
            client.leave();
        }
        awaitStored(digest);
        CPPUNIT_ASSERT(up().blobGets(digest) <= 3);
    }

    void rangeOfAnUncachedBlobFillsTheStore() {
        assertPart("bytes=10-19", 10, 19);
        awaitStored(digest_);
        assertServed(get(target_), bytes_);
    }

    void rangesOfALargeBlob() {
        bytes_ = randomBytes(kMiB + 1);
        digest_ = up().addBlob("a", bytes_);
        target_ = blob("a", digest_);
        fill();
        assertPart("bytes=0-0", 0, 0);
        assertPart("bytes=1048576-", kMiB, kMiB);
        assertPart("bytes=65535-131072", 65'535, 131'072);
        assertPart("bytes=-1048577", 0, kMiB);
    }

private:
    void fill() {
        assertServed(get(target_), bytes_);
        awaitStored(digest_);
    }

    // Asked twice: of a blob that may have to be fetched first, and of a stored one.
    void assertPart(const std::string& range, std::size_t first, std::size_t last,
                    const std::string& ifRange = {}) {
        Fields fields{{"Range", range}};
        if (!ifRange.empty()) fields.add("If-Range", ifRange);
        for (int i = 0; i < 2; ++i) {
            const Response response = get(target_, fields);
            CPPUNIT_ASSERT_MESSAGE(cat(range, ": ", response.summary()),
                                   response.complete() && response.status == 206);
            CPPUNIT_ASSERT_EQUAL(cat("bytes ", first, "-", last, "/", bytes_.size()),
                                 response.header("Content-Range"));
            CPPUNIT_ASSERT_EQUAL(std::to_string(last - first + 1),
                                 response.header("Content-Length"));
            CPPUNIT_ASSERT_EQUAL(digest_, response.header("Docker-Content-Digest"));
            CPPUNIT_ASSERT(response.body == bytes_.substr(first, last - first + 1));
        }
    }

    std::string bytes_;
    std::string digest_;
    std::string target_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RangeTest);

}  // namespace ociproxy::itest
