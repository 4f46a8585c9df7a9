// Who is let into the front, by whose word, and how the others are refused.
#include <cstdlib>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "front/proxy_header_reader.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

const std::string kRequest = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";
const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kLocal = kSignature + std::string("\x20\0\0\0", 4);
// 192.0.2.7:256 to 192.0.2.8:80.
const std::string kBinary = kSignature + std::string("\x21\x11\0\x0c", 4) +
                            std::string("\xc0\0\2\7\xc0\0\2\x8\1\0\0\x50", 12);

std::string line(const std::string& client) {
    return cat("PROXY TCP4 ", client, " 192.0.2.200 5000 80\r\n");
}

bool isReadable(int socket) {
    pollfd wanted{socket, POLLIN, 0};
    return ::poll(&wanted, 1, 0) == 1;
}

// A front with counters and a log that can be read.
class Door : public FrontFixture {
public:
    Door() : file_(::mkstemp(name_)), log_(name_, LogLevel::kInfo) {
        options.counters = &shared_.counters();
        options.log = &log_;
    }
    ~Door() {
        destroyServer();
        ::unlink(name_);
    }

    std::uint64_t counted(Counter counter) { return shared_.counters().get(counter); }
    std::string said() { return readAll(::dup(file_.get())); }

    void trust(const char* network) {
        options.trustedProxies.push_back(Network::parse(network).value());
    }
    void expectHeaders() {
        for (FrontServer::Listener& listener : options.listeners) listener.proxyHeader = true;
    }

    FrontClient connectFrom(const char* source) {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        const auto bytes = IpAddress::parse(source).value().bytes();
        std::copy(bytes.end() - 4, bytes.end(), reinterpret_cast<std::uint8_t*>(&address.sin_addr));
        const sockaddr* const any = reinterpret_cast<const sockaddr*>(&address);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(socket.get(), any, sizeof address));
        sockaddr_in server{};
        socklen_t size = sizeof server;
        ::getsockname(options.listeners[0].socket, reinterpret_cast<sockaddr*>(&server), &size);
        CPPUNIT_ASSERT_EQUAL(
            0, ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server), size));
        return FrontClient(std::move(socket));
    }

private:
    std::string readAll(int copy) {
        const Fd file(copy);
        std::string text(65536, '\0');
        text.resize(preadAll(file.get(), text.data(), text.size(), 0, "log"));
        return text;
    }

    char name_[32] = "/tmp/ociproxy-front-XXXXXX";
    Fd file_;
    Log log_;
    SharedState shared_{SharedState::Options{64, 16}};
};

void expectServed(FrontClient* client) {
    client->get("/x");
    CPPUNIT_ASSERT_EQUAL(200, client->read().status);
}

// A 503 in order, though nothing was asked.
void expectTurnedAway(FrontClient* client) {
    const ClientReply reply = client->read();
    CPPUNIT_ASSERT_EQUAL(503, reply.status);
    CPPUNIT_ASSERT(reply.whole);
    CPPUNIT_ASSERT_EQUAL(std::string("1"), reply.field("Retry-After"));
    CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
    return found;
}

}  // namespace

class FrontDoorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontDoorTest);
    CPPUNIT_TEST(oneClientHasItsLimit);
    CPPUNIT_TEST(unixSocketsHaveNoLimitOfTheirOwn);
    CPPUNIT_TEST(trustedProxiesHaveNoneEither);
    CPPUNIT_TEST(aFloodFromOneClientHurtsNobody);
    CPPUNIT_TEST(whoCannotBeRefusedWaits);
    CPPUNIT_TEST(headersNameTheClient);
    CPPUNIT_TEST(headersMayComeInPieces);
    CPPUNIT_TEST(headersWithoutAClientLeaveThePeer);
    CPPUNIT_TEST(headersCountForTheClientsLimit);
    CPPUNIT_TEST(onlyTheTrustedMayBringHeaders);
    CPPUNIT_TEST(everybodyMayThroughAUnixSocket);
    CPPUNIT_TEST(brokenHeadersGetNoAnswer);
    CPPUNIT_TEST(slowHeadersAreClosed);
    CPPUNIT_TEST(unfinishedHeadersAreClosed);
    CPPUNIT_TEST(theReaderTakesNothingElse);
    CPPUNIT_TEST(forwardedNamesTheClientOfARequest);
    CPPUNIT_TEST(forwardedOfStrangersIsNothing);
    CPPUNIT_TEST(forwardedThroughAUnixSocket);
    CPPUNIT_TEST_SUITE_END();

