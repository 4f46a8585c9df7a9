// The anonymous Bearer token flow against a fake registry and token server.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class TokenTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(TokenTest);
    OCIPROXY_INTEGRATION_TEST(case128_anonymousToken);
    OCIPROXY_INTEGRATION_TEST(case129_onlyPullIsAsked);
    OCIPROXY_INTEGRATION_TEST(case130_realmWithAQuery);
    OCIPROXY_INTEGRATION_TEST(case131_challengeWithoutService);
    OCIPROXY_INTEGRATION_TEST(case132_onlyToken);
    OCIPROXY_INTEGRATION_TEST(case132_onlyAccessToken);
    OCIPROXY_INTEGRATION_TEST(case132_accessTokenWins);
    OCIPROXY_INTEGRATION_TEST(case133_noToken);
    OCIPROXY_INTEGRATION_TEST(case134_missingLifetime);
    OCIPROXY_INTEGRATION_TEST(case135_shortLifetimeIsTakenAsAMinute);
    OCIPROXY_INTEGRATION_TEST(case139_oneTokenForAHundredRequests);
    OCIPROXY_INTEGRATION_TEST(case140_refusedWithAFreshToken);
    OCIPROXY_INTEGRATION_TEST(case147_basicWithoutCredentials);
    OCIPROXY_INTEGRATION_TEST(case151_relativeRealm);
    OCIPROXY_INTEGRATION_TEST(case162_authorizationOfTheClientStaysHere);
    OCIPROXY_INTEGRATION_TEST(case163_tokenWithLineBreak);
    OCIPROXY_INTEGRATION_TEST(tokensAreSharedByRepository);
    OCIPROXY_INTEGRATION_TEST(realmOnAnotherPortNeedsPermission);
    OCIPROXY_INTEGRATION_TEST(tokenServerFailures);
    OCIPROXY_INTEGRATION_TEST(tokenDenialIsRemembered);
    OCIPROXY_INTEGRATION_TEST(tokenExpiresBetweenTwoRequests);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        mint_ = std::make_shared<TokenMint>();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
        up().serveTokens(mint_);
        challenge("", "s.test", "repository:a:pull");
        startProxy({2, "", "", ""});
    }

    void case128_anonymousToken() {
        assertServed(get(blob("a", digest_)), bytes_);
        const Received asked = up().lastRequest("/token");
        CPPUNIT_ASSERT_EQUAL(std::string("GET"), asked.method);
        CPPUNIT_ASSERT_EQUAL(std::string("service=s.test&scope=repository:a:pull"),
                             percentDecode(asked.query).value());
        CPPUNIT_ASSERT(!asked.fields.has("Authorization"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().calls());
        const std::string sent =
            up().lastRequest(blobPath("a", digest_)).fields.get("Authorization");
        CPPUNIT_ASSERT_EQUAL("Bearer " + *mint_->issued().begin(), sent);
    }

    void case129_onlyPullIsAsked() {
        challenge("", "s.test", "repository:a:pull,push");
        assertServed(get(blob("a", digest_)), bytes_);
        const std::string query = percentDecode(up().lastRequest("/token").query).value();
        assertContains(query, "scope=repository:a:pull");
        assertLacks(query, "push");
    }

    void case130_realmWithAQuery() {
        challenge("/token?x=1", "s.test", "");
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT(startsWith(up().lastRequest("/token").query, "x=1&service=s.test"));
    }

    void case131_challengeWithoutService() {
        challenge("", "", "repository:a:pull");
        assertServed(get(blob("a", digest_)), bytes_);
        assertLacks(up().lastRequest("/token").query, "service");
    }

    void case132_onlyToken() { assertShape(TokenReply::Shape::kToken); }
    void case132_onlyAccessToken() { assertShape(TokenReply::Shape::kAccessToken); }
    void case132_accessTokenWins() { assertShape(TokenReply::Shape::kBothDiffer); }

    void case133_noToken() {
        TokenReply reply;
        reply.shape = TokenReply::Shape::kNeither;
        up().serveTokens(mint_, reply);
        assertRefused(get(blob("a", digest_)));
        assertServed(get("/v2/"), "{}");
    }

    void case134_missingLifetime() { assertLifetimeTolerated(""); }

    void case135_shortLifetimeIsTakenAsAMinute() { assertLifetimeTolerated("10"); }

    // First with no token at all, then with one that the registry has forgotten.
    void case139_oneTokenForAHundredRequests() {
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration({4, "", "", ""}));
        proxy().start();
        fetchMany(100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
        mint_->revokeAll();
        fetchMany(100);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().tokenCalls());
    }

    void case140_refusedWithAFreshToken() {
        mint_->refuseAll();
        const Response response = get(blob("a", digest_));
        assertError(response, 403, "DENIED");
        const std::size_t sends = up().blobGets();
        CPPUNIT_ASSERT_MESSAGE(cat(sends, " sends"), sends >= 2 && sends <= 3);
        CPPUNIT_ASSERT(up().tokenCalls() >= 1 && up().tokenCalls() <= 2);
    }

    void case147_basicWithoutCredentials() {
        up().requireTokens(mint_, {"Basic realm=\"r\"", "", "", ""});
        assertError(get(blob("a", digest_)), 403, "DENIED");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().calls());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().tokenCalls());
    }

    void case151_relativeRealm() {
        up().requireTokens(mint_, {"", "/token", "s.test", ""});
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
    }

    void case162_authorizationOfTheClientStaysHere() {
        assertServed(get(blob("a", digest_), {{"Authorization", "Bearer canary-of-the-client"},
                                              {"Cookie", "canary-of-the-client"},
                                              {"Proxy-Authorization", "canary-of-the-client"},
                                              {"X-Registry-Auth", "canary-of-the-client"}}),
                     bytes_);
        for (const Received& request : up().requests()) {
            assertLacks(request.fields.text(), "canary-of-the-client");
        }
    }

    void case163_tokenWithLineBreak() {
        TokenReply reply;
        reply.verbatim = "abc\\r\\nX-Injected: 1";
        up().serveTokens(mint_, reply);
        assertRefused(get(blob("a", digest_)));
        for (const Received& request : up().requests()) {
            CPPUNIT_ASSERT(!request.fields.has("X-Injected"));
        }
    }

    void tokensAreSharedByRepository() {
        const std::string other = randomBytes(500);
        assertServed(get(blob("a", digest_)), bytes_);
        assertServed(get(blob("a", up().addBlob("a", other))), other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
        assertServed(get(blob("b", up().addBlob("b", other))), other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().tokenCalls());
        assertContains(percentDecode(up().lastRequest("/token").query).value(),
                       "scope=repository:b:pull");
    }

    void realmOnAnotherPortNeedsPermission() {
        FakeRegistry tokens;
        tokens.serveTokens(mint_);
        up().requireTokens(mint_, {"", tokens.url() + "/token", "s.test", ""});
        assertRefused(get(blob("a", digest_)));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, tokens.connections());

        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration({2, "", "allow_addresses = 127.0.0.0/8\n", ""}));
        proxy().start();
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, tokens.tokenCalls());
    }

    void tokenServerFailures() {
        for (int status : {404, 429, 500, 503}) {
            const std::string repository = repositoryWithTokenStatus(status);
            assertRefused(get(blob(repository, digest_)));
            up().serveTokens(mint_);
            await(cat("a token after ", status),
                  [&] { return get(blob(repository, digest_)).status == 200; });
        }
    }

    // Asking again and again would lock accounts: the answer is kept for some seconds.
    void tokenDenialIsRemembered() {
        for (int status : {401, 403}) {
            const std::string repository = repositoryWithTokenStatus(status);
            const std::size_t before = up().tokenCalls();
            for (int i = 0; i < 5; ++i) {
                assertError(get(blob(repository, digest_)), 403, "DENIED");
            }
            CPPUNIT_ASSERT_EQUAL(before + 1, up().tokenCalls());
        }
    }

    void tokenExpiresBetweenTwoRequests() {
        assertServed(get(blob("a", digest_)), bytes_);
        mint_->revokeAll();
        const std::string other = randomBytes(500);
        assertServed(get(blob("a", up().addBlob("a", other))), other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().tokenCalls());
    }

