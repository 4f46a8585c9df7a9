#include "ociproxy/upstream/client.h"

#include <atomic>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "support/scripted_server.h"
#include "support/upstream_fixture.h"

namespace ociproxy {

namespace {

const std::string kOk = plainAnswer(200, "", "hi");

// Never answers.
void silent(ScriptedPeer& peer) {
    peer.waitForEnd();
}

// A port of loopback that nobody else can take: connecting is refused.
class ClosedPort {
public:
    ClosedPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        name_.sin_family = AF_INET;
        name_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name_;
        CPPUNIT_ASSERT_EQUAL(0, ::bind(fd_.get(), address(), size));
        CPPUNIT_ASSERT_EQUAL(0, ::getsockname(fd_.get(), address(), &size));
    }
    std::uint16_t port() const noexcept { return ntohs(name_.sin_port); }

    // From now on connecting hangs: what listens has a full queue and never accepts.
    void fill() {
        CPPUNIT_ASSERT_EQUAL(0, ::listen(fd_.get(), 0));
        // The first fills the queue, the second only knows that it is on its way.
        for (Fd& fd : guests_) {
            fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            ::connect(fd.get(), address(), sizeof name_);
        }
    }

private:
    sockaddr* address() { return reinterpret_cast<sockaddr*>(&name_); }

    Fd fd_;
    Fd guests_[2];
    sockaddr_in name_{};
};

}  // namespace

class UpstreamClientTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamClientTest);
    CPPUNIT_TEST(aRequestAsItIsSent);
    CPPUNIT_TEST(optionalFields);
    CPPUNIT_TEST(aResponseAsItIsSeen);
    CPPUNIT_TEST(badTargetsAreNotSent);
    CPPUNIT_TEST(originsAreTriedInOrder);
    CPPUNIT_TEST(anAnswerIsFinalForTheOrigins);
    CPPUNIT_TEST(addressesAreTriedInOrder);
    CPPUNIT_TEST(failuresOfConnecting);
    CPPUNIT_TEST(interimResponsesAreSkipped);
    CPPUNIT_TEST(tooManyInterimResponses);
    CPPUNIT_TEST(switchingProtocolsIsRefused);
    CPPUNIT_TEST(case205_malformedHeadsAreRefused);
    CPPUNIT_TEST(closedBeforeAnAnswer);
    CPPUNIT_TEST(staleConnectionIsReplacedOnce);
    CPPUNIT_TEST(aBrokenAnswerIsNotAskedForAgain);
    CPPUNIT_TEST(connectionCloseIsHonoured);
    CPPUNIT_TEST(idleConnectionsAreLimited);
    CPPUNIT_TEST(silenceEndsAtTheDeadline);
    CPPUNIT_TEST(trickledHeadEndsAtTheDeadline);
    CPPUNIT_TEST(connectTimeOut);
    CPPUNIT_TEST(deadlineIsForAllOrigins);
    CPPUNIT_TEST(case209_rebindingIsSeen);
    CPPUNIT_TEST(case210_oneBadAddressBlocksTheName);
    CPPUNIT_TEST(loopbackIsNotPublic);
    CPPUNIT_TEST(failuresNameUpstreamHopAndCause);
    CPPUNIT_TEST(case216_traceShowsHeadersWithoutSecrets);
    CPPUNIT_TEST(manyThreads);
    CPPUNIT_TEST(failureTexts);
    CPPUNIT_TEST_SUITE_END();

    std::optional<UpstreamFixture> fixture_;

    UpstreamFailure failureWithin(const Upstream& upstream, Millis time) {
        UpstreamRequest request = UpstreamFixture::request(UpstreamFixture::share(upstream));
        request.firstByteDeadline = now() + time;
        return UpstreamFixture::failureOf([&] { fixture_->client().send(request); });
    }