public:
    void oneClientHasItsLimit() {
        Door front;
        front.options.maxConnectionsPerClient = 2;
        front.start();
        FrontClient one = front.connect();
        FrontClient two = front.connect();
        expectServed(&one);
        expectServed(&two);
        FrontClient three = front.connect();
        three.send(kRequest);  // is not read as one
        expectTurnedAway(&three);
        CPPUNIT_ASSERT(three.waitEnd() == FrontClient::End::kClosed);
        FrontClient other = front.connectFrom("127.0.0.2");
        expectServed(&other);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, front.counted(Counter::kRefusedTooManyOfClient));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, front.counted(Counter::kRefusedTooMany));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, front.application.handled().size());
        for (FrontClient* client : {&one, &two, &three, &other}) client->close();
        front.waitIdle();
        FrontClient again = front.connect();
        expectServed(&again);
    }

    void unixSocketsHaveNoLimitOfTheirOwn() {
        Door front;
        front.options.maxConnectionsPerClient = 1;
        front.start();
        std::vector<FrontClient> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(front.connectUnix());
        for (FrontClient& client : clients) expectServed(&client);
    }

    void trustedProxiesHaveNoneEither() {
        Door front;
        front.trust("127.0.0.1");
        front.options.maxConnectionsPerClient = 1;
        front.start();
        std::vector<FrontClient> clients;
        for (int i = 0; i < 3; ++i) clients.push_back(front.connect());
        for (FrontClient& client : clients) expectServed(&client);
    }

    // More than can be waited for: each gets its answer, and the log one line.
    void aFloodFromOneClientHurtsNobody() {
        Door front;
        front.options.maxConnectionsPerClient = 1;
        front.options.maxConnections = 4;
        front.options.lingerTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient one = front.connect();
        expectServed(&one);
        std::vector<FrontClient> flood;
        for (int i = 0; i < 100; ++i) {
            flood.push_back(front.connect());
            expectTurnedAway(&flood.back());
        }
        FrontClient other = front.connectFrom("127.0.0.2");
        expectServed(&other);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, front.counted(Counter::kRefusedTooManyOfClient));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(front.said(), "max_connections_per_client"));
    }

    void whoCannotBeRefusedWaits() {
        Door front;
        front.options.maxConnections = 1;
        front.options.lingerTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient one = front.connect();
        expectServed(&one);
        std::vector<FrontClient> refused;
        for (int i = 0; i < 64; ++i) {
            refused.push_back(front.connect());
            expectTurnedAway(&refused.back());
        }
        FrontClient waiting = front.connect();
        waiting.send(kRequest);
        one.close();
        CPPUNIT_ASSERT_EQUAL(200, waiting.read().status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{64}, front.counted(Counter::kRefusedTooMany));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(front.said(), "max_connections already"));
    }

    void headersNameTheClient() {
        for (const auto& [header, peer] :
             {std::pair<std::string, std::string>{line("192.0.2.1"), "192.0.2.1:5000"},
              {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1"},
              {kBinary, "192.0.2.7:256"}}) {
            Door front;
            front.trust("127.0.0.0/8");
            front.expectHeaders();
            std::optional<IpAddress> seen;
            front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
                seen = exchange->request().peer;
                exchange->reply(bytesReply("ok"));
            });
            front.start();
            FrontClient client = front.connect();
            client.send(header + kRequest + kRequest);
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
            CPPUNIT_ASSERT_EQUAL(peer, front.application.waitFinished(2)[1].peer);
            CPPUNIT_ASSERT(startsWith(peer, seen->text()) || startsWith(peer, "[" + seen->text()));
        }
    }

    void headersMayComeInPieces() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.start();
        for (const std::string& header : {line("192.0.2.1"), kBinary}) {
            FrontClient client = front.connect();
            for (char c : header + kRequest) client.send(std::string(1, c));
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        }
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.7:256"),
                             front.application.waitFinished(2)[1].peer);
    }

    void headersWithoutAClientLeaveThePeer() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.start();
        for (const std::string& header : {kLocal, std::string("PROXY UNKNOWN\r\n")}) {
            FrontClient client = front.connect();
            client.send(header);
            expectServed(&client);
            // The proxy speaks for itself here: what it passes on from others is their word.
            client.send("GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        }
        for (const FinishedCopy& finished : front.application.waitFinished(4)) {
            CPPUNIT_ASSERT_MESSAGE(finished.peer, startsWith(finished.peer, "127.0.0.1:"));
        }
    }

    void headersCountForTheClientsLimit() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.options.maxConnectionsPerClient = 1;
        front.start();
        FrontClient one = front.connect();
        one.send(line("192.0.2.1"));
        expectServed(&one);
        FrontClient other = front.connect();
        other.send(line("192.0.2.2"));
        expectServed(&other);
        for (int i = 0; i < 70; ++i) {  // more than can be waited for
            FrontClient again = front.connect();
            again.send(line("192.0.2.1"));
            expectTurnedAway(&again);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{70}, front.counted(Counter::kRefusedTooManyOfClient));
        one.close();
        other.close();
        front.waitIdle();
        FrontClient again = front.connect();
        again.send(line("192.0.2.1"));
        expectServed(&again);
    }

    void onlyTheTrustedMayBringHeaders() {
        Door front;
        front.trust("127.0.0.2");
        front.expectHeaders();
        front.start();
        for (int i = 0; i < 3; ++i) {
            FrontClient stranger = front.connect();
            stranger.trySend(line("192.0.2.1") + kRequest);
            CPPUNIT_ASSERT_EQUAL(std::string(), stranger.readToEnd());
        }
        FrontClient proxy = front.connectFrom("127.0.0.2");
        proxy.send(line("192.0.2.1"));
        expectServed(&proxy);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, front.counted(Counter::kRefusedUntrusted));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, front.application.handled().size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(front.said(), "not one of trusted_proxies"));
    }

    void everybodyMayThroughAUnixSocket() {
        Door front;
        front.expectHeaders();
        front.start();
        FrontClient client = front.connectUnix();
        client.send(line("192.0.2.1"));
        expectServed(&client);
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:5000"),
                             front.application.waitFinished(1)[0].peer);
    }

    void brokenHeadersGetNoAnswer() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.start();
        const std::vector<std::string> broken{kRequest, line("192.0.2.256") + kRequest,
                                              kSignature + "\x31" + kRequest, "\x16\x03\x01"};
        for (const std::string& bytes : broken) {
            FrontClient client = front.connect();
            client.send(bytes);
            CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        }
        front.waitIdle();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{broken.size()},
                             front.counted(Counter::kRefusedProxyHeader));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(front.said(), "valid PROXY header"));
        CPPUNIT_ASSERT(front.application.handled().empty());
    }

    void slowHeadersAreClosed() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.options.headerTimeout = Millis(100);
        front.options.keepAliveTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient silent = front.connect();
        FrontClient halting = front.connect();
        halting.send("PROXY TCP4 192");
        CPPUNIT_ASSERT(silent.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT(halting.waitEnd() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void unfinishedHeadersAreClosed() {
        Door front;
        front.trust("127.0.0.1");
        front.expectHeaders();
        front.options.headerTimeout = 2 * kFrontPatience;
        front.start();
        FrontClient client = front.connect();
        client.send("PROXY TCP4 192");
        client.shutdownSend();
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void theReaderTakesNothingElse() {
        for (const std::string& header : {line("192.0.2.1"), kBinary, kLocal}) {
            int pair[2];
            CPPUNIT_ASSERT_EQUAL(
                0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
            const Fd writer(pair[0]);
            const Fd socket(pair[1]);
            ProxyHeaderReader reader;
            CPPUNIT_ASSERT(reader.read(socket.get()) == ProxyHeaderReader::Status::kIncomplete);
            const std::string start = header.substr(0, header.size() - 1);
            for (char c : start) {
                CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(writer.get(), &c, 1, 0));
                CPPUNIT_ASSERT(reader.read(socket.get()) ==
                               ProxyHeaderReader::Status::kIncomplete);
                CPPUNIT_ASSERT(!isReadable(socket.get()));
            }
            const std::string rest = header.back() + std::string("\x16\x03\x01 hello");
            ::send(writer.get(), rest.data(), rest.size(), 0);
            CPPUNIT_ASSERT(reader.read(socket.get()) == ProxyHeaderReader::Status::kComplete);
            char left[64];
            const ssize_t got = ::recv(socket.get(), left, sizeof left, 0);
            CPPUNIT_ASSERT_EQUAL(rest.substr(1), std::string(left, static_cast<std::size_t>(got)));
        }
    }

    // Only of that request: the next one on the connection may be another client's.
    void forwardedNamesTheClientOfARequest() {
        Door front;
        front.trust("127.0.0.1");
        front.trust("10.0.0.0/8");
        front.start();
        FrontClient client = front.connect();
        for (const char* field : {"X-Forwarded-For: 192.0.2.1, 192.0.2.2, 10.0.0.1\r\n",
                                  "Forwarded: for=\"[2001:db8::1]:9\"\r\n", ""}) {
            client.send(cat("GET /x HTTP/1.1\r\nHost: h\r\n", field, "\r\n"));
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
        }
        const std::vector<FinishedCopy> finished = front.application.waitFinished(3);
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.2"), finished[0].peer);
        CPPUNIT_ASSERT_EQUAL(std::string("[2001:db8::1]:9"), finished[1].peer);
        CPPUNIT_ASSERT_MESSAGE(finished[2].peer, startsWith(finished[2].peer, "127.0.0.1:"));
    }

    void forwardedOfStrangersIsNothing() {
        for (const char* trusted : {"", "127.0.0.2"}) {
            Door front;
            if (*trusted) front.trust(trusted);
            front.start();
            FrontClient client = front.connect();
            client.send("GET /x HTTP/1.1\r\nHost: h\r\nForwarded: for=192.0.2.1\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
            const std::string peer = front.application.waitFinished(1)[0].peer;
            CPPUNIT_ASSERT_MESSAGE(peer, startsWith(peer, "127.0.0.1:"));
        }
    }

    void forwardedThroughAUnixSocket() {
        for (const char* trusted : {"", "127.0.0.2"}) {
            Door front;
            if (*trusted) front.trust(trusted);
            front.start();
            FrontClient client = front.connectUnix();
            client.send("GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(200, client.read().status);
            CPPUNIT_ASSERT_EQUAL(std::string(*trusted ? "192.0.2.1" : "unix:"),
                                 front.application.waitFinished(1)[0].peer);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontDoorTest);

}  // namespace ociproxy
