#include <optional>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/scripted_server.h"
#include "support/test_certificates.h"
#include "support/upstream_fixture.h"

namespace ociproxy {

namespace {

const std::string kOk = plainAnswer(200, "", "hi");

}  // namespace

class UpstreamTlsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamTlsTest);
    CPPUNIT_TEST(caFileIsTrusted);
    CPPUNIT_TEST(largeBodyAndReuse);
    CPPUNIT_TEST(unknownAuthorityIsRefused);
    CPPUNIT_TEST(otherAuthorityIsRefused);
    CPPUNIT_TEST(wrongHostIsRefused);
    CPPUNIT_TEST(addressesNeedTheirOwnName);
    CPPUNIT_TEST(expiredCertificateIsRefused);
    CPPUNIT_TEST(oldProtocolsAreRefused);
    CPPUNIT_TEST(plainServerIsRefused);
    CPPUNIT_TEST(missingCaFileIsNamed);
    CPPUNIT_TEST(silenceInTheHandshake);
    CPPUNIT_TEST(closedInTheHandshake);
    CPPUNIT_TEST(endWithoutCloseNotifyIsTolerated);
    CPPUNIT_TEST(truncationIsSeen);
    CPPUNIT_TEST(damagedRecordEndsTheConnection);
    CPPUNIT_TEST(bodyWithoutLengthIsRefused);
    CPPUNIT_TEST(case150_httpRealmOfAnHttpsUpstream);
    CPPUNIT_TEST(case169_downgradeIsRefused);
    CPPUNIT_TEST_SUITE_END();

    std::optional<UpstreamFixture> fixture_;
    std::optional<TestAuthority> authority_;
    TestAuthority::Context context_{nullptr, &SSL_CTX_free};

    Upstream httpsUpstream(const ScriptedServer& server, const std::string& host = "up.test") {
        Upstream upstream = UpstreamFixture::httpUpstream(server);
        upstream.origins = {Origin{true, host, server.port()}};
        upstream.caFile = authority_->caFile();
        return upstream;
    }

    std::string textOf(const Upstream& upstream) {
        return UpstreamFixture::textOf([&] { fixture_->get(upstream); });
    }

    void assertRefused(const Upstream& upstream, const std::string& cause) {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsCertificate, fixture_->failureOf(upstream));
        const std::string text = textOf(upstream);
        CPPUNIT_ASSERT_MESSAGE(text, text.find(cause) != std::string::npos);
    }

    ScriptedServer::Script onceSaying(const std::string& bytes) {
        return [bytes](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (peer.readRequest(&request)) peer.send(bytes);
        };
    }

