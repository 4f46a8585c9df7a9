// Clients over TLS: the real binary's certificates, keys and sessions. What one server
// does is tested in unit/front_tls_test.cc.
#include <csignal>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "integration/integration_test.h"
#include "integration/metrics_page.h"
#include "ociproxy/base/error.h"
#include "support/front_fixture.h"
#include "support/test_certificates.h"

namespace ociproxy::itest {

namespace {

constexpr int kConfigError = 78;  // EX_CONFIG

using Session = std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)>;

Fd connectLoopback(std::uint16_t port) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throwErrno(cat("connect to 127.0.0.1:", port));
    }
    return socket;
}

std::string peerCertificate(const FrontClient& client) {
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        SSL_get1_peer_certificate(client.ssl()), &X509_free);
    CPPUNIT_ASSERT(certificate);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CPPUNIT_ASSERT_EQUAL(1, X509_digest(certificate.get(), EVP_sha256(), hash, &size));
    return std::string(reinterpret_cast<const char*>(hash), size);
}

}  // namespace

class TlsTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(TlsTest);
    OCIPROXY_INTEGRATION_TEST(pullsBlobsAndManifests);
    OCIPROXY_INTEGRATION_TEST(eachPortSpeaksItsOwn);
    OCIPROXY_INTEGRATION_TEST(reloadServesTheNewCertificate);
    OCIPROXY_INTEGRATION_TEST(reloadKeepsWhatWorks);
    OCIPROXY_INTEGRATION_TEST(sessionsArePassedAround);
    OCIPROXY_INTEGRATION_TEST(clientsShowCertificates);
    OCIPROXY_INTEGRATION_TEST(checkSaysWhatIsWrong);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        keys_ = std::make_unique<TempRoot>();
        client_ = authority_.client();
        install(authority_.issueServer("IP:127.0.0.1"));
    }
    void tearDown() override {
        keys_.reset();
        IntegrationTest::tearDown();
    }

    void pullsBlobsAndManifests() {
        startTls();
        const std::string layer = randomBytes(3 * kMiB);
        const std::string digest = up().addBlob("a", layer);
        const std::string text = imageManifest(layer, {layer});
        up().addManifest("a", text, kManifestType, "v1");
        FrontClient client = connect();
        for (int i = 0; i < 2; ++i) {
            client.get(blob("a", digest));
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(200, reply.status);
            CPPUNIT_ASSERT(layer == reply.body);
            awaitStored(digest);
        }
        client.get(manifest("a", "v1"));
        CPPUNIT_ASSERT_EQUAL(text, client.read().body);
        client.send(cat("GET ", blob("a", digest), " HTTP/1.1\r\nHost: h\r\n",
                        "Range: bytes=5-1000004\r\n\r\n"));
        const ClientReply part = client.read();
        CPPUNIT_ASSERT_EQUAL(206, part.status);
        CPPUNIT_ASSERT(layer.substr(5, 1'000'000) == part.body);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest));
        awaitAccessLine({digest, "\" 206 1000000 "});
        const ExpositionPage page = scrape(proxy());
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_tls_handshakes_total"));
        CPPUNIT_ASSERT_EQUAL(0.0, page.at("ociproxy_tls_handshake_failures_total"));
    }

    void eachPortSpeaksItsOwn() {
        startTls();
        const Response told = fetch(tlsPort(), "/v2/");
        assertError(told, 400, "UNSUPPORTED");
        assertContains(told.body, "this port speaks TLS");
        assertServed(get("/v2/"), "{}");
        // podman and others try TLS first and look for an answer in plain HTTP.
        FrontClient wrong(connectLoopback(proxy().port()));
        CPPUNIT_ASSERT(!wrong.startTls(client_.get()));
        CPPUNIT_ASSERT_EQUAL(std::string("wrong version number"), wrong.tlsError());
        await("the failure is counted", [this] {
            return scrape(proxy()).at("ociproxy_tls_handshake_failures_total") == 1;
        });
        assertContains(proxy().log(), " failed: no TLS");
    }

    void reloadServesTheNewCertificate() {
        startTls();
        FrontClient before = connect();
        before.get("/v2/");
        CPPUNIT_ASSERT_EQUAL(200, before.read().status);
        install(authority_.issueServer("IP:127.0.0.1"));
        CPPUNIT_ASSERT(peerCertificate(connect()) == peerCertificate(before));  // not yet
        proxy().reload();
        // The old workers may still be in accept().
        await("the new certificate", [&] {
            return peerCertificate(connect()) != peerCertificate(before);
        });
        before.get("/v2/");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), before.read().field("Connection"));
        CPPUNIT_ASSERT(before.waitEnd() == FrontClient::End::kClosed);
        assertContains(proxy().log(), "the certificate for TLS is valid until ");
    }

    void reloadKeepsWhatWorks() {
        startTls();
        const std::string served = peerCertificate(connect());
        writeFile(keys_->file("key"), authority_.issueServer("IP:127.0.0.1").key);
        assertContains(proxy().refusedReload(), "it is not the key of ");
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(keys_->file("key").c_str(), 0644));
        assertContains(proxy().refusedReload(), "others can read or change it");
        CPPUNIT_ASSERT(served == peerCertificate(connect()));
        // A worker that is started anew has the old ones, too.
        for (pid_t worker : proxy().workers()) ::kill(worker, SIGKILL);
        await("new workers", [this] {
            try {
                return connect().ssl() != nullptr;
            } catch (const SysError&) {
                return false;
            }
        });
        CPPUNIT_ASSERT(served == peerCertificate(connect()));
    }

    // Between the workers of one generation and with those of the next.
    void sessionsArePassedAround() {
        for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            SSL_CTX_set_max_proto_version(client_.get(), version);
            startTls();
            Session session = newSession();
            resumeOften(&session);
            proxy().reload();
            resumeOften(&session);
            CPPUNIT_ASSERT_EQUAL(24.0, scrape(proxy()).at("ociproxy_tls_sessions_resumed_total"));
            install(authority_.issueServer("IP:127.0.0.1"));
            proxy().reload();
            await("an end to the session", [&] {
                FrontClient client = connect(session.get());
                const bool resumed = SSL_session_reused(client.ssl()) == 1;
                const Session next = leave(&client);
                return !resumed;
            });
            CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        }
    }

    void clientsShowCertificates() {
        const TestAuthority clients;
        writeFile(keys_->file("ca"), clients.pem());
        startTls(cat("tls_client_ca = ", keys_->file("ca"), "\n"));
        const TestAuthority::Identity alice = clients.issueClient("alice");
        const TestAuthority::Identity mallory = authority_.issueClient("alice");
        client_ = authority_.client(&alice);
        CPPUNIT_ASSERT_EQUAL(200, status());
        client_ = authority_.client(&mallory);
        CPPUNIT_ASSERT_EQUAL(0, status());
        client_ = authority_.client();
        CPPUNIT_ASSERT_EQUAL(0, status());
        await("the line about the client without a certificate", [this] {
            const std::string wanted = "peer did not return a certificate";
            return proxy().log().find(wanted) != std::string::npos;
        });
    }

    void checkSaysWhatIsWrong() {
        makeProxy(setup());
        const std::string file = proxy().configurationFile();
        CPPUNIT_ASSERT_EQUAL(0, runProxy({"-t", "-c", file}).status);
        const auto refusal = [&] {
            const Finished finished = runProxy({"-t", "-c", file});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(finished.err, kConfigError, finished.status);
            assertContains(finished.err, cat(file, ": tls_"));
            CPPUNIT_ASSERT_EQUAL(kConfigError, proxy().startInVain());
            return finished.err;
        };
        writeFile(keys_->file("key"), authority_.issueServer("IP:127.0.0.1").key);
        assertContains(refusal(), "it is not the key of ");
        writeFile(keys_->file("cert"), "nothing");
        assertContains(refusal(), "there is no certificate in PEM form");
        CPPUNIT_ASSERT_EQUAL(0, std::remove(keys_->file("cert").c_str()));
        assertContains(refusal(), "cannot be read by user ");
        install(authority_.issueServer("IP:127.0.0.1"));
        CPPUNIT_ASSERT_EQUAL(0, runProxy({"-t", "-c", file}).status);
        proxy().start();
    }

