// Who may connect, by which way, and whose address the access log shows.
#include "integration/integration_test.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "integration/metrics_page.h"
#include "integration/patience.h"
#include "integration/proc_view.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

const std::string kHeader = "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n";
// [2001:db8::1]:5000 to [2001:db8::2]:443, and a host name in a TLV.
const std::string kBinary("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x2b"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x13\x88\x01\xbb"
                          "\x02\0\4host", 59);
const char* const kPing = "GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace

class DoorTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DoorTest);
    OCIPROXY_INTEGRATION_TEST(proxyHeadersNameTheClient);
    OCIPROXY_INTEGRATION_TEST(withoutAHeaderTheConnectionIsClosed);
    OCIPROXY_INTEGRATION_TEST(onlyTrustedProxiesMayConnectThere);
    OCIPROXY_INTEGRATION_TEST(somebodyHasToBeTrusted);
    OCIPROXY_INTEGRATION_TEST(unixSocketsServeClients);
    OCIPROXY_INTEGRATION_TEST(forwardedClientsAreLogged);
    OCIPROXY_INTEGRATION_TEST(limitsChangeWithAReload);
    OCIPROXY_INTEGRATION_TEST(tooHighALimitIsLowered);
    OCIPROXY_INTEGRATION_TEST(slowHeadsEndWhenConfigured);
    OCIPROXY_INTEGRATION_TEST(withoutDescriptorsConnectionsWait);
    CPPUNIT_TEST_SUITE_END();

