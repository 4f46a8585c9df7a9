#include <optional>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/token_board.h"
#include "support/scripted_server.h"
#include "support/upstream_fixture.h"
#include "upstream/token_fetcher.h"

namespace ociproxy {

namespace {

using Challenged = UpstreamClient::Challenged;

const std::string kOk = plainAnswer(200, "", "hi");

std::string unauthorized(const std::string& challenge) {
    return plainAnswer(401, challenge.empty() ? "" : cat("WWW-Authenticate: ", challenge, "\r\n"),
                       "");
}

std::string bearer(const std::string& realm, const std::string& more = "") {
    return unauthorized(cat("Bearer realm=\"", realm, "\"", more));
}

std::string at(const std::string& host, const ScriptedServer& server, const std::string& target) {
    return cat("http://", host, ':', unsigned{server.port()}, target);
}

std::string grant(const std::string& token) {
    return plainAnswer(200, "Content-Type: text/html\r\n",
                       cat(R"({"token":")", token, R"(","expires_in":300})"));
}

}  // namespace

// An upstream that demands a token and a token server.
class UpstreamTokenTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamTokenTest);
    CPPUNIT_TEST(case128_anonymousFlow);
    CPPUNIT_TEST(case129_onlyPullIsAskedFor);
    CPPUNIT_TEST(case130_realmWithAQuery);
    CPPUNIT_TEST(case131_challengeWithoutService);
    CPPUNIT_TEST(case132_accessTokenIsUsed);
    CPPUNIT_TEST(case133_answersWithoutToken);
    CPPUNIT_TEST(case134_135_lifetimes);
    CPPUNIT_TEST(case138_contentTypeDoesNotMatter);
    CPPUNIT_TEST(case140_freshTokenRefused);
    CPPUNIT_TEST(case141_challengeWithoutTokenIsKept);
    CPPUNIT_TEST(case143_missingChallengeChangesNothing);
    CPPUNIT_TEST(challengeWithoutTokenReplacesTheOld);
    CPPUNIT_TEST(challengeToATokenIsBetterThanNone);
    CPPUNIT_TEST(aSuccessorOnTheBoardIsLeftAlone);
    CPPUNIT_TEST(case147_basicCannotBeMet);
    CPPUNIT_TEST(challengesInSeveralFields);
    CPPUNIT_TEST(case150_httpRealmOfAnHttpsUpstream);
    CPPUNIT_TEST(case150_literalRealms);
    CPPUNIT_TEST(case150_realmThatResolvesInside);
    CPPUNIT_TEST(case150_realmThatRedirectsInside);
    CPPUNIT_TEST(case150_httpRealmOnAnotherHost);
    CPPUNIT_TEST(case151_relativeRealm);
    CPPUNIT_TEST(realmMayRedirect);
    CPPUNIT_TEST(case163_tokensWithControlsAreRefused);
    CPPUNIT_TEST(case174_challengeOfTheCdnIsNotTheUpstreams);
    CPPUNIT_TEST(statusesOfTheTokenServer);
    CPPUNIT_TEST(largeAnswersAreRefused);
    CPPUNIT_TEST(tokensArePerRepositoryAndUpstream);
    CPPUNIT_TEST(withoutChallengeNothingIsFetched);
    CPPUNIT_TEST_SUITE_END();

    std::optional<UpstreamFixture> fixture_;

    void fetch(const UpstreamPtr& upstream, const std::string& repository = "a") {
        fixture_->client().fetchToken(*upstream, repository, now() + Millis(20'000));
    }

    UpstreamFailure fetchFailure(const UpstreamPtr& upstream) {
        return UpstreamFixture::failureOf([&] { fetch(upstream); });
    }

    Challenged challenge(const UpstreamPtr& upstream) {
        return fixture_->client().challenge(*upstream);
    }

    bool needsToken(const UpstreamPtr& upstream) {
        return fixture_->client().needsToken(*upstream, "a");
    }

    void putToken(const UpstreamPtr& upstream, const std::string& token) {
        const Sha256 key = sha256Of(UpstreamClient::tokenName(*upstream, "a"));
        fixture_->shared().tokens().put(key, token, monotonicNs() + 60'000'000'000);
    }

    std::string tokenOnBoard(const UpstreamPtr& upstream) {
        const Sha256 key = sha256Of(UpstreamClient::tokenName(*upstream, "a"));
        return fixture_->shared().tokens().find(key).value_or("none");
    }

    // An upstream of `server` that has answered one request, with 401.
    UpstreamPtr challengedBy(const ScriptedServer& server) {
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        return upstream;
    }

    // What the token server at `tokens` was asked for after this challenge.
    std::string askedFor(const ScriptedServer& tokens, const std::string& target,
                         const std::string& more) {
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, target), more)));
        fetch(challengedBy(server));
        return tokens.requests().back().target;
    }

    // What fetching fails with when the token server says this.
    UpstreamFailure failureOfAnswer(const std::string& answer) {
        ScriptedServer tokens(ScriptedServer::saying(answer));
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, "/token"))));
        const UpstreamPtr upstream = challengedBy(server);
        const UpstreamFailure failure = fetchFailure(upstream);
        CPPUNIT_ASSERT_EQUAL(failure == UpstreamFailure::kNone,
                             tokenOnBoard(upstream) != "none");
        return failure;
    }

    // What fetching from this realm fails with, for an upstream of this kind.
    UpstreamFailure failureOfRealm(const std::string& realm, const char* allow) {
        ScriptedServer server(ScriptedServer::saying(bearer(realm)));
        Upstream settings = UpstreamFixture::httpUpstream(server);
        settings.allowAddresses.clear();
        if (allow) settings.allowAddresses = {*Network::parse(allow)};
        const UpstreamPtr upstream = UpstreamFixture::share(settings);
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        return fetchFailure(upstream);
    }

