// Blobs with one client at a time.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class BlobTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(BlobTest);
    OCIPROXY_INTEGRATION_TEST(case37_firstGetFillsTheStore);
    OCIPROXY_INTEGRATION_TEST(case38_secondGetIsAHit);
    OCIPROXY_INTEGRATION_TEST(case38_hitsOutliveTheUpstreamAndARestart);
    OCIPROXY_INTEGRATION_TEST(case40_headCachedAndUncached);
    OCIPROXY_INTEGRATION_TEST(case41_headRefusedUpstream);
    OCIPROXY_INTEGRATION_TEST(case41_headRefusedByTheRedirectTarget);
    OCIPROXY_INTEGRATION_TEST(case50_acceptEncodingIsNotPassedOn);
    OCIPROXY_INTEGRATION_TEST(case51_blobUnknownUpstream);
    OCIPROXY_INTEGRATION_TEST(case52_emptyBlob);
    OCIPROXY_INTEGRATION_TEST(case53_ifNoneMatch);
    OCIPROXY_INTEGRATION_TEST(case54_ifNoneMatchOfAnother);
    OCIPROXY_INTEGRATION_TEST(sizesAroundTheHoldBack);
    OCIPROXY_INTEGRATION_TEST(chunkedUpstream);
    OCIPROXY_INTEGRATION_TEST(manyRequestsOnOneConnection);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
        startProxy();
    }

    void case37_firstGetFillsTheStore() {
        const Response response = get(blob("a", digest_));
        assertServed(response, bytes_);
        assertBlobFields(response);
        assertContains(response.header("Cache-Status"), "ociproxy");
        assertContains(response.header("Cache-Status"), "fwd=uri-miss");
        assertContains(response.header("Cache-Status"), "stored");
        awaitStored(digest_);
        CPPUNIT_ASSERT_EQUAL(bytes_, readFile(proxy().store().blobPath(digest_)));
    }

    void case38_secondGetIsAHit() {
        fill();
        const std::size_t calls = up().calls();
        const Response response = get(blob("a", digest_));
        assertServed(response, bytes_);
        assertBlobFields(response);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), response.header("Cache-Status"));
        CPPUNIT_ASSERT(response.fields.has("Age"));
        CPPUNIT_ASSERT_EQUAL(calls, up().calls());
    }

    void case38_hitsOutliveTheUpstreamAndARestart() {
        fill();
        up().stop();
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().start();
        assertServed(get(blob("a", digest_)), bytes_);
    }

    void case40_headCachedAndUncached() {
        const Response miss = head(blob("a", digest_));
        assertHead(miss, 1000);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobHeads());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().blobGets());
        fill();
        const std::size_t calls = up().calls();
        assertHead(head(blob("a", digest_)), 1000);
        CPPUNIT_ASSERT_EQUAL(calls, up().calls());
    }

    void case41_headRefusedUpstream() {
        Behaviour refuse;
        refuse.method = "HEAD";
        refuse.status = 405;
        up().behave(blobPath("a", digest_), refuse);
        assertHead(head(blob("a", digest_)), 1000);
        assertOneByteAsked(up(), blobPath("a", digest_));
    }

    void case41_headRefusedByTheRedirectTarget() {
        FakeRegistry cdn;
        cdn.addFile("/signed", bytes_);
        Behaviour redirect;
        redirect.status = 307;
        redirect.fields = {{"Location", cdn.url() + "/signed?sig=1"}};
        up().behave(blobPath("a", digest_), redirect);
        Behaviour refuse;
        refuse.method = "HEAD";
        refuse.status = 403;
        cdn.behave("/signed", refuse);
        restartWith({2, "", "allow_addresses = 127.0.0.0/8\n", ""});
        assertHead(head(blob("a", digest_)), 1000);
        assertOneByteAsked(cdn, "/signed");
    }

    void case50_acceptEncodingIsNotPassedOn() {
        const Response response = get(blob("a", digest_),
                                      {{"Accept-Encoding", "zstd;q=1.0, gzip;q=0.8"}});
        assertServed(response, bytes_);
        CPPUNIT_ASSERT(!response.fields.has("Content-Encoding"));
        for (const Received& request : up().requests()) {
            CPPUNIT_ASSERT_EQUAL(std::string("identity"), request.fields.get("Accept-Encoding"));
        }
    }

    void case51_blobUnknownUpstream() {
        const std::string bytes = randomBytes(100);
        const std::string target = blob("a", digestText(bytes));
        assertError(get(target), 404, "BLOB_UNKNOWN");
        up().addBlob("a", bytes);
        await("the blob that has appeared is found", [&] { return get(target).status == 200; });
    }

    void case52_emptyBlob() {
        const std::string empty = up().addBlob("a", "");
        const Response first = get(blob("a", empty));
        assertServed(first, "");
        CPPUNIT_ASSERT_EQUAL(std::string("0"), first.header("Content-Length"));
        awaitStored(empty);
        up().stop();
        const Response second = get(blob("a", empty));
        assertServed(second, "");
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), second.header("Cache-Status"));
    }

    void case53_ifNoneMatch() {
        fill();
        TestClient client(proxy().port());
        for (const std::string& tags :
             {cat('"', digest_, '"'), digest_, cat("W/\"", digest_, '"'), std::string("*"),
              cat("\"x\",\"", digest_, '"')}) {
            const Response response = client.get(blob("a", digest_), {{"If-None-Match", tags}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(tags, 304, response.status);
            CPPUNIT_ASSERT_EQUAL(cat('"', digest_, '"'), response.header("ETag"));
        }
    }

    void case54_ifNoneMatchOfAnother() {
        fill();
        assertServed(get(blob("a", digest_), {{"If-None-Match", "\"other\""}}), bytes_);
    }

    void sizesAroundTheHoldBack() {
        for (std::size_t size : {std::size_t{1}, kHoldBack - 1, kHoldBack, kHoldBack + 1,
                                 2 * kHoldBack, kMiB + 17}) {
            const std::string bytes = randomBytes(size);
            const std::string digest = up().addBlob("a", bytes);
            const Response miss = get(blob("a", digest));
            assertServed(miss, bytes);
            CPPUNIT_ASSERT_EQUAL(std::to_string(size), miss.header("Content-Length"));
            assertServed(get(blob("a", digest)), bytes);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest));
        }
    }

    void chunkedUpstream() {
        const std::string bytes = randomBytes(300 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        Behaviour chunked;
        chunked.chunked = true;
        up().behave(blobPath("a", digest), chunked);
        assertServed(get(blob("a", digest)), bytes);
        const Response hit = get(blob("a", digest));
        assertServed(hit, bytes);
        CPPUNIT_ASSERT_EQUAL(std::to_string(bytes.size()), hit.header("Content-Length"));
    }

    void manyRequestsOnOneConnection() {
        TestClient client(proxy().port());
        for (int i = 0; i < 20; ++i) {
            assertServed(client.get(blob("a", digest_)), bytes_);
            assertHead(client.head(blob("a", digest_)), 1000);
            assertServed(client.get("/v2/"), "{}");
        }
    }

private:
    void fill() {
        assertServed(get(blob("a", digest_)), bytes_);
        awaitStored(digest_);
    }

    void restartWith(const ProxySetup& setup) {
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration(setup));
        proxy().start();
    }

    void assertBlobFields(const Response& response) {
        CPPUNIT_ASSERT_EQUAL(std::string("1000"), response.header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(digest_, response.header("Docker-Content-Digest"));
        CPPUNIT_ASSERT_EQUAL(cat('"', digest_, '"'), response.header("ETag"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes"), response.header("Accept-Ranges"));
        CPPUNIT_ASSERT_EQUAL(std::string("application/octet-stream"),
                             response.header("Content-Type"));
        CPPUNIT_ASSERT_EQUAL(std::string("registry/2.0"),
                             response.header("Docker-Distribution-API-Version"));
    }

    void assertHead(const Response& response, std::size_t size) {
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 200);
        CPPUNIT_ASSERT_EQUAL(std::to_string(size), response.header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(digest_, response.header("Docker-Content-Digest"));
        CPPUNIT_ASSERT(response.body.empty());
    }

    void assertOneByteAsked(FakeRegistry& registry, const std::string& path) {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, registry.count("GET", path));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=0-0"),
                             registry.lastRequest(path).fields.get("Range"));
    }

    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(BlobTest);

}  // namespace ociproxy::itest
