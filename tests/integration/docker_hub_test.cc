// Docker Hub's names: a fake registry with a
// token server stands for it.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class DockerHubTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DockerHubTest);
    OCIPROXY_INTEGRATION_TEST(case4_libraryIsAdded);
    OCIPROXY_INTEGRATION_TEST(case5_libraryWritten);
    OCIPROXY_INTEGRATION_TEST(case6_otherNamesOfDockerHub);
    OCIPROXY_INTEGRATION_TEST(case7_namespace);
    OCIPROXY_INTEGRATION_TEST(case8_namespaceAndPrefix);
    OCIPROXY_INTEGRATION_TEST(case9_namespaceByAnotherName);
    OCIPROXY_INTEGRATION_TEST(case10_prefixBeforeV2);
    OCIPROXY_INTEGRATION_TEST(case11_noDefaultUpstream);
    OCIPROXY_INTEGRATION_TEST(deeperRepositoriesStayAsTheyAre);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        manifest_ = imageManifest("config", {"layer"});
        up().addManifest("library/alpine", manifest_, kManifestType, "latest");
        const std::shared_ptr<TokenMint> mint = std::make_shared<TokenMint>();
        up().serveTokens(mint);
        up().requireTokens(mint, {"", up().url() + "/token", "registry.docker.io", ""});
        startProxy({1, "", "", upstreamSection("docker.io", up().url())});
    }

    void case4_libraryIsAdded() {
        const Response response = get("/v2/docker.io/alpine/manifests/latest");
        assertServed(response, manifest_);
        CPPUNIT_ASSERT_EQUAL(digestText(manifest_), response.header("Docker-Content-Digest"));
        const Received token = up().lastRequest("/token");
        const std::string query = percentDecode(token.query).value();
        assertContains(query, "scope=repository:library/alpine:pull");
        assertContains(query, "service=registry.docker.io");
    }

    void case5_libraryWritten() {
        assertSameEntry("/v2/docker.io/library/alpine/manifests/latest");
    }

    void case6_otherNamesOfDockerHub() {
        assertSameEntry("/v2/index.docker.io/library/alpine/manifests/latest");
        assertSameEntry("/v2/registry-1.docker.io/library/alpine/manifests/latest");
        assertSameEntry("/v2/registry-1.docker.io/alpine/manifests/latest");
    }

    void case7_namespace() {
        const Response response =
            assertSameEntry("/v2/library/alpine/manifests/latest?ns=docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), response.header("OCI-Namespace"));
    }

    void case8_namespaceAndPrefix() {
        assertSameEntry("/v2/docker.io/library/alpine/manifests/latest?ns=docker.io");
    }

    void case9_namespaceByAnotherName() {
        const Response response = assertSameEntry(
            "/v2/docker.io/library/alpine/manifests/latest?ns=registry-1.docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("registry-1.docker.io"),
                             response.header("OCI-Namespace"));
    }

    void case10_prefixBeforeV2() {
        assertSameEntry("/docker.io/v2/library/alpine/manifests/latest?ns=docker.io");
    }

    void case11_noDefaultUpstream() {
        assertError(get("/v2/library/alpine/manifests/latest"), 404, "NAME_UNKNOWN");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void deeperRepositoriesStayAsTheyAre() {
        up().addManifest("grafana/grafana", manifest_, kManifestType, "1");
        assertServed(get("/v2/docker.io/grafana/grafana/manifests/1"), manifest_);
    }

private:
    // `target` is answered from what the short name brought: a HEAD of the tag at most.
    Response assertSameEntry(const std::string& target) {
        assertServed(get("/v2/docker.io/alpine/manifests/latest"), manifest_);
        up().forgetRequests();
        const Response response = get(target);
        assertServed(response, manifest_);
        for (const Received& request : up().requests()) {
            CPPUNIT_ASSERT_EQUAL(std::string("HEAD /v2/library/alpine/manifests/latest"),
                                 request.line());
        }
        return response;
    }

    std::string manifest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DockerHubTest);

}  // namespace ociproxy::itest