private:
    void challenge(const std::string& realm, const std::string& service,
                   const std::string& scope) {
        const std::string path = realm.empty() ? "/token" : realm;
        up().requireTokens(mint_, {"", up().url() + path, service, scope});
    }

    void assertShape(TokenReply::Shape shape) {
        TokenReply reply;
        reply.shape = shape;
        up().serveTokens(mint_, reply);
        assertServed(get(blob("a", digest_)), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
    }

    // The token is used again, which a lifetime taken too short would prevent.
    void assertLifetimeTolerated(const std::string& expiresIn) {
        TokenReply reply;
        reply.expiresIn = expiresIn;
        up().serveTokens(mint_, reply);
        assertServed(get(blob("a", digest_)), bytes_);
        const std::string other = randomBytes(500);
        assertServed(get(blob("a", up().addBlob("a", other))), other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().tokenCalls());
    }

    void fetchMany(unsigned count) {
        std::vector<std::string> bytes;
        std::vector<std::string> targets;
        for (unsigned i = 0; i < count; ++i) {
            bytes.push_back(randomBytes(100));
            targets.push_back(blob("a", up().addBlob("a", bytes.back())));
        }
        Crowd crowd(count, [&](unsigned i) { assertServed(get(targets[i]), bytes[i]); });
        crowd.join();
    }

    // A repository with the blob, whose tokens are answered with `status` from now on.
    std::string repositoryWithTokenStatus(int status) {
        const std::string repository = cat("r", status);
        TokenReply reply;
        reply.status = status;
        up().serveTokens(mint_, reply);
        up().addBlob(repository, bytes_);
        return repository;
    }

    void assertRefused(const Response& response) {
        CPPUNIT_ASSERT_MESSAGE(response.summary(),
                               response.status == 403 || response.status == 502 ||
                                   response.status == 429 || response.status == 503);
        assertContains(response.body, "{\"errors\":[");
        CPPUNIT_ASSERT(!response.fields.has("WWW-Authenticate"));
    }

    std::shared_ptr<TokenMint> mint_;
    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TokenTest);

}  // namespace ociproxy::itest
