#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/token_board.h"
#include "support/scripted_server.h"
#include "support/upstream_fixture.h"
#include "upstream/url.h"

namespace ociproxy {

namespace {

const std::string kOk = plainAnswer(200, "", "hi");

std::string redirect(int status, const std::string& location) {
    return plainAnswer(status, "Location: " + location + "\r\n", "moved");
}

std::string at(const std::string& host, const ScriptedServer& server, const std::string& target) {
    return cat("http://", host, ':', unsigned{server.port()}, target);
}

std::string resolve(const std::string& base, const std::string& reference) {
    const std::optional<Url> url = resolveUrl(*parseUrl(base), reference);
    return url ? url->text() : "refused";
}

std::string parse(const std::string& text) {
    const std::optional<Url> url = parseUrl(text);
    return url ? url->text() : "refused";
}

}  // namespace

class UpstreamRedirectTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamRedirectTest);
    CPPUNIT_TEST(urlsKeepTheirTarget);
    CPPUNIT_TEST(urlsThatCannotBeAsked);
    CPPUNIT_TEST(case167_referencesAsInRfc3986);
    CPPUNIT_TEST(case166_allStatusesLeadToTheCdnWithoutCredentials);
    CPPUNIT_TEST(otherStatusesAreAnswers);
    CPPUNIT_TEST(case167_referencesOverTheWire);
    CPPUNIT_TEST(case168_signedQueryIsByteIdentical);
    CPPUNIT_TEST(case170_privateTargetsAreNotDialled);
    CPPUNIT_TEST(case171_tenHopsAndNoMore);
    CPPUNIT_TEST(case171_loops);
    CPPUNIT_TEST(case175_rangeIsKept);
    CPPUNIT_TEST(case176_withoutLocation);
    CPPUNIT_TEST(badLocations);
    CPPUNIT_TEST(case177_sameOriginKeepsTheToken);
    CPPUNIT_TEST(case178_noTokenAfterTheWayBack);
    CPPUNIT_TEST(secondOriginIsAChangeOfOrigin);
    CPPUNIT_TEST(anUnreachableTargetIsNoReasonForAnotherOrigin);
    CPPUNIT_TEST(headStaysHead);
    CPPUNIT_TEST(connectionIsKeptOverARedirect);
    CPPUNIT_TEST(deadlineIsForAllHops);
    CPPUNIT_TEST(publicMeansEveryHop);
    CPPUNIT_TEST_SUITE_END();

    std::optional<UpstreamFixture> fixture_;

    // As the upstream of the server, with a token for the repository on the board.
    UpstreamPtr withToken(Upstream settings) {
        const UpstreamPtr upstream = UpstreamFixture::share(std::move(settings));
        const Sha256 key = sha256Of(UpstreamClient::tokenName(*upstream, "a"));
        fixture_->shared().tokens().put(key, "TOKEN", monotonicNs() + 60'000'000'000);
        return upstream;
    }

    UpstreamFailure failureOfLocation(const std::string& location) {
        ScriptedServer server(ScriptedServer::saying(redirect(302, location)));
        return fixture_->failureOf(UpstreamFixture::httpUpstream(server));
    }

    // Whether an answer counts as from public addresses that is reached over these hosts.
    static bool cameFromPublic(const std::vector<std::string>& hosts) {
        UpstreamFixture fixture;
        fixture.resolver.set("public.test", {{"127.0.0.2"}});
        fixture.options.isPublic = [](const IpAddress& address) {
            return address.text() == "127.0.0.2";
        };
        std::atomic<unsigned> port{0};
        const ScriptedServer server(
            ScriptedServer::answering([&](const ScriptedRequest& request) {
                const std::size_t hop = request.target.size() > 2
                                            ? 0
                                            : parseUnsigned(request.target.substr(1)).value();
                if (hop + 1 == hosts.size()) return kOk;
                return redirect(307, cat("http://", hosts[hop + 1], ':', port.load(), '/', hop + 1));
            }),
            nullptr, "0.0.0.0");
        port = server.port();
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.origins.front().host = hosts.front();
        const std::unique_ptr<UpstreamResponse> response = fixture.get(upstream);
        CPPUNIT_ASSERT_EQUAL(200, response->status());
        CPPUNIT_ASSERT_EQUAL(hosts.size(), server.requests().size());
        return response->fromPublicAddress();
    }

public:
    void setUp() override { fixture_.emplace(); }
    void tearDown() override { fixture_.reset(); }

    void urlsKeepTheirTarget() {
        CPPUNIT_ASSERT_EQUAL(std::string("https://cdn.test/a%2Fb/../c?X=%2f&y=+&z=a%20b"),
                             parse("HTTPS://CDN.test:443/a%2Fb/../c?X=%2f&y=+&z=a%20b#part"));
        CPPUNIT_ASSERT_EQUAL(std::string("http://cdn.test:8080/"), parse("http://cdn.test:8080"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://cdn.test/?q"), parse("https://cdn.test?q"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://[::1]:8443/x"), parse("https://[::1]:8443/x"));
        CPPUNIT_ASSERT_EQUAL(std::string("::1"), parseUrl("https://[::1]/")->origin.host);
        CPPUNIT_ASSERT_EQUAL(std::string("https://a.test/x?u=http://b/c"),
                             parse("https://a.test/x?u=http://b/c"));
    }

    void urlsThatCannotBeAsked() {
        for (const char* text :
             {"ftp://a.test/", "a.test/", "//a.test/", "https:/a.test/", "https:a.test",
              "https://user@a.test/", "https://u:p@a.test/", "https:///x", "https://a.test:0/",
              "https://a.test:65536/", "https://a.test:x/", "https://a_b.test/", "https://a..b/",
              "https://a.test\\@b.test/", "https://a.test/ x", "https://a.test/\xc3\xa9",
              "https://a.test/\x01", "file:///etc/passwd", "", "https://%31.test/",
              "https://[::1/", "https://a.test:/"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string("refused"), parse(text));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("refused"),
                             parse("https://a.test/" + std::string(16384, 'x')));
    }

    void case167_referencesAsInRfc3986() {
        const std::string base = "http://a.test/b/c/d;p?q";
        const char* const table[][2] = {
            {"g", "/b/c/g"},          {"./g", "/b/c/g"},       {"g/", "/b/c/g/"},
            {"/g", "/g"},             {"?y", "/b/c/d;p?y"},    {"g?y", "/b/c/g?y"},
            {"g#s", "/b/c/g"},        {"g;x?y#s", "/b/c/g;x?y"}, {".", "/b/c/"},
            {"./", "/b/c/"},          {"..", "/b/"},           {"../g", "/b/g"},
            {"../..", "/"},           {"../../g", "/g"},       {"../../../g", "/g"},
            {"g.", "/b/c/g."},        {"..g", "/b/c/..g"},     {"./g/.", "/b/c/g/"},
            {"g/./h", "/b/c/g/h"},    {"g/../h", "/b/c/h"},    {"g?y/../x", "/b/c/g?y/../x"},
            {"/x?a/../b", "/x?a/../b"}, {"a//b", "/b/c/a//b"}, {"%2e%2e/g", "/b/c/%2e%2e/g"},
        };
        for (const auto& row : table) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(row[0], "http://a.test" + std::string(row[1]),
                                         resolve(base, row[0]));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("http://other.test/p"), resolve(base, "//other.test/p"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://x.test/"), resolve(base, "https://x.test"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://x.test/y"),
                             resolve("https://a.test:8443/b", "//x.test/y"));
        for (const char* bad : {"", "#s", "mailto:x", "javascript:alert(1)", "a:b", "//", "g h"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, std::string("refused"), resolve(base, bad));
        }
    }

    void case166_allStatusesLeadToTheCdnWithoutCredentials() {
        ScriptedServer cdn(ScriptedServer::saying(kOk));
        for (int status : {301, 302, 303, 307, 308}) {
            ScriptedServer server(ScriptedServer::saying(
                plainAnswer(status, cat("Set-Cookie: a=b\r\nLocation: ",
                                        at("cdn.test", cdn, cat("/blob", status)), "\r\n"),
                            "")));
            const std::unique_ptr<UpstreamResponse> response =
                fixture_->get(withToken(UpstreamFixture::httpUpstream(server)));
            CPPUNIT_ASSERT_EQUAL(200, response->status());
            CPPUNIT_ASSERT_EQUAL(std::string("hi"), response->readAll(10));
            CPPUNIT_ASSERT(!response->tokenSent());
            CPPUNIT_ASSERT_EQUAL(std::string("Bearer TOKEN"),
                                 server.onlyRequest().field("Authorization"));
            const ScriptedRequest seen = cdn.requests().back();
            CPPUNIT_ASSERT_EQUAL(cat("/blob", status), seen.target);
            CPPUNIT_ASSERT_EQUAL(cat("cdn.test:", unsigned{cdn.port()}), seen.field("Host"));
            for (const char* name : {"Authorization", "Cookie", "Referer"}) {
                CPPUNIT_ASSERT_MESSAGE(name, !seen.has(name));
            }
            CPPUNIT_ASSERT_EQUAL(std::string("identity"), seen.field("Accept-Encoding"));
        }
    }

    void otherStatusesAreAnswers() {
        for (int status : {300, 304, 305, 306}) {
            ScriptedServer server(ScriptedServer::saying(
                cat("HTTP/1.1 ", status, " x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")));
            CPPUNIT_ASSERT_EQUAL(status,
                                 fixture_->get(UpstreamFixture::httpUpstream(server))->status());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.requests().size());
        }
    }

    void case167_referencesOverTheWire() {
        ScriptedServer cdn(ScriptedServer::saying(kOk));
        const std::string host = cat("//cdn.test:", unsigned{cdn.port()}, "/p");
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
            if (request.target == "/v2/a/x") return redirect(307, "../b/y");
            if (request.target == "/v2/b/y") return redirect(307, "?q=1");
            if (request.target == "/v2/b/y?q=1") return redirect(307, "/artifacts/z");
            return redirect(307, host);
        }));
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(UpstreamFixture::httpUpstream(server))->status());
        CPPUNIT_ASSERT_EQUAL(std::string("/artifacts/z"), server.requests().back().target);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, server.requests().size());
        CPPUNIT_ASSERT_EQUAL(std::string("/p"), cdn.onlyRequest().target);
    }

    void case168_signedQueryIsByteIdentical() {
        const std::string target = "/b%2fl/ob?X-Amz-Signature=a%2Fb&y=+&z=?a?b?=c&&e=%e9'\"{}|";
        ScriptedServer cdn(ScriptedServer::saying(kOk));
        ScriptedServer server(
            ScriptedServer::saying(redirect(307, at("cdn.test", cdn, target + "#frag"))));
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(UpstreamFixture::httpUpstream(server))->status());
        CPPUNIT_ASSERT_EQUAL(target, cdn.onlyRequest().target);
    }

    void case170_privateTargetsAreNotDialled() {
        ScriptedServer trap(ScriptedServer::saying(kOk));
        fixture_->resolver.set("inside.test", {{"127.0.0.1"}});
        fixture_->resolver.set("mixed.test", {{"127.0.0.2", "127.0.0.1"}});
        for (const char* host : {"inside.test", "127.0.0.1", "mixed.test"}) {
            ScriptedServer server(ScriptedServer::saying(redirect(302, at(host, trap, "/x"))));
            Upstream upstream = UpstreamFixture::httpUpstream(server);
            upstream.allowAddresses = {*Network::parse("127.0.0.2/32")};
            CPPUNIT_ASSERT_EQUAL_MESSAGE(host, UpstreamFailure::kAddressProhibited,
                                         fixture_->failureOf(upstream));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
        // Without allowed addresses not even the name is resolved.
        ScriptedServer server(ScriptedServer::saying(redirect(302, at("other.test", trap, "/x"))));
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.allowAddresses.clear();
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, fixture_->resolver.calls("other.test"));
    }

    void case171_tenHopsAndNoMore() {
        for (int hops : {10, 11}) {
            ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
                const bool start = request.target == "/v2/a/x";
                const int number = start ? 0 : std::stoi(request.target.substr(2));
                return number < hops ? redirect(302, cat("/h", number + 1)) : kOk;
            }));
            const UpstreamFailure failure =
                fixture_->failureOf(UpstreamFixture::httpUpstream(server));
            CPPUNIT_ASSERT_EQUAL(hops == 10 ? UpstreamFailure::kNone : UpstreamFailure::kRedirect,
                                 failure);
            CPPUNIT_ASSERT_EQUAL(std::size_t{11}, server.requests().size());
        }
    }

    void case171_loops() {
        ScriptedServer self(ScriptedServer::saying(redirect(302, "/v2/a/x")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kRedirect,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(self)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, self.requests().size());
        ScriptedServer two(ScriptedServer::answering([](const ScriptedRequest& request) {
            return redirect(302, request.target == "/v2/a/x" ? "/other" : "/v2/a/x");
        }));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kRedirect,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(two)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, two.requests().size());
    }

    void case175_rangeIsKept() {
        ScriptedServer cdn(ScriptedServer::saying(plainAnswer(206, "", "x")));
        ScriptedServer server(ScriptedServer::saying(redirect(307, at("cdn.test", cdn, "/x"))));
        UpstreamRequest request = UpstreamFixture::request(
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server)));
        request.rangeFirst = 5;
        request.rangeLast = 5;
        request.accept = "a/b";
        CPPUNIT_ASSERT_EQUAL(206, fixture_->client().send(request)->status());
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=5-5"), cdn.onlyRequest().field("Range"));
        CPPUNIT_ASSERT_EQUAL(std::string("a/b"), cdn.onlyRequest().field("Accept"));
    }

    void case176_withoutLocation() {
        ScriptedServer server(ScriptedServer::saying(plainAnswer(302, "", "")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kRedirect,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(server)));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kRedirect, failureOfLocation(""));
    }

    void badLocations() {
        for (const char* location :
             {"ftp://x.test/", "http://user:pw@up.test/", "#x", "http://", "/a b",
              "/caf\xc3\xa9", "http://a_b.test/"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(location, UpstreamFailure::kRedirect,
                                         failureOfLocation(location));
        }
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             failureOfLocation("/x\rSet-Cookie: a"));
    }

    void case177_sameOriginKeepsTheToken() {
        ScriptedServer server(ScriptedServer::answering([](const ScriptedRequest& request) {
            return request.target == "/v2/a/x" ? redirect(307, "/v2/b/x") : kOk;
        }));
        const std::unique_ptr<UpstreamResponse> response =
            fixture_->get(withToken(UpstreamFixture::httpUpstream(server)));
        CPPUNIT_ASSERT(response->tokenSent());
        for (const ScriptedRequest& request : server.requests()) {
            CPPUNIT_ASSERT_EQUAL(std::string("Bearer TOKEN"), request.field("Authorization"));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.requests().size());
    }

    void case178_noTokenAfterTheWayBack() {
        std::string back;
        ScriptedServer cdn(ScriptedServer::answering(
            [&](const ScriptedRequest&) { return redirect(307, back); }));
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest& request) {
            if (request.target == "/v2/a/x") return redirect(307, at("cdn.test", cdn, "/x"));
            return plainAnswer(401, "WWW-Authenticate: Basic\r\n", "");
        }));
        back = at("up.test", server, "/back");
        const UpstreamPtr upstream = withToken(UpstreamFixture::httpUpstream(server));
        const std::unique_ptr<UpstreamResponse> response = fixture_->get(upstream);
        CPPUNIT_ASSERT_EQUAL(401, response->status());
        CPPUNIT_ASSERT(!response->tokenSent());
        CPPUNIT_ASSERT(server.requests()[0].has("Authorization"));
        CPPUNIT_ASSERT(!cdn.onlyRequest().has("Authorization"));
        CPPUNIT_ASSERT(!server.requests()[1].has("Authorization"));
        // Whoever sent us back cannot make the upstream's challenge or drop its token.
        CPPUNIT_ASSERT(UpstreamClient::Challenged::kNothing ==
                       fixture_->client().challenge(*upstream));
        CPPUNIT_ASSERT(fixture_->shared().tokens().find(
            sha256Of(UpstreamClient::tokenName(*upstream, "a"))));
    }

    void secondOriginIsAChangeOfOrigin() {
        ScriptedServer second(ScriptedServer::saying(kOk));
        ScriptedServer first(ScriptedServer::saying(redirect(307, at("up2.test", second, "/x"))));
        Upstream upstream = UpstreamFixture::httpUpstream(first);
        upstream.origins.push_back(Origin{false, "up2.test", second.port()});
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(withToken(upstream))->status());
        CPPUNIT_ASSERT(first.onlyRequest().has("Authorization"));
        CPPUNIT_ASSERT(!second.onlyRequest().has("Authorization"));
    }

    void anUnreachableTargetIsNoReasonForAnotherOrigin() {
        ScriptedServer second(ScriptedServer::saying(kOk));
        ScriptedServer first(ScriptedServer::saying(redirect(307, "http://gone.test/x")));
        fixture_->resolver.set("gone.test", {{}});
        Upstream upstream = UpstreamFixture::httpUpstream(first);
        upstream.origins.push_back(Origin{false, "up2.test", second.port()});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNameResolution, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, second.accepted());
    }

    // public.test is at 127.0.0.2, all other names are at 127.0.0.1.
    void publicMeansEveryHop() {
        CPPUNIT_ASSERT(cameFromPublic({"public.test"}));
        CPPUNIT_ASSERT(cameFromPublic({"public.test", "public.test", "public.test"}));
        CPPUNIT_ASSERT(!cameFromPublic({"inside.test"}));
        CPPUNIT_ASSERT(!cameFromPublic({"inside.test", "public.test"}));
        CPPUNIT_ASSERT(!cameFromPublic({"public.test", "inside.test"}));
        CPPUNIT_ASSERT(!cameFromPublic({"public.test", "inside.test", "public.test"}));
    }

    void headStaysHead() {
        ScriptedServer server(ScriptedServer::answering([](const ScriptedRequest& request) {
            return std::string(request.target == "/v2/a/x"
                                   ? "HTTP/1.1 303 x\r\nLocation: /y\r\n\r\n"
                                   : "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        }));
        UpstreamRequest request = UpstreamFixture::request(
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server)));
        request.method = UpstreamMethod::kHead;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, *fixture_->client().send(request)->contentLength());
        CPPUNIT_ASSERT_EQUAL(std::string("HEAD"), server.requests()[1].method);
    }

    void connectionIsKeptOverARedirect() {
        ScriptedServer server(ScriptedServer::answering([](const ScriptedRequest& request) {
            return request.target == "/v2/a/x" ? redirect(307, "/y") : kOk;
        }));
        for (int i = 0; i < 2; ++i) {
            fixture_->get(UpstreamFixture::httpUpstream(server))->readAll(10);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void deadlineIsForAllHops() {
        int hops = 0;
        ScriptedServer server([&](ScriptedPeer& peer) {
            ScriptedRequest request;
            while (peer.readRequest(&request)) {
                // Each hop alone would be in time.
                if (peer.waitForEnd(60)) return;
                peer.send(redirect(302, cat("/h", ++hops)));
            }
        });
        UpstreamRequest request = UpstreamFixture::request(
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server)));
        request.firstByteDeadline = now() + Millis(200);
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kResponseTimeout,
            UpstreamFixture::failureOf([&] { fixture_->client().send(request); }));
        CPPUNIT_ASSERT(server.requests().size() < 6);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamRedirectTest);

}  // namespace ociproxy