public:
    void proxyHeadersNameTheClient() {
        startWithHeaders("127.0.0.0/8");
        for (const auto& [header, client] :
             {std::pair<std::string, const char*>{kHeader, " 192.0.2.1:5000 "},
              {kBinary, " [2001:db8::1]:5000 "}, {"PROXY UNKNOWN\r\n", " 127.0.0.1:"}}) {
            TestClient proxied(headerPort());
            proxied.sendRaw(header + kPing);
            CPPUNIT_ASSERT_EQUAL(200, proxied.read().status);
            awaitAccessLine({client, "\"GET /v2/\" 200"});
        }
        CPPUNIT_ASSERT_EQUAL(200, get("/v2/").status);  // the other address is an ordinary one
    }

    void withoutAHeaderTheConnectionIsClosed() {
        startWithHeaders("127.0.0.1");
        TestClient client(headerPort());
        client.sendRaw(kPing);
        const Response response = client.read();
        CPPUNIT_ASSERT_EQUAL(0, response.status);
        awaitRefused("proxy_header", 1);
        CPPUNIT_ASSERT(proxy().accessLog().empty());
        assertContains(proxy().log(), "it did not begin with a valid PROXY header");
    }

    void onlyTrustedProxiesMayConnectThere() {
        startWithHeaders("192.0.2.0/24");
        TestClient client(headerPort());
        client.sendRaw(kHeader + kPing);
        CPPUNIT_ASSERT_EQUAL(0, client.read().status);
        awaitRefused("untrusted", 1);
        assertContains(proxy().log(), "is not one of trusted_proxies");
    }

    void somebodyHasToBeTrusted() {
        const TempRoot root;
        writeFile(root.file("conf"), "listen = :0\nlisten = :0 proxy_protocol\n");
        const Finished checked = runProxy({"-t", "-c", root.file("conf")});
        CPPUNIT_ASSERT_EQUAL(78, checked.status);
        assertContains(checked.err, ":2: proxy_protocol needs trusted_proxies");
    }

    void unixSocketsServeClients() {
        const TempRoot root;
        const std::string plain = root.file("http.sock");
        const std::string proxied = root.file("proxied.sock");
        const std::string lines = cat("listen = unix:", plain, "\nlisten = ", proxied);
        const std::string rest = "\nadmin_listen = 127.0.0.1:0\n";
        startProxy({2, lines + " proxy_protocol" + rest, "", ""});
        CPPUNIT_ASSERT_EQUAL(200, fetchFrom(plain, "/v2/").status);
        awaitAccessLine({" unix: \"GET /v2/\" 200"});
        CPPUNIT_ASSERT_EQUAL(0, fetchFrom(proxied, "/v2/").status);  // knows no PROXY
        TestClient client(Wire::connectPath(proxied));
        client.sendRaw(kHeader + kPing);
        CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        awaitAccessLine({" 192.0.2.1:5000 "});
        client.leave();
        // The words behind the address may change while it is listened on.
        reloadWith({2, lines + rest, "", ""});
        CPPUNIT_ASSERT_EQUAL(200, fetchFrom(proxied, "/v2/").status);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::stat(plain.c_str(), &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0660}, status.st_mode & mode_t{07777});
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        CPPUNIT_ASSERT(!exists(plain) && !exists(proxied));
        proxy().start();  // for the end, which stops it
    }

    void forwardedClientsAreLogged() {
        startProxy({1, "trusted_proxies = 127.0.0.1 10.0.0.0/8\n", "", ""});
        get("/v2/", {{"X-Forwarded-For", "203.0.113.1, 192.0.2.1, 10.0.0.1"}});
        awaitAccessLine({" 192.0.2.1 \"GET /v2/\" 200"});
        get("/v2/", {{"Forwarded", "for=\"[2001:db8::1]:7\";proto=https"}});
        awaitAccessLine({" [2001:db8::1]:7 \"GET /v2/\" 200"});
        reloadWith({1, "", "", ""});
        get("/v2/a", {{"X-Forwarded-For", "192.0.2.1"}});
        awaitAccessLine({" 127.0.0.1:", "\"GET /v2/a\""});
    }

    void limitsChangeWithAReload() {
        const std::string admin = "admin_listen = 127.0.0.1:0\n";
        startProxy({1, admin, "", ""});
        CPPUNIT_ASSERT_EQUAL(200, get("/v2/").status);
        reloadWith({1, admin + "max_connections_per_client = 1\n", "", ""});
        TestClient one(proxy().port());
        CPPUNIT_ASSERT_EQUAL(200, one.get("/v2/").status);
        TestClient two(proxy().port());
        const Response refused = two.get("/v2/");
        CPPUNIT_ASSERT_EQUAL(503, refused.status);
        CPPUNIT_ASSERT(refused.complete());
        CPPUNIT_ASSERT_EQUAL(std::string("1"), refused.header("Retry-After"));
        awaitRefused("too_many_of_client", 1);
        one.leave();
        two.leave();
        reloadWith({1, admin + "max_connections = 1\nmax_connections_per_client = off\n", "", ""});
        TestClient three(proxy().port());
        CPPUNIT_ASSERT_EQUAL(200, three.get("/v2/").status);
        TestClient four(proxy().port());
        CPPUNIT_ASSERT_EQUAL(503, four.get("/v2/").status);
        awaitRefused("too_many", 1);
    }

    void tooHighALimitIsLowered() {
        startProxy({1, "max_connections = 1000000\n", "", ""});
        CPPUNIT_ASSERT_EQUAL(200, get("/v2/").status);
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_max > 2'000'000) skipTest("there may be that many open files");
        assertContains(proxy().log(), "max_connections = 1000000 is lowered to ");
    }

    void slowHeadsEndWhenConfigured() {
        startProxy({1, "header_timeout = 1s\nkeepalive_timeout = 1d\n", "", ""});
        TestClient client(proxy().port());
        client.sendRaw("GET /v2/ HTTP/1.1\r\n");
        CPPUNIT_ASSERT_EQUAL(408, client.read().status);
    }

    // As many as there are descriptors for are served, the others when these have gone.
    void withoutDescriptorsConnectionsWait() {
        startProxy({1, "max_connections_per_client = off\n", "", ""});
        const pid_t worker = proxy().workers().at(0);
        const rlimit few{128, 128};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(worker, RLIMIT_NOFILE, &few, nullptr));
        std::vector<TestClient> clients;
        for (int i = 0; i < 200; ++i) {
            clients.emplace_back(proxy().port());
            clients.back().sendRaw(kPing);
        }
        await("a line on descriptors", [&] { return complaints() > 0; });
        const TestClient& last = clients.back();
        const double before = cpuSecondsOf(worker);
        CPPUNIT_ASSERT_MESSAGE("served without a descriptor", last.silentFor(milliseconds(1'000)));
        const double used = cpuSecondsOf(worker) - before;
        CPPUNIT_ASSERT_MESSAGE(cat("it spins: ms ", static_cast<int>(used * 1000)), used < 0.5);
        for (TestClient& client : clients) {
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
            client.leave();
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, complaints());
    }

private:
    // Until then an old worker may take one more connection.
    void reloadWith(const ProxySetup& setup) {
        const std::vector<pid_t> old = proxy().workers();
        proxy().configure(configuration(setup));
        proxy().reload();
        for (pid_t worker : old) await("end of an old worker", [=] { return isGone(worker); });
    }

    void startWithHeaders(const std::string& trusted) {
        startProxy({1, cat("listen = 127.0.0.1:0 proxy_protocol\ntrusted_proxies = ", trusted,
                           "\nadmin_listen = 127.0.0.1:0\n"), "", ""});
    }

    // Of the second address that is listened on.
    std::uint16_t headerPort() {
        const std::string log = proxy().log();
        const std::string mark = ", 127.0.0.1:";
        const std::size_t at = log.rfind(mark);
        CPPUNIT_ASSERT_MESSAGE(log, at != std::string::npos);
        return static_cast<std::uint16_t>(std::atoi(log.c_str() + at + mark.size()));
    }

    void awaitRefused(const std::string& reason, double count) {
        const std::string series =
            cat("ociproxy_connections_refused_total{reason=\"", reason, "\"}");
        await(series, [&] { return scrape(proxy()).at(series) == count; });
    }

    std::size_t complaints() {
        const std::string log = proxy().log();
        std::size_t found = 0;
        const std::string part = "cannot accept connections";
        for (std::size_t at = 0; (at = log.find(part, at)) != std::string::npos; ++at) ++found;
        return found;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DoorTest);

}  // namespace ociproxy::itest
