// What only TLS listeners do; whatever else a server does is tested through TLS by the
// suites of server, sender and followers.
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>
#include <openssl/err.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/front/tls.h"
#include "ociproxy/shm/shared_state.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

using Session = std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)>;

constexpr std::time_t kDay = 24 * 3600;

// Of the client's hello, as far as it matters; RFC 7301.
void offer(SSL_CTX* context, const std::string& protocols) {
    std::string list;
    for (std::string_view name : words(protocols)) {
        list += static_cast<char>(name.size());
        list += name;
    }
    CPPUNIT_ASSERT_EQUAL(0, SSL_CTX_set_alpn_protos(
        context, reinterpret_cast<const unsigned char*>(list.data()),
        static_cast<unsigned>(list.size())));
}

std::string chosenProtocol(const FrontClient& client) {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client.ssl(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
}

std::string ticketKeys(TlsServer* server, std::time_t wall) {
    server->renewTicketKeys(wall);
    std::string keys(80, '\0');
    CPPUNIT_ASSERT_EQUAL(1L, SSL_CTX_get_tlsext_ticket_keys(server->context(), keys.data(),
                                                            static_cast<long>(keys.size())));
    return keys;
}

std::string refusalOf(const TlsServer::Options& options) {
    try {
        const TlsServer server(options);
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace

class FrontTlsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontTlsTest);
    CPPUNIT_TEST(requestsAreKnownToBeSecure);
    CPPUNIT_TEST(bothVersionsServeLargeBodies);
    CPPUNIT_TEST(olderVersionsAreRefused);
    CPPUNIT_TEST(protocolIsChosen);
    CPPUNIT_TEST(otherProtocolsAreRefused);
    CPPUNIT_TEST(plainTextIsToldInClear);
    CPPUNIT_TEST(garbageGetsAnAlert);
    CPPUNIT_TEST(helloInPieces);
    CPPUNIT_TEST(silentClientIsClosed);
    CPPUNIT_TEST(handshakeHasADeadline);
    CPPUNIT_TEST(abortedHandshakeIsCounted);
    CPPUNIT_TEST(requestBehindTheHandshakeIsSeen);
    CPPUNIT_TEST(endWithoutCloseNotifyIsAnEnd);
    CPPUNIT_TEST(idleConnectionEndsInOrder);
    CPPUNIT_TEST(cutBodyHasNoCloseNotify);
    CPPUNIT_TEST(keysMayBeRenewed);
    CPPUNIT_TEST(noRenegotiation);
    CPPUNIT_TEST(oneTooManyIsToldSo);
    CPPUNIT_TEST(proxyHeaderComesBeforeTheHandshake);
    CPPUNIT_TEST(oneTooManyOfAProxiedClientIsToldSo);
    CPPUNIT_TEST(noProxyHeaderIsNoHandshake);
    CPPUNIT_TEST(drainEndsHandshakes);
    CPPUNIT_TEST(clientCertificateIsDemanded);
    CPPUNIT_TEST(sessionsAreResumedElsewhere);
    CPPUNIT_TEST(otherIdentitiesResumeNothing);
    CPPUNIT_TEST(sessionsEndWithTheCertificate);
    CPPUNIT_TEST(ticketKeysAreOfADay);
    CPPUNIT_TEST(unusableFilesAreNamed);
    CPPUNIT_TEST(expiryIsKnown);
    CPPUNIT_TEST_SUITE_END();

    // Connects and shakes hands; the test fails if that does.
    static FrontClient connect(FrontFixture* front, SSL_CTX* context,
                               SSL_SESSION* resume = nullptr) {
        FrontClient client = front->connectPlain();
        const bool done = client.startTls(context, resume);
        CPPUNIT_ASSERT_MESSAGE(client.tlsError(), done);
        return client;
    }

    static void expectHeaders(FrontFixture* front) {
        front->options.listeners[0].proxyHeader = true;
        front->options.trustedProxies = {*Network::parse("127.0.0.0/8")};
    }

    static FrontClient connectBehind(FrontFixture* front, const std::string& header) {
        FrontClient client = front->connectPlain();
        client.send(header);
        return client;
    }

    // Why the handshake fails.
    static std::string refusal(FrontFixture* front, SSL_CTX* context) {
        FrontClient client = front->connectPlain();
        CPPUNIT_ASSERT(!client.startTls(context));
        return client.tlsError();
    }

    // A client's session, once the server has sent the ticket.
    static Session session(FrontFixture* front, SSL_CTX* context) {
        FrontClient client = connect(front, context);
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT(!SSL_session_reused(client.ssl()));
        client.shutdownSend();  // or OpenSSL takes the session for a bad one
        return Session(SSL_get1_session(client.ssl()), &SSL_SESSION_free);
    }

    static bool isResumed(FrontFixture* front, SSL_CTX* context, const Session& session) {
        FrontClient client = connect(front, context, session.get());
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        client.shutdownSend();
        return SSL_session_reused(client.ssl()) == 1;
    }

    // With counters, and a client context that knows the authority.
    struct Stage {
        explicit Stage(TlsServer::Options options) : state(SharedState::Options{}) {
            front.options.counters = &state.counters();
            front.speakTls(options);
        }
        std::uint64_t count(Counter counter) { return state.counters().get(counter); }

        SharedState state;
        FrontFixture front;
    };

public:
    void setUp() override {
        client_ = authority_.client();
        options_ = FrontFixture::tlsOptions(authority_);
    }

    void requestsAreKnownToBeSecure() {
        Stage stage(options_);
        stage.front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            exchange->reply(bytesReply(exchange->request().secure ? "secure" : "plain"));
        });
        stage.front.start();
        FrontClient secure = connect(&stage.front, client_.get());
        secure.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("secure"), secure.read().body);
        FrontClient plain = stage.front.connectUnix();
        plain.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("plain"), plain.read().body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsHandshakes));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(0), stage.count(Counter::kTlsResumed));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(0), stage.count(Counter::kTlsFailures));
    }

    void bothVersionsServeLargeBodies() {
        Stage stage(options_);
        const std::string content = patternBytes(3'000'001);
        const std::shared_ptr<const Fd> file = memoryFile(content);
        stage.front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            exchange->reply(fileReply(file, 1, content.size() - 1));
        });
        stage.front.start();
        for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            SSL_CTX_set_min_proto_version(client_.get(), version);
            SSL_CTX_set_max_proto_version(client_.get(), version);
            FrontClient client = connect(&stage.front, client_.get());
            CPPUNIT_ASSERT_EQUAL(version, SSL_version(client.ssl()));
            client.get("/");
            CPPUNIT_ASSERT(content.substr(1) == client.read().body);
        }
    }

    void olderVersionsAreRefused() {
        Stage stage(options_);
        stage.front.start();
        SSL_CTX_set_security_level(client_.get(), 0);
        SSL_CTX_set_min_proto_version(client_.get(), TLS1_VERSION);
        SSL_CTX_set_max_proto_version(client_.get(), TLS1_1_VERSION);
        CPPUNIT_ASSERT_EQUAL(std::string("tlsv1 alert protocol version"),
                             refusal(&stage.front, client_.get()));
        stage.front.waitIdle();  // the client may know first
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsFailures));
    }

    void protocolIsChosen() {
        Stage stage(options_);
        stage.front.start();
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             chosenProtocol(connect(&stage.front, client_.get())));
        offer(client_.get(), "h2 http/1.1");
        CPPUNIT_ASSERT_EQUAL(std::string("http/1.1"),
                             chosenProtocol(connect(&stage.front, client_.get())));
    }

    void otherProtocolsAreRefused() {
        Stage stage(options_);
        stage.front.start();
        offer(client_.get(), "h2");
        CPPUNIT_ASSERT_EQUAL(std::string("tlsv1 alert no application protocol"),
                             refusal(&stage.front, client_.get()));
    }

    void plainTextIsToldInClear() {
        Stage stage(options_);
        stage.front.start();
        FrontClient client = stage.front.connectPlain();
        client.get("/");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(400, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("400 this port speaks TLS\n"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsFailures));
        CPPUNIT_ASSERT(stage.front.application.handled().empty());
    }

    void garbageGetsAnAlert() {
        Stage stage(options_);
        stage.front.start();
        FrontClient client = stage.front.connectPlain();
        client.send(cat("\x16\x03\x01\x03\xe8", std::string(1000, 'x')));
        // A record of alerts: fatal.
        const std::string alert = client.readToEnd();
        CPPUNIT_ASSERT_EQUAL(std::size_t(7), alert.size());
        CPPUNIT_ASSERT_EQUAL('\x15', alert[0]);
        CPPUNIT_ASSERT_EQUAL('\x02', alert[5]);
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsFailures));
    }

    // A relay of single bytes between a client in memory and the server.
    void helloInPieces() {
        Stage stage(options_);
        stage.front.start();
        FrontClient raw = stage.front.connectPlain();
        const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(client_.get()), &SSL_free);
        BIO* const in = BIO_new(BIO_s_mem());
        BIO* const out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(in, -1);
        SSL_set_bio(ssl.get(), in, out);
        while (SSL_connect(ssl.get()) != 1) {
            char byte = 0;
            bool sent = false;
            while (BIO_read(out, &byte, 1) == 1) {
                raw.send(std::string_view(&byte, 1));
                sent = true;
            }
            const std::string answer = raw.readBytes(1);
            CPPUNIT_ASSERT_MESSAGE("refused", sent || !answer.empty());
            BIO_write(in, answer.data(), static_cast<int>(answer.size()));
        }
        CPPUNIT_ASSERT_EQUAL(1, SSL_is_init_finished(ssl.get()));
    }

    void silentClientIsClosed() {
        Stage stage(options_);
        stage.front.options.headerTimeout = Millis(50);
        stage.front.start();
        FrontClient client = stage.front.connectPlain();
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        // It may have been a look at whether the port is open.
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(0), stage.count(Counter::kTlsFailures));
    }

    // Though bytes keep coming. Never as many as it has announced.
    void handshakeHasADeadline() {
        Stage stage(options_);
        stage.front.options.headerTimeout = Millis(200);
        stage.front.start();
        FrontClient client = stage.front.connectPlain();
        const std::string hello = std::string("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11);
        client.send(hello);
        const TimePoint deadline = now() + kFrontPatience;
        pollfd silence{client.fd(), POLLRDHUP, 0};
        while (::poll(&silence, 1, 1) == 0 && client.trySend("x") && now() < deadline) {
        }
        CPPUNIT_ASSERT(now() < deadline);
        stage.front.waitIdle();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsFailures));
    }

    void abortedHandshakeIsCounted() {
        Stage stage(options_);
        stage.front.start();
        FrontClient client = stage.front.connectPlain();
        client.send("\x16\x03\x01");
        client.shutdownSend();
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsFailures));
    }

    // Sent together with the end of the handshake and so read with it: no event follows.
    void requestBehindTheHandshakeIsSeen() {
        Stage stage(options_);
        stage.front.start();
        for (int i = 0; i < 20; ++i) {
            FrontClient raw = stage.front.connectPlain();
            const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(client_.get()), &SSL_free);
            BIO* const in = BIO_new(BIO_s_mem());
            BIO* const out = BIO_new(BIO_s_mem());
            BIO_set_mem_eof_return(in, -1);
            SSL_set_bio(ssl.get(), in, out);
            const std::string request = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            bool connected = false;
            while (!connected) {
                connected = SSL_connect(ssl.get()) == 1;
                if (connected) SSL_write(ssl.get(), request.data(), static_cast<int>(request.size()));
                char bytes[8192];
                const int size = BIO_read(out, bytes, sizeof bytes);
                if (size > 0) raw.send(std::string_view(bytes, static_cast<std::size_t>(size)));
                if (connected) break;
                const std::string answer = raw.readBytes(1);
                BIO_write(in, answer.data(), static_cast<int>(answer.size()));
            }
            const std::string rest = raw.readToEnd();
            BIO_write(in, rest.data(), static_cast<int>(rest.size()));
            char reply[4096];
            const int got = SSL_read(ssl.get(), reply, sizeof reply);
            CPPUNIT_ASSERT(got > 12);
            CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 200"), std::string(reply, 12));
        }
    }

    void endWithoutCloseNotifyIsAnEnd() {
        Stage stage(options_);
        stage.front.start();
        FrontClient client = connect(&stage.front, client_.get());
        client.get("/");
        ::shutdown(client.fd(), SHUT_WR);
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        stage.front.waitIdle();
        CPPUNIT_ASSERT(stage.front.application.waitFinished(1)[0].complete);
    }

    void idleConnectionEndsInOrder() {
        Stage stage(options_);
        stage.front.options.keepAliveTimeout = Millis(50);
        stage.front.start();
        FrontClient client = connect(&stage.front, client_.get());
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
    }

    void cutBodyHasNoCloseNotify() {
        Stage stage(options_);
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        body->append("abc");
        stage.front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            Reply reply;
            reply.body = FollowBody{body, 0, std::nullopt};
            exchange->reply(std::move(reply));
        });
        stage.front.start();
        FrontClient client = connect(&stage.front, client_.get());
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        client.readHead();
        CPPUNIT_ASSERT_EQUAL(std::string("3\r\nabc"), client.readBytes(6));
        body->fail();
        client.readToEnd();
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset ||
                       client.end() == FrontClient::End::kTruncated);
    }

    // RFC 8446 4.6.3: the answer has to be written while the server reads.
    void keysMayBeRenewed() {
        Stage stage(options_);
        stage.front.start();
        FrontClient client = connect(&stage.front, client_.get());
        for (int i = 0; i < 3; ++i) {
            CPPUNIT_ASSERT_EQUAL(1, SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED));
            client.get(cat("/", i));
            CPPUNIT_ASSERT_EQUAL(cat("GET /", i), client.read().body);
        }
    }

    void noRenegotiation() {
        Stage stage(options_);
        stage.front.start();
        SSL_CTX_set_max_proto_version(client_.get(), TLS1_2_VERSION);
        FrontClient client = connect(&stage.front, client_.get());
        CPPUNIT_ASSERT_EQUAL(1, SSL_renegotiate(client.ssl()));
        CPPUNIT_ASSERT(SSL_do_handshake(client.ssl()) <= 0);
        const char* const reason = ERR_reason_error_string(ERR_get_error());
        CPPUNIT_ASSERT_EQUAL(std::string("no renegotiation"), std::string(reason ? reason : ""));
    }

    void oneTooManyIsToldSo() {
        Stage stage(options_);
        stage.front.options.maxConnections = 1;
        stage.front.start();
        FrontClient one = connect(&stage.front, client_.get());
        one.get("/");
        CPPUNIT_ASSERT_EQUAL(200, one.read().status);
        FrontClient two = connect(&stage.front, client_.get());
        two.get("/");
        const ClientReply reply = two.read();
        CPPUNIT_ASSERT_EQUAL(503, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("1"), reply.field("Retry-After"));
        CPPUNIT_ASSERT(two.waitEnd() == FrontClient::End::kClosed);
    }

    void proxyHeaderComesBeforeTheHandshake() {
        Stage stage(options_);
        expectHeaders(&stage.front);
        stage.front.start();
        FrontClient client = connectBehind(&stage.front, "PROXY TCP4 192.0.2.1 ::1 1 2\r\n");
        CPPUNIT_ASSERT(!client.startTls(client_.get()));
        client = connectBehind(&stage.front, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
        CPPUNIT_ASSERT_MESSAGE(client.tlsError(), client.startTls(client_.get()));
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:1"),
                             stage.front.application.waitFinished(1)[0].peer);
    }

    // By the header, or already when there is none yet: after the handshake in any case.
    void oneTooManyOfAProxiedClientIsToldSo() {
        const std::string header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        for (const bool any : {false, true}) {
            Stage stage(options_);
            expectHeaders(&stage.front);
            stage.front.options.maxConnections = any ? 1 : 10;
            stage.front.options.maxConnectionsPerClient = any ? 0 : 1;
            stage.front.start();
            FrontClient one = connectBehind(&stage.front, header);
            CPPUNIT_ASSERT_MESSAGE(one.tlsError(), one.startTls(client_.get()));
            one.get("/");
            CPPUNIT_ASSERT_EQUAL(200, one.read().status);
            FrontClient two = connectBehind(&stage.front, header);
            CPPUNIT_ASSERT_MESSAGE(two.tlsError(), two.startTls(client_.get()));
            const ClientReply reply = two.read();
            CPPUNIT_ASSERT_EQUAL(503, reply.status);
            CPPUNIT_ASSERT_EQUAL(std::string("1"), reply.field("Retry-After"));
            CPPUNIT_ASSERT(two.waitEnd() == FrontClient::End::kClosed);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1},
                                 stage.count(any ? Counter::kRefusedTooMany
                                                 : Counter::kRefusedTooManyOfClient));
        }
    }

    void noProxyHeaderIsNoHandshake() {
        Stage stage(options_);
        expectHeaders(&stage.front);
        stage.front.start();
        refusal(&stage.front, client_.get());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, stage.count(Counter::kRefusedProxyHeader));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, stage.count(Counter::kTlsFailures));
    }

    // One who has connected may still make a request; one who does not is let go.
    void drainEndsHandshakes() {
        Stage stage(options_);
        stage.front.options.headerTimeout = 2 * kFrontPatience;
        stage.front.start();
        FrontClient silent = stage.front.connectPlain();
        FrontClient starting = stage.front.connectPlain();
        FrontClient known = connect(&stage.front, client_.get());
        known.get("/");
        CPPUNIT_ASSERT_EQUAL(200, known.read().status);  // the others are accepted, too
        stage.front.server().drain();
        CPPUNIT_ASSERT(starting.startTls(client_.get()));
        starting.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), starting.read().field("Connection"));
        CPPUNIT_ASSERT(silent.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT(known.waitEnd() == FrontClient::End::kClosed);
    }

    void clientCertificateIsDemanded() {
        const TestAuthority clients;
        const TestAuthority others;
        options_.clientCa = TlsServer::Pem{"tls_client_ca", clients.pem()};
        Stage stage(options_);
        stage.front.start();
        const TestAuthority::Identity own = clients.issueClient("alice");
        const TestAuthority::Identity foreign = others.issueClient("alice");
        const TestAuthority::Identity server = clients.issueServer("IP:127.0.0.1");
        CPPUNIT_ASSERT_EQUAL(200, statusWith(&stage.front, &own));
        CPPUNIT_ASSERT_EQUAL(0, statusWith(&stage.front, nullptr));
        CPPUNIT_ASSERT_EQUAL(0, statusWith(&stage.front, &foreign));
        CPPUNIT_ASSERT_EQUAL(0, statusWith(&stage.front, &server));  // is none of a client
        stage.front.waitIdle();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), stage.count(Counter::kTlsHandshakes));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(3), stage.count(Counter::kTlsFailures));
    }

    void sessionsAreResumedElsewhere() {
        options_.ticketSecret.fill(7);
        for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            SSL_CTX_set_max_proto_version(client_.get(), version);
            Stage one(options_);
            Stage two(options_);
            one.front.start();
            two.front.start();
            const Session kept = session(&one.front, client_.get());
            CPPUNIT_ASSERT(isResumed(&two.front, client_.get(), kept));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), two.count(Counter::kTlsResumed));
        }
    }

    // Each case makes a full handshake, and not a failed one.
    void otherIdentitiesResumeNothing() {
        const TestAuthority clients;
        const TestAuthority others;
        const TestAuthority::Identity own = clients.issueClient("alice");
        client_ = authority_.client(&own);
        options_.ticketSecret.fill(7);
        Stage stage(options_);
        stage.front.start();
        TlsServer::Options secret = options_;
        secret.ticketSecret.fill(8);
        TlsServer::Options certificate = FrontFixture::tlsOptions(authority_);
        certificate.ticketSecret = options_.ticketSecret;
        TlsServer::Options authority = options_;
        authority.clientCa = TlsServer::Pem{"tls_client_ca", clients.pem()};
        for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            SSL_CTX_set_max_proto_version(client_.get(), version);
            const Session kept = session(&stage.front, client_.get());
            for (const TlsServer::Options& with : {secret, certificate, authority}) {
                Stage other(with);
                other.front.start();
                CPPUNIT_ASSERT(!isResumed(&other.front, client_.get(), kept));
            }
            CPPUNIT_ASSERT(isResumed(&stage.front, client_.get(), kept));
        }
        // Who was let in by one authority is not by another.
        Stage strict(authority);
        strict.front.start();
        const Session verified = session(&strict.front, client_.get());
        CPPUNIT_ASSERT(isResumed(&strict.front, client_.get(), verified));
        authority.clientCa = TlsServer::Pem{"tls_client_ca", others.pem()};
        Stage stricter(authority);
        stricter.front.start();
        FrontClient barred = stricter.front.connectPlain();
        if (barred.startTls(client_.get(), verified.get())) {
            if (barred.trySend("GET / HTTP/1.1\r\nHost: h\r\n\r\n")) barred.readToEnd();
        }
        CPPUNIT_ASSERT(stricter.front.application.handled().empty());
    }

    // Of the client; each resumption would prolong them for ever.
    void sessionsEndWithTheCertificate() {
        const TestAuthority clients;
        const TestAuthority::Identity expired = clients.issueClient("alice", -60);
        options_.clientCa = TlsServer::Pem{"tls_client_ca", clients.pem()};
        options_.ticketSecret.fill(7);
        Stage earlier(options_);  // for which it is still valid
        X509_VERIFY_PARAM_set_flags(
            SSL_CTX_get0_param(earlier.front.options.tls->context()), X509_V_FLAG_NO_CHECK_TIME);
        Stage later(options_);
        earlier.front.start();
        later.front.start();
        client_ = authority_.client(&expired);
        for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            SSL_CTX_set_max_proto_version(client_.get(), version);
            const Session kept = session(&earlier.front, client_.get());
            FrontClient client = later.front.connectPlain();
            if (client.startTls(client_.get(), kept.get())) {
                CPPUNIT_ASSERT_EQUAL(1, SSL_session_reused(client.ssl()));
                client.trySend("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
                CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
            }
        }
        CPPUNIT_ASSERT(later.front.application.handled().empty());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(2), later.count(Counter::kTlsFailures));
    }

    void ticketKeysAreOfADay() {
        options_.ticketSecret.fill(7);
        TlsServer one(options_);
        TlsServer two(options_);
        const std::string today = ticketKeys(&one, 100 * kDay);
        CPPUNIT_ASSERT(today == ticketKeys(&one, 101 * kDay - 1));
        CPPUNIT_ASSERT(today == ticketKeys(&two, 100 * kDay + 5));
        const std::string tomorrow = ticketKeys(&one, 101 * kDay);
        // Name and both keys.
        CPPUNIT_ASSERT(today.substr(0, 16) != tomorrow.substr(0, 16));
        CPPUNIT_ASSERT(today.substr(16, 32) != tomorrow.substr(16, 32));
        CPPUNIT_ASSERT(today.substr(48) != tomorrow.substr(48));
        CPPUNIT_ASSERT(today.substr(16, 32) != today.substr(48));
    }

    void unusableFilesAreNamed() {
        TlsServer::Options wrong = options_;
        wrong.key.text = authority_.issueServer("IP:127.0.0.1").key;
        CPPUNIT_ASSERT_EQUAL(std::string("key: it is not the key of certificate"),
                             refusalOf(wrong));
        wrong.key.text = "no key";
        CPPUNIT_ASSERT_EQUAL(std::string("key: there is no private key in PEM form in it"),
                             refusalOf(wrong));
        wrong.key.text =
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
            "DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\n"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END RSA PRIVATE KEY-----\n";
        CPPUNIT_ASSERT_EQUAL(
            std::string("key: it is encrypted; a key without a passphrase is needed"),
            refusalOf(wrong));
        wrong = options_;
        wrong.certificate.text = options_.key.text;
        CPPUNIT_ASSERT_EQUAL(std::string("certificate: there is no certificate in PEM form in it"),
                             refusalOf(wrong));
        wrong = options_;
        wrong.certificate.text += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        CPPUNIT_ASSERT(startsWith(refusalOf(wrong), "certificate: a certificate cannot be read"));
        wrong = options_;
        wrong.clientCa = TlsServer::Pem{"clients", "nothing"};
        CPPUNIT_ASSERT_EQUAL(std::string("clients: there is no certificate in PEM form in it"),
                             refusalOf(wrong));
        wrong.clientCa->text.clear();  // not: nobody has to show one
        CPPUNIT_ASSERT_EQUAL(std::string("clients: there is no certificate in PEM form in it"),
                             refusalOf(wrong));
        CPPUNIT_ASSERT_EQUAL(std::string(), refusalOf(options_));
    }

    void expiryIsKnown() {
        CPPUNIT_ASSERT(!TlsServer(options_).expired());
        CPPUNIT_ASSERT(endsWith(TlsServer(options_).expiry(), " GMT"));
        const TestAuthority::Identity old = authority_.issueServer("IP:127.0.0.1", -60);
        options_.certificate.text = old.certificate;
        options_.key.text = old.key;
        CPPUNIT_ASSERT(TlsServer(options_).expired());
    }

private:
    // 0: refused. A client learns that with its first bytes only, in TLS 1.3.
    int statusWith(FrontFixture* front, const TestAuthority::Identity* identity) {
        const TestAuthority::Context context = authority_.client(identity);
        FrontClient client = front->connectPlain();
        if (!client.startTls(context.get())) return 0;
        if (!client.trySend("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")) return 0;
        return client.readHead().status;
    }

    TestAuthority authority_;
    TestAuthority::Context client_{nullptr, &SSL_CTX_free};
    TlsServer::Options options_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontTlsTest);

}  // namespace ociproxy
