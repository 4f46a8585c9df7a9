// Requests that are answered with an error and go no further.
#include "integration/integration_test.h"

namespace ociproxy::itest {

namespace {

const char* const kSomeDigest =
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

}  // namespace

class RefusalTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(RefusalTest);
    OCIPROXY_INTEGRATION_TEST(case32_emptyRepository);
    OCIPROXY_INTEGRATION_TEST(case33_whatIsNotServed);
    OCIPROXY_INTEGRATION_TEST(case34_pathsOutsideTheApi);
    OCIPROXY_INTEGRATION_TEST(case35_otherMethods);
    OCIPROXY_INTEGRATION_TEST(case36_errorsOnHead);
    OCIPROXY_INTEGRATION_TEST(requestWithBodyIsRefusedAndClosed);
    OCIPROXY_INTEGRATION_TEST(case197_to_case202_strictness);
    OCIPROXY_INTEGRATION_TEST(case203_connectionOptionsStayHere);
    OCIPROXY_INTEGRATION_TEST(case214_rangeFieldLimit);
    OCIPROXY_INTEGRATION_TEST(case217_nothingIsReflected);
    OCIPROXY_INTEGRATION_TEST(pipelinedRequestsAreAnsweredInOrder);
    OCIPROXY_INTEGRATION_TEST(oldVersionIsServed);
    OCIPROXY_INTEGRATION_TEST(expectationIsNotMetForNothing);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        startProxy({1, "", "", ""});
    }

    void case32_emptyRepository() {
        assertError(get("/v2/up/manifests/latest"), 400, "NAME_INVALID");
    }

    void case33_whatIsNotServed() {
        for (const char* target : {"/v2/_catalog", "/v2/up/_catalog", "/v1/search",
                                   "/v2/_oci/ext/discover", "/v2/up/a/_oci/ext/discover"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(target, 404, get(target).status);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case34_pathsOutsideTheApi() {
        for (const char* target : {"/foo", "/", "/v3/", "/v2x/up/a/manifests/x"}) {
            const Response response = get(target);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(target, 404, response.status);
            assertContains(response.body, "{\"errors\":[");
        }
    }

    void case35_otherMethods() {
        TestClient client(proxy().port());
        for (const char* method : {"PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
            client.send(method, "/v2/up/a/tags/list");
            const Response response = client.read();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(method, 405, response.status);
            assertContains(response.header("Allow"), "GET");
            assertContains(response.body, "UNSUPPORTED");
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case36_errorsOnHead() {
        TestClient client(proxy().port());
        CPPUNIT_ASSERT_EQUAL(404, client.head(blob("a", kSomeDigest)).status);
        CPPUNIT_ASSERT_EQUAL(400, client.head(manifest("A", "x")).status);
        CPPUNIT_ASSERT_EQUAL(403, client.head("/v2/evil.test/a/manifests/x").status);
        assertServed(client.get("/v2/"), "{}");
    }

    void requestWithBodyIsRefusedAndClosed() {
        TestClient client(proxy().port());
        client.sendRaw("GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n"
                       "GET /v2/up/smuggled HTTP/1.1\r\n\r\nxx");
        const Response response = client.read();
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.status >= 400 && response.complete());
        CPPUNIT_ASSERT(client.closedByPeer());
    }

    // One answer, then the end: what stands behind is not taken for a request. The unit
    // tests of the front have many more of these.
    void case197_to_case202_strictness() {
        const std::string chunked = "Transfer-Encoding: chunked\r\n";
        for (const std::string& fields :
             {"Content-Length: 5\r\n" + chunked, std::string("Content-Length: +5\r\n"),
              std::string("Content-Length: 5\r\nContent-Length: 6\r\n"),
              std::string("Content-Length: 5, 6\r\n"), std::string("Content-Length: 0x5\r\n"),
              std::string("Transfer-Encoding: gzip\r\n"),
              std::string("Transfer-Encoding: chunked, gzip\r\n"),
              std::string("Transfer-Encoding: xchunked\r\n"),
              std::string("Host: b\r\n"), std::string("Header : v\r\n"),
              std::string("X: a\r\n b\r\n"), std::string("X: a\rb\r\n"),
              std::string("X: a\0b\r\n", 8), chunked + "\r\nFFFFFFFFFFFFFFFFF\r\n",
              chunked + "\r\n-1\r\n", chunked + "\r\n0x10\r\n",
              chunked + "\r\n1\r\nx0\r\n"}) {
            assertRefused("GET /v2/ HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
        }
        assertRefused("GET /v2/ HTTP/1.1\r\n\r\n");
        assertRefused("GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case203_connectionOptionsStayHere() {
        const std::string digest = up().addBlob("a", "content");
        const Response response = get(blob("a", digest), {{"Connection", "X-Foo"},
                                                          {"X-Foo", "1"},
                                                          {"Proxy-Connection", "keep-alive"},
                                                          {"TE", "trailers"},
                                                          {"Upgrade", "h2c"}});
        assertServed(response, "content");
        const Fields sent = up().lastRequest(blobPath("a", digest)).fields;
        for (const char* name : {"X-Foo", "Proxy-Connection", "TE", "Upgrade"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !sent.has(name));
        }
        awaitStored(digest);
    }

    void case214_rangeFieldLimit() {
        const std::string range = "bytes=0-";
        const std::string fitting(64 * 1024 - range.size(), '9');
        const std::string digest = up().addBlob("a", "content");
        CPPUNIT_ASSERT_EQUAL(
            206, get(blob("a", digest), {{"Range", range + fitting}}).status);
        awaitStored(digest);
        CPPUNIT_ASSERT_EQUAL(
            431, get(blob("a", digest), {{"Range", range + fitting + "9"}}).status);
    }

    void case217_nothingIsReflected() {
        for (const char* line : {"TRACE /v2/s3cret HTTP/1.1", "OPTIONS /v2/s3cret HTTP/1.1",
                                 "CONNECT s3cret:443 HTTP/1.1", "OPTIONS * HTTP/1.1"}) {
            TestClient client(proxy().port());
            client.sendRaw(cat(line, "\r\nHost: s3cret\r\nX-Secret: s3cret\r\n\r\n"));
            const Response response = client.read();
            CPPUNIT_ASSERT_EQUAL_MESSAGE(line, 405, response.status);
            assertLacks(response.fields.text() + response.body, "s3cret");
        }
    }

    void pipelinedRequestsAreAnsweredInOrder() {
        const std::vector<std::pair<std::string, int>> wanted{
            {"/v2/", 200}, {"/nothing", 404}, {"/v2/up/A/manifests/x", 400}};
        std::string all;
        for (std::size_t i = 0; i < 150; ++i) {
            all += cat("GET ", wanted[i % 3].first, " HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        TestClient client(proxy().port());
        client.sendRaw(all);
        for (std::size_t i = 0; i < 150; ++i) {
            CPPUNIT_ASSERT_EQUAL(wanted[i % 3].second, client.read().status);
        }
    }

    void oldVersionIsServed() {
        TestClient client(proxy().port());
        for (int i = 0; i < 2; ++i) {
            client.sendRaw("GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
            const Response response = client.read();
            assertServed(response, "{}");
            CPPUNIT_ASSERT_EQUAL(std::string("keep-alive"), response.header("Connection"));
        }
        client.sendRaw("GET /v2/ HTTP/1.0\r\n\r\n");
        assertServed(client.read(), "{}");
        CPPUNIT_ASSERT(client.closedByPeer());
    }

    // Nothing takes a body yet, so that no client is told to send one.
    void expectationIsNotMetForNothing() {
        Wire wire = Wire::connectLoopback(proxy().port());
        CPPUNIT_ASSERT(wire.send("PUT /v2/up/a/manifests/x HTTP/1.1\r\nHost: a\r\n"
                                 "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
        ReadResult last = ReadResult::kData;
        const std::optional<std::string> text = wire.takeHead(Deadline(), &last);
        CPPUNIT_ASSERT(text);
        const std::optional<Head> head = parseHead(*text);
        CPPUNIT_ASSERT(head);
        assertContains(head->firstLine, " 405 ");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), head->fields.get("Connection"));
    }

private:
    void assertRefused(const std::string& request) {
        TestClient client(proxy().port());
        client.sendRaw(request + "GET /v2/up/a/tags/list HTTP/1.1\r\nHost: a\r\n\r\n");
        const Response response = client.read();
        CPPUNIT_ASSERT_MESSAGE(request, response.status == 400 || response.status == 501);
        assertContains(response.body, "{\"errors\":[");
        CPPUNIT_ASSERT_MESSAGE(request, client.closedByPeer());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RefusalTest);

}  // namespace ociproxy::itest
