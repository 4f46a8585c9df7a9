// Redirects of an upstream to a CDN and elsewhere.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class RedirectTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(RedirectTest);
    OCIPROXY_INTEGRATION_TEST(case166_everyStatusIsFollowed);
    OCIPROXY_INTEGRATION_TEST(case166_credentialsStayBehind);
    OCIPROXY_INTEGRATION_TEST(case167_relativeLocations);
    OCIPROXY_INTEGRATION_TEST(case168_signedQueryIsKeptByteByByte);
    OCIPROXY_INTEGRATION_TEST(case170_privateAddressIsRefused);
    OCIPROXY_INTEGRATION_TEST(case171_loop);
    OCIPROXY_INTEGRATION_TEST(case171_elevenHops);
    OCIPROXY_INTEGRATION_TEST(case173_resumeAsksTheOriginAgain);
    OCIPROXY_INTEGRATION_TEST(case176_noLocation);
    OCIPROXY_INTEGRATION_TEST(case177_manifestIsRedirected);
    OCIPROXY_INTEGRATION_TEST(case178_tokenIsNotSentAgainOnTheWayBack);
    OCIPROXY_INTEGRATION_TEST(otherSchemesAreRefused);
    OCIPROXY_INTEGRATION_TEST(redirectIsNotRemembered);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        cdn_ = std::make_unique<FakeRegistry>();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
        path_ = blobPath("a", digest_);
        startProxy({2, "", "allow_addresses = 127.0.0.0/8\n", ""});
    }

    void tearDown() override {
        cdn_.reset();
        IntegrationTest::tearDown();
    }

    void case166_everyStatusIsFollowed() {
        for (int status : {301, 302, 303, 307, 308}) {
            const std::string bytes = randomBytes(100);
            const std::string digest = digestText(bytes);
            cdn_->addFile("/" + digest, bytes);
            redirect(blobPath("a", digest), cat(cdn_->url(), "/", digest), status);
            const Response response = get(blob("a", digest));
            assertServed(response, bytes);
            CPPUNIT_ASSERT(!response.fields.has("Location"));
        }
    }

    void case166_credentialsStayBehind() {
        const std::shared_ptr<TokenMint> mint = std::make_shared<TokenMint>();
        up().serveTokens(mint);
        up().requireTokens(mint, {"", up().url() + "/token", "s", ""});
        cdn_->addFile("/file", bytes_);
        redirect(path_, cdn_->url() + "/file");
        assertServed(get(blob("a", digest_), {{"Cookie", "c=1"}, {"Referer", "http://r/"}}),
                     bytes_);
        CPPUNIT_ASSERT(up().lastRequest(path_).fields.has("Authorization"));
        const Fields sent = cdn_->lastRequest("/file").fields;
        for (const char* name : {"Authorization", "Cookie", "Referer"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !sent.has(name));
        }
        CPPUNIT_ASSERT_EQUAL(cdn_->authority(), sent.get("Host"));
    }

    void case167_relativeLocations() {
        up().addFile("/elsewhere/file", bytes_);
        up().addFile("/v2/a/blobs/file", bytes_);
        assertFollowed("/elsewhere/file", "/elsewhere/file");
        assertFollowed(cat("//", up().authority(), "/elsewhere/file"), "/elsewhere/file");
        assertFollowed("file", "/v2/a/blobs/file");
        assertFollowed("../../../elsewhere/./file", "/elsewhere/file");
        // "?x" alone leads to the same path: one redirect, then the content.
        Behaviour once;
        once.times = 1;
        once.status = 307;
        once.fields = {{"Location", "?x=1"}};
        up().behave(path_, once);
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::string("x=1"), up().lastRequest(path_).query);
    }

    void case168_signedQueryIsKeptByteByByte() {
        const std::string target = "/f%69le;a/b?X-Amz-Signature=a%2Fb&y=+&z=%7e~!$'()*,&e=&&=x";
        cdn_->addFile("/f%69le;a/b", bytes_);
        redirect(path_, cat(cdn_->url(), target, "#fragment"));
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(target, cdn_->requests().back().target);
    }

    void case170_privateAddressIsRefused() {
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration({2, "", "", ""}));
        proxy().start();
        cdn_->addFile("/file", bytes_);
        for (const std::string& host :
             {cdn_->authority(), cat("localhost:", cdn_->port()),
              cat("[::ffff:127.0.0.1]:", cdn_->port()), cat("2130706433:", cdn_->port()),
              cat("127.1:", cdn_->port())}) {
            const std::string bytes = randomBytes(10);  // no two share a failure
            const std::string digest = digestText(bytes);
            redirect(blobPath("a", digest), cat("http://", host, "/file"));
            assertError(get(blob("a", digest)), 502, "UNAVAILABLE");
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, cdn_->connections());
    }

    void case171_loop() {
        redirect(path_, cdn_->url() + "/loop");
        redirectIn(*cdn_, "/loop", up().url() + path_);
        assertError(get(blob("a", digest_)), 502, "UNAVAILABLE");
        CPPUNIT_ASSERT(cdn_->requests().size() <= 11);
    }

    void case171_elevenHops() {
        redirect(path_, cdn_->url() + "/1");
        for (int hop = 1; hop < 11; ++hop) {
            redirectIn(*cdn_, cat("/", hop), cat("/", hop + 1));
        }
        cdn_->addFile("/11", bytes_);
        assertError(get(blob("a", digest_)), 502, "UNAVAILABLE");
        cdn_->forgetRequests();
        // Ten are followed.
        const std::string bytes = randomBytes(10);
        const std::string digest = digestText(bytes);
        cdn_->addFile("/11", bytes);
        redirect(blobPath("a", digest), cdn_->url() + "/2");
        assertServed(get(blob("a", digest)), bytes);
    }

    void case173_resumeAsksTheOriginAgain() {
        bytes_ = randomBytes(kMiB);
        digest_ = digestText(bytes_);
        path_ = blobPath("a", digest_);
        cdn_->addFile("/file", bytes_);
        redirect(path_, cdn_->url() + "/file");
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 500'000;
        cdn_->behave("/file", cut);
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().count("GET", path_));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=500000-"),
                             cdn_->lastRequest("/file").fields.get("Range"));
    }

    void case176_noLocation() {
        Behaviour lost;
        lost.status = 307;
        up().behave(path_, lost);
        assertError(get(blob("a", digest_)), 502, "UNAVAILABLE");
    }

    void case177_manifestIsRedirected() {
        const std::string bytes = imageManifest("config", {"layer"});
        const std::string digest = cdn_->addManifest("other/place", bytes, kManifestType);
        redirect(manifestPath("a", digest),
                 cdn_->url() + manifestPath("other/place", digest));
        assertServed(get(manifest("a", digest)), bytes);
        up().stop();
        cdn_->stop();
        assertServed(get(manifest("a", digest)), bytes);
    }

    void case178_tokenIsNotSentAgainOnTheWayBack() {
        const std::shared_ptr<TokenMint> mint = std::make_shared<TokenMint>();
        up().serveTokens(mint);
        up().requireTokens(mint, {"", up().url() + "/token", "s", ""});
        up().addFile("/open/file", bytes_);  // outside /v2/: needs no token
        redirect(path_, cdn_->url() + "/back");
        redirectIn(*cdn_, "/back", up().url() + "/open/file");
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT(up().lastRequest(path_).fields.has("Authorization"));
        CPPUNIT_ASSERT(!cdn_->lastRequest("/back").fields.has("Authorization"));
        CPPUNIT_ASSERT(!up().lastRequest("/open/file").fields.has("Authorization"));
    }

    void otherSchemesAreRefused() {
        for (const char* location : {"file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x",
                                     "http://u:p@127.0.0.1/x", "http://127.0.0.1:0/x",
                                     "http://127.0.0.1:99999/x", ""}) {
            const std::string digest = digestText(randomBytes(10));
            redirect(blobPath("a", digest), location);
            const Response response = get(blob("a", digest));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(cat(location, ": ", response.summary()), 502,
                                         response.status);
        }
    }

    void redirectIsNotRemembered() {
        cdn_->addFile("/file", bytes_);
        Behaviour moved;
        moved.status = 301;
        moved.fields = {{"Location", cdn_->url() + "/file"},
                        {"Cache-Control", "max-age=31536000"}};
        up().behave(path_, moved);
        CPPUNIT_ASSERT_EQUAL(200, head(blob("a", digest_)).status);
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", path_));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("HEAD", path_));
    }

private:
    static void redirectIn(FakeRegistry& registry, const std::string& path,
                           const std::string& location, int status = 307) {
        Behaviour moved;
        moved.status = status;
        moved.fields = {{"Location", location}};
        registry.behave(path, moved);
    }

    void redirect(const std::string& path, const std::string& location, int status = 307) {
        redirectIn(up(), path, location, status);
    }

    // HEAD, which stores nothing, so that the same blob serves several times.
    void assertFollowed(const std::string& location, const std::string& path) {
        redirect(path_, location);
        const Response response = head(blob("a", digest_));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(location, 200, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string("1000"), response.header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(path, up().requests().back().path);
    }

    std::unique_ptr<FakeRegistry> cdn_;
    std::string bytes_;
    std::string digest_;
    std::string path_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RedirectTest);

}  // namespace ociproxy::itest