public:
    void setUp() override { fixture_.emplace(); }
    void tearDown() override { fixture_.reset(); }

    void aRequestAsItIsSent() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        CPPUNIT_ASSERT_EQUAL(std::string("hi"),
                             fixture_->get(UpstreamFixture::httpUpstream(server))->readAll(10));
        const ScriptedRequest request = server.onlyRequest();
        CPPUNIT_ASSERT_EQUAL(
            cat("GET /v2/a/x HTTP/1.1\r\nHost: up.test:", unsigned{server.port()},
                "\r\nUser-Agent: ociproxy/test\r\nVia: 1.1 ociproxy-cafe\r\n"
                "Accept-Encoding: identity\r\n\r\n"),
            request.head);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1},
                             fixture_->shared().counters().get(Counter::kUpstreamRequests));
    }

    void optionalFields() {
        ScriptedServer server(ScriptedServer::saying(plainAnswer(206, "", "")));
        UpstreamRequest request = UpstreamFixture::request(
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server)));
        request.target = "/v2/a/blobs/x?y=%2F+z";
        request.accept = "a/b, c/d";
        request.rangeFirst = 7;
        fixture_->client().send(request);
        request.rangeLast = 9;
        fixture_->client().send(request);
        request.method = UpstreamMethod::kHead;
        fixture_->client().send(request);
        const std::vector<ScriptedRequest> seen = server.requests();
        CPPUNIT_ASSERT_EQUAL(std::string("/v2/a/blobs/x?y=%2F+z"), seen[0].target);
        CPPUNIT_ASSERT_EQUAL(std::string("a/b, c/d"), seen[0].field("Accept"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=7-"), seen[0].field("Range"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=7-9"), seen[1].field("Range"));
        CPPUNIT_ASSERT_EQUAL(std::string("HEAD"), seen[2].method);
    }

    void aResponseAsItIsSeen() {
        ScriptedServer server(ScriptedServer::saying(plainAnswer(
            404, "Content-Type: text/plain\r\nX: one\r\nX: two\r\nContent-Encoding: gzip\r\n",
            "raw")));
        const std::unique_ptr<UpstreamResponse> response =
            fixture_->get(UpstreamFixture::httpUpstream(server));
        CPPUNIT_ASSERT_EQUAL(404, response->status());
        CPPUNIT_ASSERT_EQUAL(std::string("text/plain"), *response->header("content-type"));
        CPPUNIT_ASSERT_EQUAL(std::string("one"), *response->header("X"));
        CPPUNIT_ASSERT(!response->header("Y"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, *response->contentLength());
        CPPUNIT_ASSERT(!response->tokenSent());
        CPPUNIT_ASSERT_EQUAL(std::string("raw"), response->readAll(3));
    }

    void badTargetsAreNotSent() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        UpstreamRequest request = UpstreamFixture::request(
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server)));
        for (const char* target : {"", "v2/", "/v2/ x", "/v2/\r\nX: y", "/caf\xc3\xa9"}) {
            request.target = target;
            CPPUNIT_ASSERT_EQUAL_MESSAGE(
                target, UpstreamFailure::kProtocol,
                UpstreamFixture::failureOf([&] { fixture_->client().send(request); }));
        }
        request.target = "/v2/";
        request.accept = "a\r\nX: y";
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kProtocol,
            UpstreamFixture::failureOf([&] { fixture_->client().send(request); }));
        CPPUNIT_ASSERT(server.requests().empty());
    }

    void originsAreTriedInOrder() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        const ClosedPort dead;
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.origins.insert(upstream.origins.begin(), Origin{false, "dead.test", dead.port()});
        upstream.origins.insert(upstream.origins.begin(), Origin{false, "nowhere.test", 80});
        fixture_->resolver.set("nowhere.test", {{}});
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, fixture_->resolver.calls("nowhere.test"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, fixture_->resolver.calls("dead.test"));
    }

    void anAnswerIsFinalForTheOrigins() {
        ScriptedServer bad(ScriptedServer::saying("HTTP/1.1 nonsense\r\n\r\n"));
        ScriptedServer busy(ScriptedServer::saying(plainAnswer(503, "", "")));
        ScriptedServer good(ScriptedServer::saying(kOk));
        Upstream upstream = UpstreamFixture::httpUpstream(good);
        upstream.origins.insert(upstream.origins.begin(), Origin{false, "a.test", busy.port()});
        CPPUNIT_ASSERT_EQUAL(503, fixture_->get(upstream)->status());
        upstream.origins.front().port = bad.port();
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, good.accepted());
    }

    void addressesAreTriedInOrder() {
        ScriptedServer server(ScriptedServer::saying(kOk), nullptr, "127.0.0.3");
        fixture_->resolver.set("up.test", {{"127.0.0.2", "127.0.0.3"}});
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(UpstreamFixture::httpUpstream(server))->status());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, fixture_->resolver.calls());
    }

    void failuresOfConnecting() {
        const ClosedPort dead;
        Upstream upstream;
        upstream.name = "up.test";
        upstream.configured = true;
        upstream.origins = {Origin{false, "dead.test", dead.port()}};
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionRefused, fixture_->failureOf(upstream));
        fixture_->resolver.set("dead.test", {{}});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNameResolution, fixture_->failureOf(upstream));
    }

    void interimResponsesAreSkipped() {
        ScriptedServer server(ScriptedServer::saying(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kOk));
        for (int i = 0; i < 2; ++i) {
            const std::unique_ptr<UpstreamResponse> response =
                fixture_->get(UpstreamFixture::httpUpstream(server));
            CPPUNIT_ASSERT_EQUAL(200, response->status());
            CPPUNIT_ASSERT(!response->header("Link"));
            CPPUNIT_ASSERT_EQUAL(std::string("hi"), response->readAll(10));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void tooManyInterimResponses() {
        std::string ten;
        for (int i = 0; i < 10; ++i) ten += "HTTP/1.1 102 Processing\r\n\r\n";
        ScriptedServer good(ScriptedServer::saying(ten + kOk));
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(UpstreamFixture::httpUpstream(good))->status());
        ScriptedServer bad(ScriptedServer::saying(ten + "HTTP/1.1 102 P\r\n\r\n" + kOk));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(bad)));
    }

    void switchingProtocolsIsRefused() {
        ScriptedServer server(ScriptedServer::saying("HTTP/1.1 101 Switching\r\n\r\n" + kOk));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(server)));
    }

    void case205_malformedHeadsAreRefused() {
        const std::string ok = "HTTP/1.1 200 OK\r\n";
        for (const std::string& answer :
             {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
              ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
              ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
              ok + "X: " + std::string(1 << 20, 'x') + "\r\n\r\n", std::string("220 smtp\r\n")}) {
            ScriptedServer server(ScriptedServer::saying(answer));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(
                answer.substr(0, 100), UpstreamFailure::kProtocol,
                fixture_->failureOf(UpstreamFixture::httpUpstream(server)));
        }
    }

    void closedBeforeAnAnswer() {
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            peer.readRequest(&request);
        });
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(server)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.requests().size());
    }

    // The peer closes on the second request of a connection: as if it had just given the
    // idle connection up.
    void staleConnectionIsReplacedOnce() {
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (peer.readRequest(&request)) peer.send(kOk);
            if (peer.number() == 1) peer.resetAtEnd();
            peer.readRequest(&request);
        });
        const Upstream upstream = UpstreamFixture::httpUpstream(server);
        for (int i = 0; i < 3; ++i) {
            CPPUNIT_ASSERT_EQUAL(std::string("hi"), fixture_->get(upstream)->readAll(10));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server.accepted());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, server.requests().size());
    }

    void aBrokenAnswerIsNotAskedForAgain() {
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (peer.readRequest(&request)) peer.send(kOk);
            if (peer.readRequest(&request)) peer.send("HTTP/1.1 200");
        });
        const Upstream upstream = UpstreamFixture::httpUpstream(server);
        fixture_->get(upstream)->readAll(10);
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void connectionCloseIsHonoured() {
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (peer.readRequest(&request)) {
                peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
            }
            peer.waitForEnd();
        });
        const Upstream upstream = UpstreamFixture::httpUpstream(server);
        for (int i = 0; i < 2; ++i) fixture_->get(upstream)->readAll(10);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.accepted());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.requests().size());
    }

    void idleConnectionsAreLimited() {
        fixture_->options.maxIdlePerOrigin = 1;
        ScriptedServer server(ScriptedServer::saying(kOk));
        const Upstream upstream = UpstreamFixture::httpUpstream(server);
        for (int i = 0; i < 2; ++i) {
            // Two at once, so that both become idle.
            const std::unique_ptr<UpstreamResponse> a = fixture_->get(upstream);
            const std::unique_ptr<UpstreamResponse> b = fixture_->get(upstream);
            a->readAll(10);
            b->readAll(10);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server.accepted());
    }

    void silenceEndsAtTheDeadline() {
        ScriptedServer server(&silent);
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kResponseTimeout,
            failureWithin(UpstreamFixture::httpUpstream(server), Millis(100)));
    }

    void trickledHeadEndsAtTheDeadline() {
        ScriptedServer server([](ScriptedPeer& peer) {
            peer.send("HTTP/1.1 200 OK\r\nX: ");
            while (!peer.waitForEnd(10) && peer.send("y")) {
            }
        });
        const TimePoint start = now();
        CPPUNIT_ASSERT_EQUAL(
            UpstreamFailure::kResponseTimeout,
            failureWithin(UpstreamFixture::httpUpstream(server), Millis(200)));
        CPPUNIT_ASSERT(now() - start < Millis(10'000));
    }

    // A listener whose queue is full drops what comes: nobody ever answers.
    void connectTimeOut() {
        fixture_->options.connectTimeout = Millis(100);
        ClosedPort listener;
        listener.fill();
        Upstream upstream;
        upstream.name = "up.test";
        upstream.configured = true;
        upstream.origins = {Origin{false, "up.test", listener.port()}};
        const TimePoint start = now();
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTimeout, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT(now() - start < Millis(10'000));
    }

    void deadlineIsForAllOrigins() {
        ScriptedServer server(&silent);
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.origins.push_back(Origin{false, "second.test", server.port()});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTimeout,
                             failureWithin(upstream, Millis(0)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, fixture_->resolver.calls("second.test"));
    }

    // The name's answer is checked each time that it is dialled, and what was checked is
    // what is dialled.
    void case209_rebindingIsSeen() {
        ScriptedServer server(ScriptedServer::saying(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"));
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.origins.front().host = "home.test";
        upstream.allowAddresses = {*Network::parse("127.0.0.1/32")};
        ScriptedServer home(ScriptedServer::saying(plainAnswer(
            302, cat("Location: http://bind.test:", unsigned{server.port()}, "/x\r\n"), "")));
        upstream.origins.front().port = home.port();
        fixture_->resolver.set("bind.test", {{"127.0.0.1"}, {"127.0.0.2"}});
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, fixture_->resolver.calls("bind.test"));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited, fixture_->failureOf(upstream));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, fixture_->resolver.calls("bind.test"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void case210_oneBadAddressBlocksTheName() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        Upstream listed;
        listed.name = "up.test";
        listed.origins = {Origin{true, "up.test", 443}};
        for (const char* bad : {"127.0.0.1", "10.0.0.1", "64:ff9b::7f00:1", "fe80::1"}) {
            fixture_->resolver.set("up.test", {{"8.8.8.8", bad}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, UpstreamFailure::kAddressProhibited,
                                         fixture_->failureOf(listed));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, server.accepted());
    }

    void loopbackIsNotPublic() {
        ScriptedServer server(ScriptedServer::saying(kOk));
        CPPUNIT_ASSERT(!fixture_->get(UpstreamFixture::httpUpstream(server))->fromPublicAddress());
    }

    void failuresNameUpstreamHopAndCause() {
        const ClosedPort dead;
        Upstream upstream;
        upstream.name = "demo";
        upstream.configured = true;
        upstream.origins = {Origin{false, "dead.test", dead.port()}};
        UpstreamRequest request = UpstreamFixture::request(UpstreamFixture::share(upstream));
        request.target = "/v2/a/x?sig=SECRET";
        const std::string text =
            UpstreamFixture::textOf([&] { fixture_->client().send(request); });
        CPPUNIT_ASSERT_EQUAL(cat("demo: GET http://dead.test:", unsigned{upstream.origins[0].port},
                                 "/v2/a/x?...: 127.0.0.1: connect: Connection refused"),
                             text);
    }

    void case216_traceShowsHeadersWithoutSecrets() {
        ScriptedServer cdn(ScriptedServer::saying(plainAnswer(
            200, "Set-Cookie: SECRET1\r\nX-Shown: yes\r\n", "hi")));
        ScriptedServer server(ScriptedServer::saying(plainAnswer(
            307, cat("Location: http://cdn.test:", unsigned{cdn.port()}, "/blob?sig=SECRET2\r\n"),
            "")));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        const Sha256 key = sha256Of(UpstreamClient::tokenName(*upstream, "a"));
        fixture_->shared().tokens().put(key, "SECRET3", monotonicNs() + 60'000'000'000);
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(upstream)->status());
        CPPUNIT_ASSERT_EQUAL(std::string("Bearer SECRET3"),
                             server.onlyRequest().field("Authorization"));
        const std::string log = fixture_->logText();
        for (const char* shown :
             {"> GET http://up.test", "Authorization: [redacted]", "Accept-Encoding: identity",
              "< 307 of http://up.test", "/blob?...", "< 200 of http://cdn.test", "X-Shown: yes",
              "Set-Cookie: [redacted]"}) {
            CPPUNIT_ASSERT_MESSAGE(cat(shown, " in ", log), log.find(shown) != std::string::npos);
        }
        CPPUNIT_ASSERT_MESSAGE(log, log.find("SECRET") == std::string::npos);
    }

    void manyThreads() {
        ScriptedServer server(ScriptedServer::answering([](const ScriptedRequest& request) {
            return plainAnswer(200, "", request.target);
        }));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        UpstreamClient& client = fixture_->client();
        std::atomic<int> right{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&, i] {
                for (int j = 0; j < 25; ++j) {
                    UpstreamRequest request = UpstreamFixture::request(upstream);
                    request.target = cat("/", i, '/', j);
                    if (client.send(request)->readAll(100) == request.target) ++right;
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        CPPUNIT_ASSERT_EQUAL(200, right.load());
        CPPUNIT_ASSERT(server.accepted() <= 16);
    }

    void failureTexts() {
        for (std::uint32_t i = 0; i <= static_cast<std::uint32_t>(UpstreamFailure::kLoop); ++i) {
            const std::string text = failureText(static_cast<UpstreamFailure>(i));
            CPPUNIT_ASSERT(text != "unknown failure");
        }
        CPPUNIT_ASSERT(isRetryable(UpstreamFailure::kIncomplete));
        CPPUNIT_ASSERT(!isRetryable(UpstreamFailure::kTlsCertificate));
        CPPUNIT_ASSERT(!isRetryable(UpstreamFailure::kTokenDenied));
        CPPUNIT_ASSERT(!isRetryable(UpstreamFailure::kAddressProhibited));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamClientTest);

}  // namespace ociproxy
