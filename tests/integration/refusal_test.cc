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
    OCIPROXY_INTEGRATION_TEST(ambiguousFramingIsRefusedAndClosed);
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

    void ambiguousFramingIsRefusedAndClosed() {
        for (const char* fields : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                   "Content-Length: 5\r\nContent-Length: 6\r\n",
                                   "Transfer-Encoding: gzip\r\n", "Content-Length : 5\r\n",
                                   "X: a\r\n b\r\n", "Host: b\r\n"}) {
            TestClient client(proxy().port());
            client.sendRaw(cat("GET /v2/ HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"));
            const Response response = client.read();
            CPPUNIT_ASSERT_MESSAGE(fields, response.status == 400 || response.status == 501);
            assertContains(response.body, "{\"errors\":[");
            CPPUNIT_ASSERT_MESSAGE(fields, client.closedByPeer());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RefusalTest);

}  // namespace ociproxy::itest
