#include "ociproxy/registry/route.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

Route routeOf(const std::string& target) {
    RouteResult result = parseRoute(target);
    CPPUNIT_ASSERT_MESSAGE(target + ": " + result.error.message, result.route);
    return *result.route;
}

void assertRefused(int status, ErrorCode code, const std::string& target) {
    RouteResult result = parseRoute(target);
    CPPUNIT_ASSERT_MESSAGE(target + " was accepted", !result.route);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(target, status, result.error.status);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(target, std::string(errorCodeText(code)),
                                 std::string(errorCodeText(result.error.code)));
    CPPUNIT_ASSERT(!result.error.message.empty());
}

void assertManifest(const std::string& target, const std::string& name, const std::string& ref) {
    Route route = routeOf(target);
    CPPUNIT_ASSERT_MESSAGE(target, route.operation == Operation::kManifest);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(target, name, route.name);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(target, ref, route.reference->text());
}

}  // namespace

class RouteTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RouteTest);
    CPPUNIT_TEST(case1_ping);
    CPPUNIT_TEST(case2_pingWithoutSlash);
    CPPUNIT_TEST(case4_registryStaysInTheName);
    CPPUNIT_TEST(case7_nsLeavesTheQuery);
    CPPUNIT_TEST(case10_prefixBeforeVersion);
    CPPUNIT_TEST(case10_prefixMustBeAName);
    CPPUNIT_TEST(case12_nsWithPort);
    CPPUNIT_TEST(case14_twoNamespacesAreRefused);
    CPPUNIT_TEST(case15_nsWithOtherBytesIsRefused);
    CPPUNIT_TEST(case17_manifestsInsideAName);
    CPPUNIT_TEST(case18_uploadsInsideAName);
    CPPUNIT_TEST(case19_tagsListInsideAName);
    CPPUNIT_TEST(case20_upperCaseIsLeftToTheGrammar);
    CPPUNIT_TEST(case21_emptyAndDotComponentsAreRefused);
    CPPUNIT_TEST(case22_oddNamesPass);
    CPPUNIT_TEST(case23_nameLength);
    CPPUNIT_TEST(case24_tagsAndReferences);
    CPPUNIT_TEST(case25_digests);
    CPPUNIT_TEST(case26_sha512);
    CPPUNIT_TEST(case27_unknownAlgorithm);
    CPPUNIT_TEST(case28_escapedColon);
    CPPUNIT_TEST(case29_otherEscapesAreRefused);
    CPPUNIT_TEST(case32_emptyRepository);
    CPPUNIT_TEST(case33_refusedEndpoints);
    CPPUNIT_TEST(case34_otherPaths);
    CPPUNIT_TEST(case108_referrersNeedADigest);
    CPPUNIT_TEST(blobsNeedADigest);
    CPPUNIT_TEST(uploads);
    CPPUNIT_TEST(rawBytesAreRefused);
    CPPUNIT_TEST(onlyPathsAreTargets);
    CPPUNIT_TEST(queries);
    CPPUNIT_TEST_SUITE_END();

