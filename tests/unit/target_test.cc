// Choosing the upstream of a request (src/proxy/target.h).
#include "proxy/target.h"

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {
namespace {

Upstream configured(const std::string& name, std::vector<std::string> aliases) {
    Upstream upstream;
    upstream.name = name;
    upstream.origins.push_back({false, "127.0.0.1", 5000});
    upstream.aliases = std::move(aliases);
    upstream.configured = true;
    upstream.computeId();
    return upstream;
}

class TargetTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TargetTest);
    CPPUNIT_TEST(case4_dockerHubGetsLibrary);
    CPPUNIT_TEST(case5_libraryIsNotDoubled);
    CPPUNIT_TEST(case6_hubHasThreeNames);
    CPPUNIT_TEST(case7_namespaceChoosesTheUpstream);
    CPPUNIT_TEST(case8_case9_prefixIsStrippedOnce);
    CPPUNIT_TEST(case10_prefixBeforeV2);
    CPPUNIT_TEST(case11_noRegistryIsUnknown);
    CPPUNIT_TEST(case12_namespaceWithPort);
    CPPUNIT_TEST(case13_foreignNamespaceIsDenied);
    CPPUNIT_TEST(case16_namespaceOfTheProxyIsIgnored);
    CPPUNIT_TEST(case20_case21_badRepositories);
    CPPUNIT_TEST(case23_longRepository);
    CPPUNIT_TEST(case31_addressesAreDenied);
    CPPUNIT_TEST(case32_emptyRepository);
    CPPUNIT_TEST(aliasNeverWinsOverAnotherNamespace);
    CPPUNIT_TEST(requesterDependsOnUpstreamAndRepository);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        directory_ = std::make_unique<UpstreamDirectory>(
            std::vector<Upstream>{configured("up.test", {"up"}),
                                  configured("up.test:5000", {})},
            std::vector<std::string>{"docker.io", "*.pkg.dev"});
    }

    void case4_dockerHubGetsLibrary() { expect("/v2/docker.io/alpine/manifests/latest", "docker.io",
                                               "library/alpine"); }
    void case5_libraryIsNotDoubled() {
        expect("/v2/docker.io/library/alpine/manifests/latest", "docker.io", "library/alpine");
    }
    void case6_hubHasThreeNames() {
        for (const char* name : {"index.docker.io", "registry-1.docker.io"}) {
            expect(std::string("/v2/") + name + "/library/alpine/manifests/latest", "docker.io",
                   "library/alpine");
        }
    }
    void case7_namespaceChoosesTheUpstream() {
        const TargetResult result = choose("/v2/library/alpine/manifests/latest?ns=docker.io");
        CPPUNIT_ASSERT(result.target.has_value());
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), result.target->nsAsReceived);
        CPPUNIT_ASSERT_EQUAL(std::string("library/alpine"), result.target->where.repository);
    }
    void case8_case9_prefixIsStrippedOnce() {
        for (const char* ns : {"docker.io", "registry-1.docker.io"}) {
            expect(std::string("/v2/docker.io/library/alpine/manifests/latest?ns=") + ns,
                   "docker.io", "library/alpine");
        }
    }
    void case10_prefixBeforeV2() {
        expect("/docker.io/v2/library/alpine/manifests/latest?ns=docker.io", "docker.io",
               "library/alpine");
        expect("/docker.io/v2/library/alpine/manifests/latest", "docker.io", "library/alpine");
    }
    void case11_noRegistryIsUnknown() {
        refuse("/v2/library/alpine/manifests/latest", 404, ErrorCode::kNameUnknown);
    }
    void case12_namespaceWithPort() {
        expect("/v2/a/b/manifests/x?ns=up.test:5000", "up.test:5000", "a/b");
    }
    void case13_foreignNamespaceIsDenied() {
        refuse("/v2/a/manifests/x?ns=evil.test", 403, ErrorCode::kDenied);
    }
    void case16_namespaceOfTheProxyIsIgnored() {
        expect("/v2/up/a/manifests/x?ns=localhost:8080", "up.test", "a");
    }
    void case20_case21_badRepositories() {
        for (const char* name : {"A", "a..b", "a___b", "-a", "a-", "a//b", ".", "..", "a/../b",
                                 "a._b"}) {
            refuse(std::string("/v2/up/") + name + "/manifests/x", 400, ErrorCode::kNameInvalid);
        }
    }
    void case23_longRepository() {
        const std::string fits(255, 'a');
        expect("/v2/up/" + fits + "/manifests/x", "up.test", fits);
        refuse("/v2/up/" + fits + "a/manifests/x", 400, ErrorCode::kNameInvalid);
    }
    void case31_addressesAreDenied() {
        for (const char* host : {"127.0.0.1", "0x7f.1", "169.254.169.254", "localhost"}) {
            refuse(std::string("/v2/") + host + "/a/manifests/x", 403, ErrorCode::kDenied);
        }
        refuse("/v2/2130706433/a/manifests/x", 404, ErrorCode::kNameUnknown);
    }
    void case32_emptyRepository() {
        refuse("/v2/up/manifests/latest", 400, ErrorCode::kNameInvalid);
    }
    void aliasNeverWinsOverAnotherNamespace() {
        expect("/v2/up/a/manifests/x?ns=docker.io", "docker.io", "up/a");
    }
    void requesterDependsOnUpstreamAndRepository() {
        const Sha256 a = choose("/v2/up/a/manifests/x").target->requester;
        CPPUNIT_ASSERT(a == choose("/v2/up.test/a/manifests/y").target->requester);
        CPPUNIT_ASSERT(a != choose("/v2/up/b/manifests/x").target->requester);
        CPPUNIT_ASSERT(a != choose("/v2/docker.io/x/a/manifests/x").target->requester);
    }

private:
    TargetResult choose(const std::string& target) const {
        const RouteResult route = parseRoute(target);
        if (!route.route) {
            TargetResult refused;
            refused.error = route.error;
            return refused;
        }
        return chooseTarget(*route.route, "localhost:8080", *directory_);
    }
    void expect(const std::string& target, const std::string& upstream,
                const std::string& repository) const {
        const TargetResult result = choose(target);
        CPPUNIT_ASSERT_MESSAGE(target + ": " + result.error.message, result.target.has_value());
        CPPUNIT_ASSERT_EQUAL(upstream, result.target->where.upstream);
        CPPUNIT_ASSERT_EQUAL(repository, result.target->where.repository);
    }
    void refuse(const std::string& target, int status, ErrorCode code) const {
        const TargetResult result = choose(target);
        CPPUNIT_ASSERT_MESSAGE(target, !result.target.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(target, status, result.error.status);
        CPPUNIT_ASSERT_EQUAL(std::string(errorCodeText(code)),
                             std::string(errorCodeText(result.error.code)));
    }

    std::unique_ptr<UpstreamDirectory> directory_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TargetTest);

}  // namespace
}  // namespace ociproxy
