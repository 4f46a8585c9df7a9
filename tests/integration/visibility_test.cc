// What can be seen of the proxy: header fields on every response, the access log, and
// that secrets cannot be seen.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class VisibilityTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(VisibilityTest);
    OCIPROXY_INTEGRATION_TEST(everyResponseCarriesTheCommonFields);
    OCIPROXY_INTEGRATION_TEST(namespaceIsEchoed);
    OCIPROXY_INTEGRATION_TEST(cacheStatusTellsHowItCameAbout);
    OCIPROXY_INTEGRATION_TEST(accessLogHasALinePerRequest);
    OCIPROXY_INTEGRATION_TEST(accessLogTellsOfCuts);
    OCIPROXY_INTEGRATION_TEST(accessLogCanBeOff);
    OCIPROXY_INTEGRATION_TEST(accessLogEscapesWhatItPrints);
    OCIPROXY_INTEGRATION_TEST(case216_secretsAreNeverLogged);
    OCIPROXY_INTEGRATION_TEST(upstreamFieldsAreNotRelayed);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
    }

    void everyResponseCarriesTheCommonFields() {
        startProxy();
        for (const std::string& target :
             {std::string("/v2/"), blob("a", digest_), blob("a", digest_), blob("b", digest_),
              manifest("a", "latest"), manifest("A", "x"), std::string("/nothing"),
              std::string("/v2/evil.test/a/manifests/x"),
              std::string("/v2/a/manifests/x?ns=up.test")}) {
            assertCommonFields(target, get(target));
            assertCommonFields(target, head(target));
        }
        TestClient client(proxy().port());
        client.sendRaw("GET /v2/ HTTP/1.1\r\n\r\n");  // no Host
        assertCommonFields("no Host", client.read());
        TestClient garbage(proxy().port());
        garbage.sendRaw("\x16\x03\x01\x02\r\n\r\n");
        assertCommonFields("garbage", garbage.read());
    }

    void namespaceIsEchoed() {
        startProxy();
        const std::string path = blobPath("a", digest_);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test"),
                             get(path + "?ns=up.test").header("OCI-Namespace"));
        CPPUNIT_ASSERT_EQUAL(std::string("UP.test"),
                             get(path + "?ns=UP.test").header("OCI-Namespace"));
        CPPUNIT_ASSERT_EQUAL(std::string("up.test"),
                             get(blobPath("b", digest_) + "?ns=up.test").header("OCI-Namespace"));
        CPPUNIT_ASSERT(!get(blob("a", digest_)).fields.has("OCI-Namespace"));
    }

    void cacheStatusTellsHowItCameAbout() {
        startProxy();
        up().addBlob("b", bytes_);
        assertStatus(get("/v2/"), "ociproxy; detail=local");
        const Response asked = head(blob("a", digest_));
        assertStatus(asked, "ociproxy; fwd=uri-miss; fwd-status=200");
        const Response miss = get(blob("a", digest_));
        assertContains(miss.header("Cache-Status"), "ociproxy; fwd=uri-miss");
        assertContains(miss.header("Cache-Status"), "; stored");
        awaitStored(digest_);
        assertStatus(get(blob("a", digest_)), "ociproxy; hit");
        const Response confirmed = get(blob("b", digest_));
        assertContains(confirmed.header("Cache-Status"), "ociproxy; fwd=");
        assertStatus(get(blob("b", digest_)), "ociproxy; hit");
        assertContains(get(blob("c", digest_)).header("Cache-Status"), "fwd-status=404");
    }

    void accessLogHasALinePerRequest() {
        startProxy();
        TestClient client(proxy().port());
        client.get(blob("a", digest_));
        awaitStored(digest_);
        client.get(blob("a", digest_));
        client.head("/v2/");
        client.get(manifest("a", "latest"));
        client.sendRaw("nonsense\r\n\r\n");
        client.read();
        const std::string peer = cat("127.0.0.1:", client.localPort());
        const std::string get = cat("\"GET ", blob("a", digest_), "\"");
        const std::string miss = awaitAccessLine({peer, get, " 200 1000 ", " miss "});
        awaitAccessLine({peer, get, " 200 1000 ", " hit -"});
        awaitAccessLine({peer, "\"HEAD /v2/\"", " 200 0 ", " local -"});
        awaitAccessLine({peer, manifest("a", "latest"), " 404 ", " error 404"});
        awaitAccessLine({peer, " 400 "});
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, proxy().accessLog().size());
        assertHasDuration(miss);
    }

    void accessLogTellsOfCuts() {
        startProxy();
        const std::string bytes = randomBytes(kMiB);
        const std::string digest = up().addBlob("a", bytes);
        Behaviour lie;
        lie.flipAt = 10;
        up().behave(blobPath("a", digest), lie);
        assertNotServed(get(blob("a", digest)));
        const std::string line = awaitAccessLine({digest});
        CPPUNIT_ASSERT_MESSAGE(line, endsWith(line, " cut") || line.find(" 502 ") != line.npos);
    }

    void accessLogCanBeOff() {
        startProxy();
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        const std::string file = readFile(proxy().configurationFile());
        const std::size_t at = file.find("access_log = ");
        const std::string rest = file.substr(file.find('\n', at));
        writeFile(proxy().configurationFile(), cat(file.substr(0, at), "access_log = off", rest));
        proxy().start();
        get("/v2/");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        CPPUNIT_ASSERT_EQUAL(std::string(), proxy().accessLogText());
        assertLacks(proxy().log(), "GET /v2/");
    }

    void accessLogEscapesWhatItPrints() {
        startProxy();
        TestClient client(proxy().port());
        client.sendRaw("GET /v2/\"x\" HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read();
        const std::string line = awaitAccessLine({cat("127.0.0.1:", client.localPort())});
        assertLacks(line, "/v2/\"x\"");
    }

    void case216_secretsAreNeverLogged() {
        FakeRegistry cdn;
        const std::shared_ptr<TokenMint> mint = std::make_shared<TokenMint>();
        up().serveTokens(mint);
        up().requireTokens(mint, {"", up().url() + "/token?realmsecret=canary-realm", "s", ""});
        cdn.addFile("/file", bytes_);
        Behaviour moved;
        moved.status = 307;
        moved.fields = {{"Location", cdn.url() + "/file?X-Amz-Signature=canary-signature"},
                        {"Set-Cookie", "session=canary-cookie"}};
        up().behave(blobPath("a", digest_), moved);
        startTracing();
        assertServed(get(blob("a", digest_), {{"Authorization", "Bearer canary-client"},
                                              {"Cookie", "canary-client"}}), bytes_);
        moved.fields = {{"Location", "http://user:canary-password@127.0.0.1/x?canary-signature"}};
        up().behave(blobPath("b", digest_), moved);
        get(blob("b", digest_));
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        CPPUNIT_ASSERT_EQUAL(std::string("X-Amz-Signature=canary-signature"),
                             cdn.lastRequest("/file").query);
        const std::string log = proxy().log() + proxy().accessLogText();
        // The trace is there: the requests are in it, with their header fields.
        assertContains(log, "/v2/a/blobs/");
        assertContains(log, "Accept-Encoding");
        assertLacks(log, "canary");
        for (const std::string& token : mint->issued()) assertLacks(log, token);
    }

    void upstreamFieldsAreNotRelayed() {
        startProxy();
        Behaviour chatty;
        chatty.fields = {{"Set-Cookie", "a=b"}, {"Server", "x"}, {"Alt-Svc", "h2"},
                         {"Strict-Transport-Security", "max-age=1"}, {"X-Amz-Id", "1"},
                         {"Docker-Distribution-Api-Version", "registry/9"},
                         {"Connection", "keep-alive, X-Odd"}, {"X-Odd", "1"}};
        up().behave("", chatty);
        up().addManifest("a", imageManifest("c", {}), kManifestType, "latest");
        for (const Response& response :
             {get(blob("a", digest_)), get(manifest("a", "latest")), get(blob("b", digest_))}) {
            for (const char* name : {"Set-Cookie", "Server", "Alt-Svc", "X-Amz-Id", "X-Odd",
                                     "Strict-Transport-Security"}) {
                CPPUNIT_ASSERT_MESSAGE(name, !response.fields.has(name));
            }
            CPPUNIT_ASSERT_EQUAL(std::string("registry/2.0"),
                                 response.header("Docker-Distribution-API-Version"));
        }
    }

private:
    void startTracing() {
        const ProxySetup setup{2, "", "allow_addresses = 127.0.0.0/8\n", ""};
        startProxy(setup);
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        std::string text = configuration(setup);
        const std::string debug = "log_level = debug";
        text.replace(text.find(debug), debug.size(), "log_level = trace");
        proxy().configure(text);
        proxy().start();
    }

    static void assertCommonFields(const std::string& what, const Response& response) {
        CPPUNIT_ASSERT_MESSAGE(cat(what, ": ", response.summary()), response.status != 0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(what, std::string("registry/2.0"),
                                     response.header("Docker-Distribution-API-Version"));
        CPPUNIT_ASSERT_MESSAGE(cat(what, ": ", response.header("Cache-Status")),
                               startsWith(response.header("Cache-Status"), "ociproxy"));
        CPPUNIT_ASSERT_MESSAGE(what, response.fields.has("Date"));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(what, std::string("nosniff"),
                                     response.header("X-Content-Type-Options"));
    }

    static void assertStatus(const Response& response, const std::string& wanted) {
        CPPUNIT_ASSERT_EQUAL(wanted, response.header("Cache-Status"));
    }

    // Seconds with a decimal point behind status and bytes.
    static void assertHasDuration(const std::string& line) {
        const std::string mark = " 200 1000 ";
        const std::string rest = line.substr(line.find(mark) + mark.size());
        const std::string seconds = rest.substr(0, rest.find(' '));
        CPPUNIT_ASSERT_MESSAGE(line, seconds.find_first_not_of("0123456789.") ==
                                         std::string::npos && !seconds.empty());
    }

    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(VisibilityTest);

}  // namespace ociproxy::itest