public:
    void case1_ping() {
        Route route = routeOf("/v2/");
        CPPUNIT_ASSERT(route.operation == Operation::kPing);
        CPPUNIT_ASSERT(route.name.empty() && route.prefix.empty() && !route.reference);
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), routeOf("/v2/?ns=docker.io").ns);
        Route prefixed = routeOf("/docker.io/v2/");
        CPPUNIT_ASSERT(prefixed.operation == Operation::kPing);
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), prefixed.prefix);
    }

    void case2_pingWithoutSlash() {
        CPPUNIT_ASSERT(routeOf("/v2").operation == Operation::kPing);
        CPPUNIT_ASSERT(routeOf("/v2?x=1").operation == Operation::kPing);
        CPPUNIT_ASSERT(routeOf("/docker.io/v2").operation == Operation::kPing);
    }

    void case4_registryStaysInTheName() {
        assertManifest("/v2/docker.io/alpine/manifests/latest", "docker.io/alpine", "latest");
        Route route = routeOf("/v2/docker.io/alpine/manifests/latest");
        CPPUNIT_ASSERT(route.prefix.empty() && route.ns.empty() && route.query.empty());
        CPPUNIT_ASSERT(!route.reference->isDigest());
    }

    void case7_nsLeavesTheQuery() {
        Route route = routeOf("/v2/library/alpine/manifests/latest?ns=docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("library/alpine"), route.name);
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), route.ns);
        CPPUNIT_ASSERT_EQUAL(std::string(""), route.query);
        Route upper = routeOf("/v2/a/manifests/b?ns=Docker.IO&ns=docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), upper.ns);
        CPPUNIT_ASSERT_EQUAL(std::string("Docker.IO"), upper.nsAsReceived);
    }

    void case10_prefixBeforeVersion() {
        Route route = routeOf("/docker.io/v2/library/alpine/manifests/latest?ns=docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), route.prefix);
        CPPUNIT_ASSERT_EQUAL(std::string("library/alpine"), route.name);
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), route.ns);
        CPPUNIT_ASSERT_EQUAL(std::string("corp"), routeOf("/corp/v2/a/tags/list").prefix);
        CPPUNIT_ASSERT_EQUAL(std::string("a.test:5000"),
                             routeOf("/a.test:5000/v2/a/tags/list").prefix);
        // Behind /v2/ a component called v2 is one of a name.
        assertManifest("/v2/v2/a/manifests/b", "v2/a", "b");
    }

    void case10_prefixMustBeAName() {
        assertRefused(404, ErrorCode::kNameUnknown, "/_x/v2/a/manifests/b");
        assertRefused(404, ErrorCode::kNameUnknown, "/../v2/a/manifests/b");
        assertRefused(404, ErrorCode::kNameUnknown, "//v2/a/manifests/b");
        assertRefused(404, ErrorCode::kNameUnknown, "/a/b/v2/a/manifests/b");
        assertRefused(404, ErrorCode::kNameUnknown, "/docker.io/v2x/a/manifests/b");
        assertRefused(400, ErrorCode::kNameInvalid, "/Docker.io/v2/a/manifests/b");
        assertRefused(400, ErrorCode::kNameInvalid, "/docker.io/v2/manifests/latest");
    }

    void case12_nsWithPort() {
        Route route = routeOf("/v2/a/b/manifests/x?ns=up.test:5000");
        CPPUNIT_ASSERT_EQUAL(std::string("up.test:5000"), route.ns);
        Route escaped = routeOf("/v2/a/b/manifests/x?ns=up.test%3A5000");
        CPPUNIT_ASSERT_EQUAL(std::string("up.test:5000"), escaped.ns);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test:5000"), escaped.nsAsReceived);
    }

    void case14_twoNamespacesAreRefused() {
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/a/manifests/b?ns=docker.io&ns=up");
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/a/manifests/b?ns=up&x=1&%6es=docker.io");
        CPPUNIT_ASSERT_EQUAL(std::string("up"), routeOf("/v2/a/manifests/b?ns=up&ns=up").ns);
    }

    void case15_nsWithOtherBytesIsRefused() {
        for (const char* ns : {"docker.io%0d%0aX:1", "docker.io%00", "", "docker.io%2541", "a/b",
                               "me@docker.io", "a+b", "docker.io:0", "docker.io:99999", "%20a",
                               "http://docker.io", "docker.io.", "%ff"}) {
            std::string target = std::string("/v2/a/manifests/b?ns=") + ns;
            assertRefused(400, ErrorCode::kNameInvalid, target);
            CPPUNIT_ASSERT(parseRoute(target).error.message.find("docker") == std::string::npos);
        }
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/a/manifests/b?ns");
    }

    void case17_manifestsInsideAName() {
        assertManifest("/v2/up/a/manifests/b/manifests/latest", "up/a/manifests/b", "latest");
    }

    void case18_uploadsInsideAName() {
        assertManifest("/v2/up/blobs/uploads/manifests/v1", "up/blobs/uploads", "v1");
        assertManifest("/v2/a/blobs/uploads/manifests/latest", "a/blobs/uploads", "latest");
        Route route = routeOf("/v2/a/blobs/uploads/blobs/" + kDigest);
        CPPUNIT_ASSERT(route.operation == Operation::kBlob);
        CPPUNIT_ASSERT_EQUAL(std::string("a/blobs/uploads"), route.name);
    }

    void case19_tagsListInsideAName() {
        Route route = routeOf("/v2/up/tags/list/tags/list?n=2&last=z");
        CPPUNIT_ASSERT(route.operation == Operation::kTags);
        CPPUNIT_ASSERT_EQUAL(std::string("up/tags/list"), route.name);
        CPPUNIT_ASSERT_EQUAL(std::string("n=2&last=z"), route.query);
        CPPUNIT_ASSERT(!route.reference);
    }

    // What is the repository in it is known once the upstream is.
    void case20_upperCaseIsLeftToTheGrammar() {
        Route route = routeOf("/v2/up/A/manifests/x");
        CPPUNIT_ASSERT_EQUAL(std::string("up/A"), route.name);
        CPPUNIT_ASSERT(!isRepository(route.name));
    }

    void case21_emptyAndDotComponentsAreRefused() {
        for (const char* name : {"a//b", ".", "..", "a/../b", "a/./b", "/a", "a/", "../a",
                                 "a/.."}) {
            assertRefused(400, ErrorCode::kNameInvalid,
                          std::string("/v2/") + name + "/manifests/x");
            assertRefused(400, ErrorCode::kNameInvalid,
                          std::string("/v2/up/") + name + "/blobs/" + kDigest);
        }
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/../etc/passwd");
        for (const char* name : {"a..b", "a___b", "-a", "a-", "a._b"}) {
            CPPUNIT_ASSERT_MESSAGE(
                name, !isRepository(routeOf(std::string("/v2/") + name + "/manifests/x").name));
        }
    }

    void case22_oddNamesPass() {
        for (const char* name : {"a--b", "a__b", "a.b", "a_b", "xn--80ak6aa92e/b", "0/1/2/3/4/5"}) {
            assertManifest(std::string("/v2/") + name + "/manifests/x", name, "x");
        }
    }

    void case23_nameLength() {
        std::string longest = std::string(255, 'a') + "/" + std::string(255, 'b');
        assertManifest("/v2/" + longest + "/manifests/x", longest, "x");
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/" + longest + "b/manifests/x");
    }

    void case24_tagsAndReferences() {
        std::string longest(128, 't');
        assertManifest("/v2/a/manifests/" + longest, "a", longest);
        assertManifest("/v2/a/manifests/_x", "a", "_x");
        assertManifest("/v2/a/manifests/A.B-c_d", "a", "A.B-c_d");
        for (const std::string& tag : {longest + "t", std::string(".x"), std::string("-x"),
                                       std::string(""), std::string(".."), std::string("a+b")}) {
            assertRefused(400, ErrorCode::kTagInvalid, "/v2/a/manifests/" + tag);
        }
        for (const char* reference : {"a:", "a:b:c", "a:b"}) {
            assertRefused(400, ErrorCode::kDigestInvalid,
                          std::string("/v2/a/manifests/") + reference);
        }
    }

    void case25_digests() {
        for (const char* word : {"/v2/a/blobs/", "/v2/a/manifests/", "/v2/a/referrers/"}) {
            std::string base = word;
            CPPUNIT_ASSERT_EQUAL(kHex, routeOf(base + kDigest).reference->digest().hex());
            assertRefused(400, ErrorCode::kDigestInvalid, base + "sha256:" + kHex.substr(1));
            assertRefused(400, ErrorCode::kDigestInvalid, base + kDigest + "a");
            assertRefused(400, ErrorCode::kDigestInvalid, base + "sha256:" + std::string(64, 'A'));
            assertRefused(400, ErrorCode::kDigestInvalid, base + "SHA256:" + kHex);
        }
    }

    void case26_sha512() {
        Route route = routeOf("/v2/a/blobs/sha512:" + kHex + kHex);
        CPPUNIT_ASSERT(route.reference->digest().algorithm() == DigestAlgorithm::kSha512);
    }

    void case27_unknownAlgorithm() {
        const std::string digest =
            "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8";
        for (const char* kind : {"blobs/", "manifests/"}) {
            const Route route = routeOf("/v2/up/a/" + std::string(kind) + digest);
            CPPUNIT_ASSERT(route.reference->isForeign());
            CPPUNIT_ASSERT_EQUAL(digest, route.reference->text());
        }
        assertRefused(400, ErrorCode::kDigestInvalid, "/v2/up/a/referrers/" + digest);
    }

    void case28_escapedColon() {
        for (const char* colon : {"%3A", "%3a"}) {
            Route route = routeOf("/v2/up/a/blobs/sha256" + std::string(colon) + kHex);
            CPPUNIT_ASSERT(route.operation == Operation::kBlob);
            CPPUNIT_ASSERT_EQUAL(kDigest, route.reference->text());
        }
        assertManifest("/v2/%61/%6danifests/l%61test", "a", "latest");
    }

    void case29_otherEscapesAreRefused() {
        for (const char* escape : {"a%2Fb", "a%2fb", "%2e%2e", "a/%2E%2E/b", "%00", "%252e", "%5C",
                                   "%25", "%20", "%0a", "%c0%af", "%", "%4", "%g1", "a%3Fb", "a%23",
                                   "%7f", "%22", "%26"}) {
            assertRefused(400, ErrorCode::kNameInvalid,
                          std::string("/v2/up/") + escape + "/manifests/x");
        }
        assertRefused(400, ErrorCode::kNameInvalid, "/v2%2fa/manifests/x");
    }

    void case32_emptyRepository() {
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/manifests/latest");
        CPPUNIT_ASSERT_EQUAL(std::string("the repository name is missing"),
                             parseRoute("/v2/manifests/latest").error.message);
        assertRefused(400, ErrorCode::kNameInvalid, "/v2//manifests/latest");
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/blobs/" + kDigest);
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/tags/list");
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/blobs/uploads/");
        // Its upstream is all of this name: an empty rest is seen where upstreams are known.
        assertManifest("/v2/up/manifests/latest", "up", "latest");
    }

    void case33_refusedEndpoints() {
        for (const char* target : {"/v2/_catalog", "/v2/_catalog?n=5", "/v2/up/_catalog",
                                   "/v1/search", "/v1", "/v1/", "/v1/v2/a/manifests/b",
                                   "/v2/_oci/ext/discover", "/v2/up/_oci/manifests/x",
                                   "/v2/_catalog/", "/v2/token", "/v2/foo/bar", "/v2/a/tags/list/",
                                   "/v2/a/tags/lists", "/v2/a/blobs/uploads/x/y"}) {
            assertRefused(404, ErrorCode::kUnsupported, target);
        }
    }

    void case34_otherPaths() {
        for (const char* target : {"/foo", "/", "/?ns=docker.io", "/v3/", "/v2x", "/token",
                                   "/v", "/favicon.ico"}) {
            assertRefused(404, ErrorCode::kNameUnknown, target);
        }
    }

    void case108_referrersNeedADigest() {
        Route route = routeOf("/v2/a/referrers/" + kDigest + "?artifactType=x");
        CPPUNIT_ASSERT(route.operation == Operation::kReferrers);
        CPPUNIT_ASSERT_EQUAL(kDigest, route.reference->text());
        CPPUNIT_ASSERT_EQUAL(std::string("artifactType=x"), route.query);
        assertRefused(400, ErrorCode::kDigestInvalid, "/v2/a/referrers/latest");
    }

    void blobsNeedADigest() {
        assertRefused(400, ErrorCode::kDigestInvalid, "/v2/a/blobs/latest");
        assertRefused(400, ErrorCode::kDigestInvalid, "/v2/a/blobs/");
        assertRefused(400, ErrorCode::kDigestInvalid, "/v2/a/blobs/uploads");
    }

    void uploads() {
        Route start = routeOf("/v2/up/a/blobs/uploads/?digest=x");
        CPPUNIT_ASSERT(start.operation == Operation::kUpload);
        CPPUNIT_ASSERT_EQUAL(std::string("up/a"), start.name);
        CPPUNIT_ASSERT_EQUAL(std::string(""), start.session);
        Route running = routeOf("/v2/up/a/blobs/uploads/_s-1.2=");
        CPPUNIT_ASSERT(running.operation == Operation::kUpload);
        CPPUNIT_ASSERT_EQUAL(std::string("_s-1.2="), running.session);
        // A session called like an operation: the suffix wins.
        CPPUNIT_ASSERT(routeOf("/v2/a/blobs/uploads/list").operation == Operation::kUpload);
    }

    void rawBytesAreRefused() {
        for (const std::string& bytes : {std::string(" "), std::string("\t"), std::string("\r\n"),
                                         std::string("\0", 1), std::string("\x7f"),
                                         std::string("\xc3\xa9"), std::string("#f"),
                                         std::string("\xc0\xae")}) {
            assertRefused(400, ErrorCode::kNameInvalid, "/v2/a" + bytes + "/manifests/x");
            assertRefused(400, ErrorCode::kNameInvalid, "/v2/a/manifests/x?y=" + bytes);
            assertRefused(400, ErrorCode::kNameInvalid, "/" + bytes);
        }
        for (const char* raw : {"\\", "\"", "<", "^", "`", "{", "|", "[::1]"}) {
            assertRefused(400, ErrorCode::kNameInvalid,
                          std::string("/v2/a") + raw + "/manifests/x");
        }
    }

    void onlyPathsAreTargets() {
        for (const char* target : {"", "*", "v2/", "http://a/v2/", "a:443"}) {
            assertRefused(400, ErrorCode::kUnsupported, target);
        }
    }

    void queries() {
        Route route = routeOf("/v2/a/tags/list?n=2&ns=up&last=a%2Fb%25+c&&x");
        CPPUNIT_ASSERT_EQUAL(std::string("n=2&last=a%2Fb%25+c&&x"), route.query);
        CPPUNIT_ASSERT_EQUAL(std::string("up"), route.ns);
        CPPUNIT_ASSERT_EQUAL(std::string("a=1"), routeOf("/v2/?ns=up&a=1").query);
        CPPUNIT_ASSERT_EQUAL(std::string("a=1"), routeOf("/v2/?%6E%73=up&a=1").query);
        CPPUNIT_ASSERT_EQUAL(std::string("nsx=1&xns=2"), routeOf("/v2/?nsx=1&xns=2").query);
        CPPUNIT_ASSERT_EQUAL(std::string("a=?b"), routeOf("/v2/?a=?b").query);
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/?a=%zz");
        assertRefused(400, ErrorCode::kNameInvalid, "/v2/?a%=1");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RouteTest);

}  // namespace ociproxy