public:
    void setUp() override {
        fixture_.emplace();
        authority_.emplace();
        context_ = authority_->server("DNS:up.test,DNS:*.wild.test");
    }

    void tearDown() override {
        fixture_.reset();
        context_.reset();
        authority_.reset();
    }

    void caFileIsTrusted() {
        ScriptedServer server(ScriptedServer::saying(kOk), context_.get());
        CPPUNIT_ASSERT_EQUAL(std::string("hi"), fixture_->get(httpsUpstream(server))->readAll(10));
        CPPUNIT_ASSERT_EQUAL(std::string("hi"),
                             fixture_->get(httpsUpstream(server, "a.wild.test"))->readAll(10));
        CPPUNIT_ASSERT_EQUAL(cat("up.test:", unsigned{server.port()}),
                             server.requests().front().field("Host"));
    }

    void largeBodyAndReuse() {
        std::string body;
        while (body.size() < 3'000'000) body += cat("line ", body.size(), "\n");
        ScriptedServer server(ScriptedServer::saying(plainAnswer(200, "", body)), context_.get());
        for (int i = 0; i < 3; ++i) {
            CPPUNIT_ASSERT(body == fixture_->get(httpsUpstream(server))->readAll(body.size()));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void unknownAuthorityIsRefused() {
        ScriptedServer server(ScriptedServer::saying(kOk), context_.get());
        Upstream upstream = httpsUpstream(server);
        upstream.caFile.clear();
        assertRefused(upstream, "unable to get local issuer certificate");
        CPPUNIT_ASSERT(server.requests().empty());
    }

    void otherAuthorityIsRefused() {
        const TestAuthority other;
        ScriptedServer server(ScriptedServer::saying(kOk), context_.get());
        Upstream upstream = httpsUpstream(server);
        upstream.caFile = other.caFile();
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsCertificate, fixture_->failureOf(upstream));
        // One upstream's authority is not another one's.
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(httpsUpstream(server))->status());
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsCertificate, fixture_->failureOf(upstream));
    }

    void wrongHostIsRefused() {
        ScriptedServer server(ScriptedServer::saying(kOk), context_.get());
        for (const char* host : {"other.test", "x.up.test", "a.b.wild.test", "wild.test"}) {
            assertRefused(httpsUpstream(server, host), "hostname mismatch");
        }
        CPPUNIT_ASSERT(server.requests().empty());
    }

    void addressesNeedTheirOwnName() {
        ScriptedServer named(ScriptedServer::saying(kOk), context_.get());
        assertRefused(httpsUpstream(named, "127.0.0.1"), "IP address mismatch");
        const TestAuthority::Context context = authority_->server("IP:127.0.0.1,DNS:127.0.0.2");
        ScriptedServer addressed(ScriptedServer::saying(kOk), context.get());
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(httpsUpstream(addressed, "127.0.0.1"))->status());
    }

    void expiredCertificateIsRefused() {
        const TestAuthority::Context expired = authority_->server("DNS:up.test", -60);
        ScriptedServer server(ScriptedServer::saying(kOk), expired.get());
        assertRefused(httpsUpstream(server), "certificate has expired");
        CPPUNIT_ASSERT(server.requests().empty());
    }

    void oldProtocolsAreRefused() {
        const TestAuthority::Context old = authority_->server("DNS:up.test");
        SSL_CTX_set_cipher_list(old.get(), "ALL:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
        SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
        ScriptedServer server(ScriptedServer::saying(kOk), old.get());
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsProtocol,
                             fixture_->failureOf(httpsUpstream(server)));
        const TestAuthority::Context good = authority_->server("DNS:up.test");
        SSL_CTX_set_max_proto_version(good.get(), TLS1_2_VERSION);
        ScriptedServer other(ScriptedServer::saying(kOk), good.get());
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(httpsUpstream(other))->status());
    }

    void plainServerIsRefused() {
        ScriptedServer server([](ScriptedPeer& peer) {
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            peer.waitForEnd();
        });
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsProtocol,
                             fixture_->failureOf(httpsUpstream(server)));
    }

    void missingCaFileIsNamed() {
        ScriptedServer server(ScriptedServer::saying(kOk), context_.get());
        Upstream upstream = httpsUpstream(server);
        upstream.caFile = "/nonexistent/ca.pem";
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kTlsProtocol, fixture_->failureOf(upstream));
        const std::string text = textOf(upstream);
        CPPUNIT_ASSERT_MESSAGE(text, text.find(upstream.caFile) != std::string::npos);
        // What failed leaves nothing behind on this thread.
        CPPUNIT_ASSERT_EQUAL(200, fixture_->get(httpsUpstream(server))->status());
    }

    void silenceInTheHandshake() {
        fixture_->options.connectTimeout = Millis(100);
        ScriptedServer server([](ScriptedPeer& peer) { peer.waitForEnd(); });
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTimeout,
                             fixture_->failureOf(httpsUpstream(server)));
    }

    void closedInTheHandshake() {
        ScriptedServer server([](ScriptedPeer&) {});
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated,
                             fixture_->failureOf(httpsUpstream(server)));
    }

    // ScriptedServer closes the socket without a word of TLS.
    void endWithoutCloseNotifyIsTolerated() {
        ScriptedServer server(onceSaying(kOk), context_.get());
        CPPUNIT_ASSERT_EQUAL(std::string("hi"), fixture_->get(httpsUpstream(server))->readAll(10));
        CPPUNIT_ASSERT_EQUAL(std::string("hi"), fixture_->get(httpsUpstream(server))->readAll(10));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.accepted());
    }

    void truncationIsSeen() {
        ScriptedServer server(onceSaying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
                              context_.get());
        const std::unique_ptr<UpstreamResponse> response = fixture_->get(httpsUpstream(server));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete,
                             UpstreamFixture::failureOf([&] { response->readAll(100); }));
        ScriptedServer chunked(
            onceSaying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            context_.get());
        const std::unique_ptr<UpstreamResponse> other = fixture_->get(httpsUpstream(chunked));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete,
                             UpstreamFixture::failureOf([&] { other->readAll(100); }));
    }

    void damagedRecordEndsTheConnection() {
        ScriptedServer server(
            [](ScriptedPeer& peer) {
                ScriptedRequest request;
                peer.readRequest(&request);
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
                peer.sendRaw("no record at all");
                peer.waitForEnd();
            },
            context_.get());
        const std::unique_ptr<UpstreamResponse> response = fixture_->get(httpsUpstream(server));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated,
                             UpstreamFixture::failureOf([&] { response->readAll(100); }));
    }

    void bodyWithoutLengthIsRefused() {
        ScriptedServer server(onceSaying("HTTP/1.1 200 OK\r\n\r\nabc"), context_.get());
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             fixture_->failureOf(httpsUpstream(server)));
    }

    void case150_httpRealmOfAnHttpsUpstream() {
        ScriptedServer trap(ScriptedServer::saying(plainAnswer(200, "", R"({"token":"x"})")));
        for (const char* host : {"up.test", "tok.test"}) {
            ScriptedServer server(
                ScriptedServer::saying(plainAnswer(
                    401, cat("WWW-Authenticate: Bearer realm=\"http://", host, ':',
                             unsigned{trap.port()}, "/t\"\r\n"), "")),
                context_.get());
            const UpstreamPtr upstream = UpstreamFixture::share(httpsUpstream(server));
            CPPUNIT_ASSERT_EQUAL(401, fixture_->get(upstream)->status());
            CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kAddressProhibited,
                                 UpstreamFixture::failureOf([&] {
                                     fixture_->client().fetchToken(*upstream, "a",
                                                                  now() + Millis(20'000));
                                 }));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
    }

    void case169_downgradeIsRefused() {
        ScriptedServer trap(ScriptedServer::saying(kOk));
        for (const char* host : {"up.test", "cdn.test"}) {
            ScriptedServer server(
                ScriptedServer::saying(plainAnswer(
                    302, cat("Location: http://", host, ':', unsigned{trap.port()}, "/x\r\n"), "")),
                context_.get());
            CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kRedirect,
                                 fixture_->failureOf(httpsUpstream(server)));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, trap.accepted());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamTlsTest);

}  // namespace ociproxy