private:
    ProxySetup setup(const std::string& more = {}) const {
        ProxySetup out;
        out.global = cat("listen = 127.0.0.1:0 tls\ntls_certificate = ", keys_->file("cert"),
                         "\ntls_key = ", keys_->file("key"),
                         "\nadmin_listen = 127.0.0.1:0\n", more);
        return out;
    }

    void startTls(const std::string& more = {}) { startProxy(setup(more)); }

    void install(const TestAuthority::Identity& identity) const {
        writeFile(keys_->file("cert"), identity.certificate);
        writeFile(keys_->file("key"), identity.key);
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(keys_->file("key").c_str(), 0600));
    }

    // The second port that the log names, of the two that clients have.
    std::uint16_t tlsPort() {
        const std::string log = proxy().log();
        const std::string before = cat("listening on 127.0.0.1:", proxy().port(), ", 127.0.0.1:");
        const std::size_t at = log.rfind(before);
        CPPUNIT_ASSERT_MESSAGE(log, at != std::string::npos);
        return static_cast<std::uint16_t>(std::stoul(log.substr(at + before.size())));
    }

    FrontClient connect(SSL_SESSION* resume = nullptr) {
        FrontClient client(connectLoopback(tlsPort()));
        const bool done = client.startTls(client_.get(), resume);
        if (!done) throw SysError(cat("TLS: ", client.tlsError()), ECONNRESET);
        return client;
    }

    int status() {
        FrontClient client(connectLoopback(tlsPort()));
        if (!client.startTls(client_.get())) return 0;
        if (!client.trySend("GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")) return 0;
        return client.readHead().status;
    }

    // What the last reply leaves behind. A session is good for several connections here,
    // but one that was not closed in order counts as bad.
    static Session leave(FrontClient* client) {
        client->get("/v2/");
        CPPUNIT_ASSERT_EQUAL(200, client->read().status);
        client->shutdownSend();
        return Session(SSL_get1_session(client->ssl()), &SSL_SESSION_free);
    }
    Session newSession() {
        FrontClient client = connect();
        return leave(&client);
    }

    // As many as two workers share.
    void resumeOften(Session* session) {
        for (int i = 0; i < 12; ++i) {
            FrontClient client = connect(session->get());
            CPPUNIT_ASSERT_EQUAL(1, SSL_session_reused(client.ssl()));
            *session = leave(&client);
        }
    }

    TestAuthority authority_;
    TestAuthority::Context client_{nullptr, &SSL_CTX_free};
    std::unique_ptr<TempRoot> keys_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TlsTest);

}  // namespace ociproxy::itest
