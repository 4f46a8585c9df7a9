// From request target to upstream request, end to end.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class RoutingTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(RoutingTest);
    OCIPROXY_INTEGRATION_TEST(case1_pingIsAnsweredLocally);
    OCIPROXY_INTEGRATION_TEST(case2_pingWithoutSlash);
    OCIPROXY_INTEGRATION_TEST(case3_pingByHead);
    OCIPROXY_INTEGRATION_TEST(case12_namespaceWithPort);
    OCIPROXY_INTEGRATION_TEST(case13_namespaceNotAllowed);
    OCIPROXY_INTEGRATION_TEST(case14_twoNamespaces);
    OCIPROXY_INTEGRATION_TEST(case15_namespaceWithLineBreak);
    OCIPROXY_INTEGRATION_TEST(case16_namespaceNamesTheProxy);
    OCIPROXY_INTEGRATION_TEST(case17_repositoryWithManifestsInside);
    OCIPROXY_INTEGRATION_TEST(case18_repositoryNamedBlobsUploads);
    OCIPROXY_INTEGRATION_TEST(case19_repositoryNamedTagsList);
    OCIPROXY_INTEGRATION_TEST(case20_upperCaseNameIsRefused);
    OCIPROXY_INTEGRATION_TEST(case21_invalidNamesAreRefused);
    OCIPROXY_INTEGRATION_TEST(case22_validNamesReachTheUpstream);
    OCIPROXY_INTEGRATION_TEST(case23_repositoryOf255And256Characters);
    OCIPROXY_INTEGRATION_TEST(case24_tagsAndReferences);
    OCIPROXY_INTEGRATION_TEST(case25_digestsOfOtherLengths);
    OCIPROXY_INTEGRATION_TEST(case26_sha512IsVerifiedAsSha512);
    OCIPROXY_INTEGRATION_TEST(case27_unknownAlgorithmIsNotStored);
    OCIPROXY_INTEGRATION_TEST(case28_escapedColon);
    OCIPROXY_INTEGRATION_TEST(case29_otherEscapesAreRefused);
    OCIPROXY_INTEGRATION_TEST(case30_absoluteForm);
    OCIPROXY_INTEGRATION_TEST(case31_addressesAreNoUpstreams);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(1000);
        digest_ = digestText(bytes_);
        manifest_ = imageManifest("config", {"layer"});
        startProxy({1, "", "", upstreamSection("up.test:5000", up().url())});
    }

    void case1_pingIsAnsweredLocally() {
        const Response response = get("/v2/");
        assertServed(response, "{}");
        CPPUNIT_ASSERT_EQUAL(std::string("registry/2.0"),
                             response.header("Docker-Distribution-API-Version"));
        assertContains(response.header("Content-Type"), "application/json");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case2_pingWithoutSlash() {
        const Response response = get("/v2");
        CPPUNIT_ASSERT(response.status == 200 ||
                       (response.status == 301 && response.header("Location") == "/v2/"));
    }

    void case3_pingByHead() {
        TestClient client(proxy().port());
        const Response response = client.head("/v2/");
        CPPUNIT_ASSERT_EQUAL(200, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string("2"), response.header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("registry/2.0"),
                             response.header("Docker-Distribution-API-Version"));
        assertServed(client.get("/v2/"), "{}");  // a body of the HEAD would be in the way
    }

    void case12_namespaceWithPort() {
        up().addManifest("a/b", manifest_, kManifestType, "latest");
        const Response response = get("/v2/a/b/manifests/latest?ns=up.test:5000");
        assertServed(response, manifest_);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test:5000"), response.header("OCI-Namespace"));
        assertNoNamespaceUpstream();
    }

    void case13_namespaceNotAllowed() {
        assertError(get("/v2/a/manifests/latest?ns=evil.test"), 403, "DENIED");
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
        assertLacks(proxy().log(), "resolve");  // no look-up of the name was tried
    }

    void case14_twoNamespaces() {
        CPPUNIT_ASSERT_EQUAL(400, get("/v2/a/manifests/latest?ns=up.test&ns=up").status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case15_namespaceWithLineBreak() {
        const Response response = get("/v2/a/manifests/latest?ns=up.test%0d%0aX:1");
        CPPUNIT_ASSERT_EQUAL(400, response.status);
        CPPUNIT_ASSERT(!response.fields.has("X") && !response.fields.has("OCI-Namespace"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().calls());
    }

    void case16_namespaceNamesTheProxy() {
        up().addManifest("a", manifest_, kManifestType, "latest");
        const std::string self = cat("localhost:", proxy().port());
        const Response response =
            get(cat(manifest("a", "latest"), "?ns=", self), {{"Host", self}});
        assertServed(response, manifest_);
        assertNoNamespaceUpstream();
    }

    void case17_repositoryWithManifestsInside() { assertTagIn("a/manifests/b", "latest"); }

    void case18_repositoryNamedBlobsUploads() { assertTagIn("blobs/uploads", "v1"); }

    void case19_repositoryNamedTagsList() {
        assertTagIn("tags/list", "v1");
        // A listing of repository tags/list: understood as that, whatever is said of it.
        assertLacks(get("/v2/up/tags/list/tags/list").body, "NAME_INVALID");
    }

    void case20_upperCaseNameIsRefused() {
        assertError(get(manifest("A", "x")), 400, "NAME_INVALID");
        assertNothingAsked();
    }

    void case21_invalidNamesAreRefused() {
        for (const char* name : {"a..b", "a___b", "-a", "a-", "a//b", ".", "..", "a/../b", "a._b",
                                 "a_-b", "a/", "/a", "a/-/b"}) {
            const Response response = get(manifest(name, "x"));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 400, response.status);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 400, get(blob(name, digest_)).status);
        }
        assertNothingAsked();
    }

    void case22_validNamesReachTheUpstream() {
        for (const char* name :
             {"a--b", "a__b", "a.b", "a_b", "xn--80ak6aa92e/b", "0/1/2/3/4/5", "a/b-c/d.e"}) {
            up().addBlob(name, bytes_);
            assertServed(get(blob(name, digest_)), bytes_);
            CPPUNIT_ASSERT_MESSAGE(name, up().asked(blobPath(name, digest_)));
        }
    }

    void case23_repositoryOf255And256Characters() {
        const std::string longest(255, 'a');
        up().addBlob(longest, bytes_);
        assertServed(get(blob(longest, digest_)), bytes_);
        up().forgetRequests();
        assertError(get(blob(longest + "a", digest_)), 400, "NAME_INVALID");
        assertNothingAsked();
    }

    void case24_tagsAndReferences() {
        for (const std::string& tag : {std::string(128, 't'), std::string("_x"),
                                       std::string("A.B-c_d")}) {
            assertTagIn("a", tag);
        }
        up().forgetRequests();
        for (const std::string& reference :
             {std::string(129, 't'), std::string(".x"), std::string("-x")}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(reference, 400, get(manifest("a", reference)).status);
        }
        for (const char* reference : {"a:", "a:b:c", "a:b"}) {
            assertError(get(manifest("a", reference)), 400, "DIGEST_INVALID");
        }
        assertNothingAsked();
    }

    void case25_digestsOfOtherLengths() {
        const std::string hex = digest_.substr(7);
        up().addBlob("a", bytes_);
        assertServed(get(blob("a", digest_)), bytes_);
        up().forgetRequests();
        for (const std::string& digest :
             {cat("sha256:", hex.substr(1)), cat("sha256:", hex, "0"),
              cat("sha256:", std::string(64, 'A')), cat("SHA256:", hex)}) {
            assertError(get(blob("a", digest)), 400, "DIGEST_INVALID");
        }
        assertNothingAsked();
    }

    void case26_sha512IsVerifiedAsSha512() {
        const std::string digest = sha512Text(bytes_);
        up().addFile(blobPath("a", digest), bytes_);
        const Response response = get(blob("a", digest));
        assertServed(response, bytes_);
        CPPUNIT_ASSERT_EQUAL(digest, response.header("Docker-Content-Digest"));
        awaitStored(digest);
        assertServed(get(blob("a", digest)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());

        const std::string other = sha512Text("something else");
        up().addFile(blobPath("a", other), bytes_);
        assertError(get(blob("a", other)), 502, "UNAVAILABLE");
        CPPUNIT_ASSERT(!proxy().store().has(other));
    }

    void case27_unknownAlgorithmIsNotStored() {
        const std::string digest =
            "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8";
        up().addFile(blobPath("a", digest), bytes_);
        for (std::size_t i = 1; i <= 2; ++i) {
            const Response response = get(blob("a", digest));
            assertServed(response, bytes_);
            assertContains(response.header("Cache-Status"), "stored=?0; detail=unverified");
            CPPUNIT_ASSERT_EQUAL(std::string(), response.header("Docker-Content-Digest"));
            CPPUNIT_ASSERT_EQUAL(i, up().count("GET", blobPath("a", digest)));
        }
        CPPUNIT_ASSERT_EQUAL(cat(bytes_.size()),
                             head(blob("a", digest)).header("Content-Length"));
        const Response part = get(blob("a", digest), {{"Range", "bytes=1-3"}});
        CPPUNIT_ASSERT_EQUAL(206, part.status);
        CPPUNIT_ASSERT_EQUAL(bytes_.substr(1, 3), part.body);
        assertError(get(blob("a", digest.substr(0, 50) + "0")), 404, "BLOB_UNKNOWN");
        CPPUNIT_ASSERT(proxy().store().blobFiles().empty());
    }

    void case28_escapedColon() {
        up().addBlob("a", bytes_);
        assertServed(get(cat("/v2/up/a/blobs/sha256%3A", digest_.substr(7))), bytes_);
        assertServed(get(cat("/v2/up/a/blobs/sha256%3a", digest_.substr(7))), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", blobPath("a", digest_)));
    }

    void case29_otherEscapesAreRefused() {
        for (const char* name : {"a%2Fb", "a%2fb", "%2e%2e", "a/%2e%2e/b", "a%00", "%252e", "a%5Cb",
                                 "a%", "a%2", "a%zz"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(name, 400, get(manifest(name, "x")).status);
        }
        assertNothingAsked();
    }

    void case30_absoluteForm() {
        up().addManifest("a", manifest_, kManifestType, "x");
        TestClient client(proxy().port());
        client.sendRaw("GET http://other/v2/up/a/manifests/x HTTP/1.1\r\nHost: z\r\n\r\n");
        assertServed(client.read(), manifest_);
        // The target's host wins: it is the one that ?ns= may name.
        client.sendRaw("GET http://other.test/v2/up/a/manifests/x?ns=other.test HTTP/1.1\r\n"
                       "Host: z\r\n\r\n");
        assertServed(client.read(), manifest_);
    }

    void case31_addressesAreNoUpstreams() {
        for (const char* host : {"127.0.0.1", "0x7f.1", "169.254.169.254", "localhost", "127.1",
                                 "host.local", "evil.test"}) {
            const Response response = get(cat("/v2/", host, "/a/manifests/x"));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(host, 403, response.status);
        }
        const std::string here = cat("127.0.0.1:", up().port());
        CPPUNIT_ASSERT_EQUAL(403, get(cat("/v2/", here, "/a/manifests/x")).status);
        CPPUNIT_ASSERT_EQUAL(403, get(cat("/v2/a/manifests/x?ns=", here)).status);
        assertError(get("/v2/2130706433/a/manifests/x"), 404, "NAME_UNKNOWN");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, up().connections());
    }

private:
    void assertTagIn(const std::string& repository, const std::string& tag) {
        up().addManifest(repository, manifest_, kManifestType, tag);
        assertServed(get(manifest(repository, tag)), manifest_);
        CPPUNIT_ASSERT(up().asked(manifestPath(repository, tag)));
    }

    void assertNothingAsked() {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(up().describeRequests(), std::size_t{0}, up().calls());
    }

    void assertNoNamespaceUpstream() {
        CPPUNIT_ASSERT(up().calls() > 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().count([](const Received& request) {
            return request.target.find("ns=") != std::string::npos;
        }));
    }

    std::string bytes_;
    std::string digest_;
    std::string manifest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RoutingTest);

}  // namespace ociproxy::itest
