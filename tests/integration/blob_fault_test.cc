// Upstreams that break, lie or are gone: no complete 200 of wrong bytes, nothing
// stored, and the next request to a healthy upstream succeeds.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class BlobFaultTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(BlobFaultTest);
    OCIPROXY_INTEGRATION_TEST(case42_flippedBitInASmallBlob);
    OCIPROXY_INTEGRATION_TEST(case42_flippedBitInALargeBlob);
    OCIPROXY_INTEGRATION_TEST(case42_lastByteWrong);
    OCIPROXY_INTEGRATION_TEST(case43_cutUpstreamIsResumed);
    OCIPROXY_INTEGRATION_TEST(case44_resumeAnsweredWithTheWhole);
    OCIPROXY_INTEGRATION_TEST(case45_resumeAnsweredWithAnotherRange);
    OCIPROXY_INTEGRATION_TEST(case46_resumeImpossible);
    OCIPROXY_INTEGRATION_TEST(case46_resetsInsteadOfEnds);
    OCIPROXY_INTEGRATION_TEST(case47_upstreamRefusesConnections);
    OCIPROXY_INTEGRATION_TEST(shortBodyOfRightFraming);
    OCIPROXY_INTEGRATION_TEST(longBodyOfRightFraming);
    OCIPROXY_INTEGRATION_TEST(longerThanAnnounced);
    OCIPROXY_INTEGRATION_TEST(chunkedWithoutLastChunk);
    OCIPROXY_INTEGRATION_TEST(htmlPageInsteadOfABlob);
    OCIPROXY_INTEGRATION_TEST(statusesOfTheUpstream);
    OCIPROXY_INTEGRATION_TEST(tooManyRequestsCarriesRetryAfter);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(kMiB);
        digest_ = up().addBlob("a", bytes_);
        startProxy();
    }

    void case42_flippedBitInASmallBlob() {
        const std::string bytes = randomBytes(1000);
        const std::string digest = up().addBlob("a", bytes);
        Behaviour lie;
        lie.flipAt = 500;
        up().behave(blobPath("a", digest), lie);
        assertError(get(blob("a", digest)), 502, "UNAVAILABLE");
        assertHeals(bytes, digest);
    }

    void case42_flippedBitInALargeBlob() { assertLieIsCaught(100); }

    void case42_lastByteWrong() { assertLieIsCaught(bytes_.size() - 1); }

    void case43_cutUpstreamIsResumed() {
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 400'000;
        up().behave(blobPath("a", digest_), cut);
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=400000-"),
                             up().lastRequest(blobPath("a", digest_)).fields.get("Range"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets());
    }

    void case44_resumeAnsweredWithTheWhole() {
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 400'000;
        up().behave(blobPath("a", digest_), cut);
        Behaviour whole;
        whole.ranges = false;
        up().behave("", whole);
        assertRightOrCut(get(blob("a", digest_)));
    }

    void case45_resumeAnsweredWithAnotherRange() {
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 400'000;
        up().behave(blobPath("a", digest_), cut);
        Behaviour wrong;
        wrong.wrongContentRange = true;
        up().behave("", wrong);
        assertRightOrCut(get(blob("a", digest_)));
    }

    void case46_resumeImpossible() { assertBrokenBody(false); }

    void case46_resetsInsteadOfEnds() { assertBrokenBody(true); }

    void case47_upstreamRefusesConnections() {
        up().stop();
        assertError(get(blob("a", digest_)), 502, "UNAVAILABLE");
        assertError(get(manifest("a", "latest")), 502, "UNAVAILABLE");
        CPPUNIT_ASSERT_EQUAL(502, head(blob("a", digest_)).status);
        up().start();
        assertHeals(bytes_, digest_);
    }

    // As with a proxy in between that cuts cleanly: all framing right, bytes missing.
    void shortBodyOfRightFraming() { assertWrongContent(bytes_.substr(0, bytes_.size() - 1)); }

    void longBodyOfRightFraming() { assertWrongContent(bytes_ + "x"); }

    void longerThanAnnounced() {
        Behaviour lie;
        lie.lengthError = -5;
        assertFault(lie);
    }

    void chunkedWithoutLastChunk() {
        Behaviour lie;
        lie.chunked = true;
        lie.lastChunk = false;
        lie.ranges = false;
        assertFault(lie);
    }

    void htmlPageInsteadOfABlob() { assertWrongContent("<html><body>Sign in</body></html>"); }

    void statusesOfTheUpstream() {
        assertStatus(500, 502, "UNAVAILABLE");
        assertStatus(502, 502, "UNAVAILABLE");
        assertStatus(503, 503, "UNAVAILABLE");
        assertStatus(504, 504, "UNAVAILABLE");
        assertStatus(403, 403, "DENIED");
        assertStatus(404, 404, "BLOB_UNKNOWN");
    }

    void tooManyRequestsCarriesRetryAfter() {
        Behaviour limit;
        limit.status = 429;
        limit.fields = {{"Retry-After", "7"}};
        up().behave(blobPath("a", digest_), limit);
        const Response response = get(blob("a", digest_));
        assertError(response, 429, "TOOMANYREQUESTS");
        CPPUNIT_ASSERT_EQUAL(std::string("7"), response.header("Retry-After"));
    }