public:
    void setUp() override { fixture_.emplace(); }
    void tearDown() override { fixture_.reset(); }

    void case128_anonymousFlow() {
        ScriptedServer tokens(ScriptedServer::saying(grant("secret-token")));
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
            if (request.field("Authorization") == "Bearer secret-token") return kOk;
            return bearer(at("tok.test", tokens, "/token"),
                          R"(,service="reg.test",scope="repository:a:pull")");
        }));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        CPPUNIT_ASSERT(!needsToken(upstream) && Challenged::kNothing == challenge(upstream));
        const std::unique_ptr<UpstreamResponse> refused = fixture_->get(upstream);
        CPPUNIT_ASSERT_EQUAL(401, refused->status());
        CPPUNIT_ASSERT(!refused->tokenSent());
        CPPUNIT_ASSERT(needsToken(upstream) && Challenged::kBearer == challenge(upstream));
        fetch(upstream);
        CPPUNIT_ASSERT(!needsToken(upstream));
        const ScriptedRequest asked = tokens.onlyRequest();
        CPPUNIT_ASSERT_EQUAL(std::string("GET"), asked.method);
        CPPUNIT_ASSERT_EQUAL(std::string("/token?service=reg.test&scope=repository:a:pull"),
                             asked.target);
        CPPUNIT_ASSERT(!asked.has("Authorization"));
        const std::unique_ptr<UpstreamResponse> served = fixture_->get(upstream);
        CPPUNIT_ASSERT_EQUAL(200, served->status());
        CPPUNIT_ASSERT(served->tokenSent());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.requests().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1},
                             fixture_->shared().counters().get(Counter::kTokensFetched));
        CPPUNIT_ASSERT(fixture_->logText().find("secret-token") == std::string::npos);
    }

    void case129_onlyPullIsAskedFor() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        CPPUNIT_ASSERT_EQUAL(
            std::string("/t?scope=repository:a:pull"),
            askedFor(tokens, "/t", R"(,scope="repository:user/image:pull,push")"));
    }

    void case130_realmWithAQuery() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        CPPUNIT_ASSERT_EQUAL(std::string("/t?x=1&service=s&scope=repository:a:pull"),
                             askedFor(tokens, "/t?x=1", ",service=\"s\""));
    }

    void case131_challengeWithoutService() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        CPPUNIT_ASSERT_EQUAL(std::string("/t?scope=repository:a:pull"), askedFor(tokens, "/t", ""));
    }

    void case132_accessTokenIsUsed() {
        ScriptedServer tokens(ScriptedServer::saying(
            plainAnswer(200, "", R"({"token":"x","access_token":"y"})")));
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, "/t"))));
        const UpstreamPtr upstream = challengedBy(server);
        fetch(upstream);
        CPPUNIT_ASSERT_EQUAL(std::string("y"), tokenOnBoard(upstream));
    }

    void case133_answersWithoutToken() {
        for (const char* body : {"{}", "<html>", "", "[]", R"({"token":null})"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(body, UpstreamFailure::kTokenUnavailable,
                                         failureOfAnswer(plainAnswer(200, "", body)));
        }
    }

    // Either way the token is taken for one of 60 s (challenge_test.cc), kept for 54.
    void case134_135_lifetimes() {
        for (const char* body : {R"({"token":"x"})", R"({"token":"x","expires_in":10})"}) {
            CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNone,
                                 failureOfAnswer(plainAnswer(200, "", body)));
        }
        const std::int64_t table[][2] = {{60, 54}, {300, 270}, {86'400, 86'370}};
        for (const auto& row : table) {
            CPPUNIT_ASSERT_EQUAL(row[1], TokenFetcher::usableSeconds(row[0]));
        }
    }

    void case138_contentTypeDoesNotMatter() {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNone,
                             failureOfAnswer(plainAnswer(200, "Content-Type: text/html\r\n",
                                                         R"({"token":"x"})")));
    }

    void case140_freshTokenRefused() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, "/t"))));
        const UpstreamPtr upstream = challengedBy(server);
        fetch(upstream);
        const std::unique_ptr<UpstreamResponse> refused = fixture_->get(upstream);
        CPPUNIT_ASSERT_EQUAL(401, refused->status());
        CPPUNIT_ASSERT(refused->tokenSent());
        // One send for one call, and the token is gone.
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.requests().size());
        CPPUNIT_ASSERT_EQUAL(std::string("none"), tokenOnBoard(upstream));
        CPPUNIT_ASSERT(needsToken(upstream));
    }

    void case141_challengeWithoutTokenIsKept() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T2")));
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
            if (request.field("Authorization") == "Bearer T2") return kOk;
            if (request.has("Authorization")) return bearer("https://dead.test/token");
            return bearer(at("tok.test", tokens, "/proxy_auth"));
        }));
        const UpstreamPtr upstream = challengedBy(server);
        putToken(upstream, "T1");
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        fetch(upstream);
        CPPUNIT_ASSERT_EQUAL(std::string("/proxy_auth?scope=repository:a:pull"),
                             tokens.onlyRequest().target);
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(upstream)->status());
    }

    void case143_missingChallengeChangesNothing() {
        int answers = 0;
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest&) {
            return ++answers == 1 ? bearer(at("tok.test", tokens, "/t")) : unauthorized("");
        }));
        const UpstreamPtr upstream = challengedBy(server);
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT(Challenged::kBearer == challenge(upstream));
        fetch(upstream);
        ScriptedServer mute(ScriptedServer::saying(unauthorized("")));
        CPPUNIT_ASSERT(Challenged::kNothing == challenge(challengedBy(mute)));
    }

    void challengeWithoutTokenReplacesTheOld() {
        int answers = 0;
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest&) {
            return ++answers == 1 ? unauthorized("Basic realm=\"x\"")
                                  : bearer(at("tok.test", tokens, "/t"));
        }));
        const UpstreamPtr upstream = challengedBy(server);
        CPPUNIT_ASSERT(Challenged::kUnusable == challenge(upstream));
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT(Challenged::kBearer == challenge(upstream));
    }

    // A worker may meet the token of another one, and its refusal, first.
    void challengeToATokenIsBetterThanNone() {
        ScriptedServer server(ScriptedServer::saying(bearer("https://tok.test/t")));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        putToken(upstream, "OLD");
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT(Challenged::kBearer == challenge(upstream));
        CPPUNIT_ASSERT_EQUAL(std::string("none"), tokenOnBoard(upstream));
    }

    void aSuccessorOnTheBoardIsLeftAlone() {
        UpstreamPtr upstream;
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest&) {
            putToken(upstream, "NEW");  // by another worker, while this one is refused
            return bearer("https://tok.test/t");
        }));
        upstream = UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        putToken(upstream, "OLD");
        CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT_EQUAL(std::string("Bearer OLD"),
                             server.onlyRequest().field("Authorization"));
        CPPUNIT_ASSERT_EQUAL(std::string("NEW"), tokenOnBoard(upstream));
    }

    void case147_basicCannotBeMet() {
        for (const char* text : {"Basic realm=\"r\"", "Basic", "Negotiate", "Bearer service=\"x\"",
                                 "Bearer realm=\"\"", "Bearer realm=\"ftp://x.test/\""}) {
            ScriptedServer server(ScriptedServer::saying(unauthorized(text)));
            const UpstreamPtr upstream = challengedBy(server);
            CPPUNIT_ASSERT_MESSAGE(text, Challenged::kUnusable == challenge(upstream));
            CPPUNIT_ASSERT(!needsToken(upstream));
            CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenDenied, fetchFailure(upstream));
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.requests().size());
        }
    }

    void challengesInSeveralFields() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        ScriptedServer server(ScriptedServer::saying(plainAnswer(
            401, cat("WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm=\"x\", "
                     "Bearer realm=\"", at("tok.test", tokens, "/t"), "\"\r\n"),
            "")));
        fetch(challengedBy(server));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, tokens.requests().size());
    }

    // The https upstream is played by another origin of the same upstream: what counts
    // is in the guard (address_guard_test.cc), here that fetching asks it.
    void case150_httpRealmOfAnHttpsUpstream() {
        ScriptedServer trap(ScriptedServer::saying(grant("T")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                             failureOfRealm(at("tok.test", trap, "/t"), nullptr));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
    }

    void case150_literalRealms() {
        ScriptedServer trap(ScriptedServer::saying(grant("T")));
        const std::string port = cat(':', unsigned{trap.port()});
        for (const std::string& realm :
             {std::string("https://169.254.169.254/"), "https://127.0.0.1" + port + "/",
              "https://[::1]" + port + "/", "http://127.0.0.1" + port + "/",
              std::string("https://localhost/")}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(realm, UpstreamFailure::kAddressProhibited,
                                         failureOfRealm(realm, nullptr));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
        CPPUNIT_ASSERT_EQUAL(fixture_->resolver.calls("up.test"), fixture_->resolver.calls());
    }

    void case150_realmThatResolvesInside() {
        ScriptedServer trap(ScriptedServer::saying(grant("T")));
        fixture_->resolver.set("tok.test", {{"10.0.0.1"}});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                             failureOfRealm("https://tok.test/token", nullptr));
        fixture_->resolver.set("tok.test", {{"127.0.0.1"}});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                             failureOfRealm(at("tok.test", trap, "/token"), "127.0.0.2/32"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
    }

    void case150_realmThatRedirectsInside() {
        ScriptedServer trap(ScriptedServer::saying(grant("T")));
        for (const std::string& target :
             {at("127.0.0.1", trap, "/"), at("inside.test", trap, "/")}) {
            ScriptedServer tokens(ScriptedServer::saying(
                                      plainAnswer(302, "Location: " + target + "\r\n", "")),
                                  nullptr, "127.0.0.2");
            fixture_->resolver.set("tok.test", {{"127.0.0.2"}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(
                target, UpstreamFailure::kAddressProhibited,
                failureOfRealm(at("tok.test", tokens, "/"), "127.0.0.2/32"));
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, tokens.requests().size());
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
    }

    void case150_httpRealmOnAnotherHost() {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                             failureOfRealm("http://tok.test/token", nullptr));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, fixture_->resolver.calls("tok.test"));
        fixture_->resolver.set("tok.test", {{"8.8.8.8"}});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                             failureOfRealm("http://tok.test/token", "127.0.0.0/8"));
    }

    void case151_relativeRealm() {
        for (const char* realm : {"/token", "../../token"}) {
            ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
                return startsWith(request.target, "/token") ? grant("T") : bearer(realm);
            }));
            Upstream settings = UpstreamFixture::httpUpstream(server);
            settings.allowAddresses.clear();
            const UpstreamPtr upstream = UpstreamFixture::share(settings);
            CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
            fetch(upstream);
            CPPUNIT_ASSERT_EQUAL(std::string("/token?scope=repository:a:pull"),
                                 server.requests().back().target);
        }
    }

    void realmMayRedirect() {
        ScriptedServer tokens(ScriptedServer::answering([](const ScriptedRequest& request) {
            if (request.target == "/there?x=1") return grant("T");
            return plainAnswer(307, "Location: /there?x=1\r\n", "");
        }));
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, "/t"))));
        const UpstreamPtr upstream = challengedBy(server);
        fetch(upstream);
        CPPUNIT_ASSERT_EQUAL(std::string("T"), tokenOnBoard(upstream));
    }

    void case163_tokensWithControlsAreRefused() {
        for (const char* bad : {R"(a\r\nX-Injected: b)", "a b", R"(a\u0000b)"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, UpstreamFailure::kTokenUnavailable,
                                         failureOfAnswer(grant(bad)));
        }
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenUnavailable,
                             failureOfAnswer(grant(std::string(16 * 1024 + 1, 'x'))));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNone,
                             failureOfAnswer(grant(std::string(16 * 1024, 'x'))));
    }

    void case174_challengeOfTheCdnIsNotTheUpstreams() {
        ScriptedServer cdn(ScriptedServer::saying(bearer("https://evil.test/token")));
        ScriptedServer server(ScriptedServer::saying(
            plainAnswer(307, cat("Location: ", at("cdn.test", cdn, "/x"), "\r\n"), "")));
        const UpstreamPtr upstream = challengedBy(server);
        CPPUNIT_ASSERT(Challenged::kNothing == challenge(upstream));
    }

    void statusesOfTheTokenServer() {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenDenied, failureOfAnswer(unauthorized("Basic")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenDenied,
                             failureOfAnswer(plainAnswer(403, "", "")));
        for (int status : {204, 400, 404, 429, 500, 503}) {
            const std::string answer = status == 204 ? "HTTP/1.1 204 x\r\n\r\n"
                                                     : plainAnswer(status, "", R"({"token":"x"})");
            CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenUnavailable, failureOfAnswer(answer));
        }
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol, failureOfAnswer("HTTP/1.1 x\r\n\r\n"));
    }

    void largeAnswersAreRefused() {
        const std::string start = R"({"token":"x","more":")";
        const std::size_t room = 128 * 1024 - start.size() - 2;
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kNone,
            failureOfAnswer(plainAnswer(200, "", start + std::string(room, 'y') + "\"}")));
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kTokenUnavailable,
            failureOfAnswer(plainAnswer(200, "", start + std::string(room + 1, 'y') + "\"}")));
    }

    void tokensArePerRepositoryAndUpstream() {
        ScriptedServer tokens(ScriptedServer::saying(grant("T")));
        ScriptedServer server(ScriptedServer::saying(bearer(at("tok.test", tokens, "/t"))));
        const UpstreamPtr upstream = challengedBy(server);
        fetch(upstream, "a");
        CPPUNIT_ASSERT(!fixture_->client().needsToken(*upstream, "a"));
        CPPUNIT_ASSERT(fixture_->client().needsToken(*upstream, "b"));
        CPPUNIT_ASSERT_EQUAL(cat("token", '\0', upstream->id, '\0', "a", '\0', "anonymous"),
                             UpstreamClient::tokenName(*upstream, "a"));
        Upstream changed = *upstream;
        changed.publicness = Publicness::kNo;
        changed.computeId();
        CPPUNIT_ASSERT(UpstreamClient::tokenName(changed, "a") !=
                       UpstreamClient::tokenName(*upstream, "a"));
    }

    void withoutChallengeNothingIsFetched() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTokenDenied, fetchFailure(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, server.accepted());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamTokenTest);

}  // namespace ociproxy