private:
    void assertLieIsCaught(std::uint64_t at) {
        Behaviour lie;
        lie.flipAt = at;
        assertFault(lie);
    }

    void assertFault(const Behaviour& behaviour) {
        up().behave(blobPath("a", digest_), behaviour);
        assertNotServed(get(blob("a", digest_)));
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        assertHeals(bytes_, digest_);
    }

    void assertWrongContent(const std::string& wrong) {
        up().addFile(blobPath("a", digest_), wrong);
        assertNotServed(get(blob("a", digest_)));
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        up().addBlob("a", bytes_);
        assertHeals(bytes_, digest_);
    }

    // The upstream never gets beyond a third of the body, whatever is asked.
    void assertBrokenBody(bool reset) {
        Behaviour broken;
        broken.ranges = false;
        broken.cutAfter = 400'000;
        broken.resetOnCut = reset;
        up().behave(blobPath("a", digest_), broken);
        const Response response = get(blob("a", digest_));
        assertNotServed(response);
        CPPUNIT_ASSERT(response.bodySize <= 400'000);
        CPPUNIT_ASSERT(bytes_.compare(0, response.body.size(), response.body) == 0 ||
                       response.status >= 500);
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        awaitNoTempFiles();
        CPPUNIT_ASSERT(up().blobGets() < 10);
        assertHeals(bytes_, digest_);
    }

    void assertRightOrCut(const Response& response) {
        if (response.complete() && response.status == 200) {
            assertServed(response, bytes_);
        } else {
            assertNotServed(response);
        }
    }

    void assertStatus(int upstream, int status, const std::string& code) {
        const std::string bytes = randomBytes(10);  // no two share a failure
        const std::string digest = up().addBlob("a", bytes);
        Behaviour refuse;
        refuse.status = upstream;
        refuse.body = "<html>no</html>";
        up().behave(blobPath("a", digest), refuse);
        assertError(get(blob("a", digest)), status, code);
        CPPUNIT_ASSERT(!proxy().store().has(digest));
        CPPUNIT_ASSERT(up().blobGets(digest) <= 3);
        assertHeals(bytes, digest);
    }

    // With a healthy upstream the blob is served soon, without help.
    void assertHeals(const std::string& bytes, const std::string& digest) {
        up().behaveWell(blobPath("a", digest));
        up().behaveWell("");
        await("the blob is served again", [&] { return get(blob("a", digest)).status == 200; },
              milliseconds(5'000) * slowness());
        assertServed(get(blob("a", digest)), bytes);
    }

    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(BlobFaultTest);

}  // namespace ociproxy::itest
