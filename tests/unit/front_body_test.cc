// Request bodies, read by an application that echoes them.
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

using Status = RequestBody::Status;

const char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

Reply replyTo(Status end, std::string body) {
    switch (end) {
        case Status::kEnd: return bytesReply(std::move(body));
        case Status::kMalformed: return bytesReply("malformed", 400);
        case Status::kIncomplete: return bytesReply("incomplete", 400);
        case Status::kTooSlow: return bytesReply("too slow", 408);
        case Status::kClosed:
        case Status::kData: break;
    }
    return bytesReply("closed", 503);
}

// A server whose application works on each request on a thread of its own.
class ThreadedServer {
public:
    ~ThreadedServer() { stop(); }

    void start(std::function<void(Exchange&)> work) {
        front.application.setHandler([this, work](std::shared_ptr<Exchange> exchange) {
            const std::lock_guard<std::mutex> lock(mutex_);
            threads_.emplace_back([work, exchange = std::move(exchange)] { work(*exchange); });
        });
        front.start();
    }
    // The server first, which ends whoever still reads.
    void stop() {
        front.destroyServer();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    FrontFixture front;

private:
    std::mutex mutex_;
    std::vector<std::thread> threads_;
};

// Bodies are read in pieces of at most `piece` bytes and given back; 413 for those that are
// longer than `limit`.
class EchoServer : public ThreadedServer {
public:
    ~EchoServer() { stop(); }

    void start() {
        ThreadedServer::start([this](Exchange& exchange) { echo(exchange); });
    }

    std::size_t piece = 64 * 1024;
    std::size_t limit = 16 * 1024 * 1024;

private:
    void echo(Exchange& exchange) {
        RequestBody* const body = exchange.body();
        CPPUNIT_ASSERT_EQUAL(exchange.request().hasBody, body != nullptr);
        if (!body) return exchange.reply(bytesReply(exchange.request().methodText));
        if (body->length().value_or(0) > limit) return exchange.reply(bytesReply("", 413));
        std::string text;
        std::vector<char> buffer(piece);
        for (;;) {
            const RequestBody::Read read = body->read(buffer.data(), buffer.size());
            CPPUNIT_ASSERT_EQUAL(read.status == Status::kData, read.size > 0);
            CPPUNIT_ASSERT(read.size <= buffer.size());
            if (read.status != Status::kData) {
                CPPUNIT_ASSERT(body->read(buffer.data(), 1).status == read.status);
                return exchange.reply(replyTo(read.status, std::move(text)));
            }
            text.append(buffer.data(), read.size);
            if (text.size() > limit) return exchange.reply(bytesReply("", 413));
        }
    }
};

std::string head(const std::string& lines, int minorVersion = 1) {
    return cat("PUT /a HTTP/1.", minorVersion, "\r\nHost: h\r\n", lines, "\r\n");
}

std::string counted(const std::string& body, const std::string& lines = {}) {
    return head(cat("Content-Length: ", body.size(), "\r\n", lines)) + body;
}

std::string hex(std::size_t number) {
    std::string out;
    for (; number > 0 || out.empty(); number /= 16) {
        out.insert(0, 1, "0123456789abcdef"[number % 16]);
    }
    return out;
}

// Chunks of 1, 2, 4 ... bytes.
std::string chunked(const std::string& body) {
    std::string out = head("Transfer-Encoding: chunked\r\n");
    std::size_t size = 1;
    for (std::size_t at = 0; at < body.size(); at += size, size *= 2) {
        const std::string chunk = body.substr(at, size);
        out += cat(hex(chunk.size()), ";x=\"y\"\r\n", chunk, "\r\n");
        if (chunk.size() < size) break;
    }
    return out + "0\r\nTrailer: t\r\n\r\n";
}

const char kNext[] = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace

class FrontBodyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontBodyTest);
    CPPUNIT_TEST(bodiesOfKnownLength);
    CPPUNIT_TEST(chunkedBodies);
    CPPUNIT_TEST(bodiesInSingleBytes);
    CPPUNIT_TEST(bodiesReadInSingleBytes);
    CPPUNIT_TEST(pipelinedBodies);
    CPPUNIT_TEST(emptyBodies);
    CPPUNIT_TEST(oldClients);
    CPPUNIT_TEST(expectationIsMet);
    CPPUNIT_TEST(continueIsNotSentForNothing);
    CPPUNIT_TEST(refusedBeforeReading);
    CPPUNIT_TEST(tooLongInChunks);
    CPPUNIT_TEST(case202_badChunks);
    CPPUNIT_TEST(cutBodies);
    CPPUNIT_TEST(clientThatResets);
    CPPUNIT_TEST(silentClientIs408);
    CPPUNIT_TEST(slowClientIs408);
    CPPUNIT_TEST(unreadRestClosesTheConnection);
    CPPUNIT_TEST(readAfterTheReplyIsClosed);
    CPPUNIT_TEST(stopEndsReaders);
    CPPUNIT_TEST(stopRacesWithTheLastBytes);
    CPPUNIT_TEST_SUITE_END();

public:
    void bodiesOfKnownLength() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        for (const std::size_t size : {1, 2, 1000, 65'536, 1'000'001}) {
            const std::string body = patternBytes(size);
            assertEchoed(&client, counted(body), body);
            assertEchoed(&client, counted(body) + kNext, body);
            assertNext(&client);
        }
    }

    void chunkedBodies() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        for (const std::size_t size : {1, 2, 1000, 65'536, 1'000'001}) {
            const std::string body = patternBytes(size);
            assertEchoed(&client, chunked(body), body);
            assertEchoed(&client, chunked(body) + kNext, body);
            assertNext(&client);
        }
    }

    void bodiesInSingleBytes() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        const std::string body = "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n";
        for (const std::string& request : {counted(body), chunked(body)}) {
            for (char c : request + kNext) client.send(std::string(1, c));
            CPPUNIT_ASSERT_EQUAL(body, client.read().body);
            assertNext(&client);
        }
    }

    void bodiesReadInSingleBytes() {
        EchoServer echo;
        echo.piece = 1;
        echo.start();
        FrontClient client = echo.front.connect();
        const std::string body = patternBytes(3000);
        for (const std::string& request : {counted(body), chunked(body)}) {
            assertEchoed(&client, request + kNext, body);
            assertNext(&client);
        }
    }

    void pipelinedBodies() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        std::string all;
        for (int i = 0; i < 100; ++i) {
            all += i % 2 ? counted(cat("body ", i)) : chunked(cat("body ", i));
        }
        client.send(all);
        for (int i = 0; i < 100; ++i) {
            CPPUNIT_ASSERT_EQUAL(cat("body ", i), client.read().body);
        }
    }

    void emptyBodies() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        client.send(counted("") + chunked("") + kNext);
        CPPUNIT_ASSERT_EQUAL(std::string("PUT"), client.read().body);  // no body at all
        CPPUNIT_ASSERT_EQUAL(std::string(), client.read().body);
        assertNext(&client);
    }

    void oldClients() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        client.send(head("Content-Length: 5\r\nConnection: keep-alive\r\n", 0) + "hello" + kNext);
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("keep-alive"), reply.field("Connection"));
        assertNext(&client);
    }

    void expectationIsMet() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        for (const char* framing : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
            client.send(head(cat(framing, "Expect: 100-continue\r\n")));
            CPPUNIT_ASSERT_EQUAL(std::string(kContinue), client.readBytes(sizeof kContinue - 1));
            client.send(framing[0] == 'C' ? "hello" : "5\r\nhello\r\n0\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), client.read().body);
        }
    }

    // read() of the client takes any reply for the final one.
    void continueIsNotSentForNothing() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        const std::string expect = "Expect: 100-continue\r\n";
        assertEchoed(&client, counted("sent already", expect), "sent already");
        assertEchoed(&client, "GET /a HTTP/1.1\r\nHost: h\r\n" + expect + "\r\n", "GET");
        client.send(head("Content-Length: 5\r\nConnection: keep-alive\r\n" + expect, 0));
        echo.front.application.waitHandled(3);
        client.send("hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), client.read().body);
    }

    // The final reply only, and it arrives although the client goes on sending.
    void refusedBeforeReading() {
        EchoServer echo;
        echo.limit = 1000;
        echo.start();
        FrontClient polite = echo.front.connect();
        polite.send(head("Content-Length: 1001\r\nExpect: 100-continue\r\n"));
        assertLast(&polite, 413);
        FrontClient hasty = echo.front.connect();
        hasty.send(counted(patternBytes(4'000'000)) + kNext);
        assertLast(&hasty, 413);
    }

    void tooLongInChunks() {
        EchoServer echo;
        echo.limit = 1000;
        echo.start();
        FrontClient client = echo.front.connect();
        client.send(chunked(patternBytes(2'000'000)) + kNext);
        assertLast(&client, 413);
    }

    void case202_badChunks() {
        EchoServer echo;
        echo.start();
        std::size_t handled = 0;
        for (const char* chunks :
             {"FFFFFFFFFFFFFFFFF\r\n", "-1\r\n", "+5\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "\r\n",
              "5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n",
              "5;\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n",
              "5;a\nb\r\nhello\r\n0\r\n\r\n", "5\r\nhelloGET /smuggled HTTP/1.1\r\n",
              "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", "5\r\nhello\r\n0\n\r\n"}) {
            FrontClient client = echo.front.connect();
            client.send(cat(head("Transfer-Encoding: chunked\r\n"), chunks, kNext));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(chunks, std::string("malformed"),
                                         assertLast(&client, 400));
            ++handled;
        }
        CPPUNIT_ASSERT_EQUAL(handled, echo.front.application.handled().size());
    }

    void cutBodies() {
        EchoServer echo;
        echo.start();
        for (const std::string& request :
             {counted("hello"), chunked("hello"), chunked("a longer one")}) {
            for (const std::size_t missing : {1, 2, 4}) {
                FrontClient client = echo.front.connect();
                client.send(request.substr(0, request.size() - missing));
                client.shutdownSend();
                CPPUNIT_ASSERT_EQUAL(std::string("incomplete"), assertLast(&client, 400));
            }
        }
    }

    void clientThatResets() {
        EchoServer echo;
        echo.start();
        FrontClient client = echo.front.connect();
        client.send(head("Content-Length: 5\r\n") + "hel");
        echo.front.application.waitHandled(1);
        client.reset();
        CPPUNIT_ASSERT(!echo.front.application.waitFinished(1)[0].complete);
        echo.front.waitIdle();
    }

    void silentClientIs408() {
        EchoServer echo;
        echo.front.options.bodyTimeout = Millis(50);
        echo.front.options.minRateWindow = kFrontPatience * 2;
        echo.start();
        for (const char* framing : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
            FrontClient client = echo.front.connect();
            client.send(head(framing) + "3");
            CPPUNIT_ASSERT_EQUAL(std::string("too slow"), assertLast(&client, 408));
        }
    }

    void slowClientIs408() {
        EchoServer echo;
        echo.front.options.bodyTimeout = kFrontPatience * 2;
        echo.front.options.minRateWindow = Millis(50);
        echo.start();
        FrontClient client = echo.front.connect();
        client.send(head("Content-Length: 1000000\r\n") + patternBytes(10));
        CPPUNIT_ASSERT_EQUAL(std::string("too slow"), assertLast(&client, 408));
    }

    void unreadRestClosesTheConnection() {
        for (const std::string& request : {counted("hello"), chunked("hello")}) {
            ThreadedServer server;
            server.start([](Exchange& exchange) {
                char byte = 0;
                CPPUNIT_ASSERT(exchange.body()->read(&byte, 1).status == Status::kData);
                exchange.reply(bytesReply(std::string(1, byte)));
            });
            FrontClient client = server.front.connect();
            client.send(request + kNext);
            CPPUNIT_ASSERT_EQUAL(std::string("h"), assertLast(&client, 200));
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), server.front.application.handled().size());
        }
    }

    void readAfterTheReplyIsClosed() {
        std::promise<Status> seen;
        ThreadedServer server;
        server.start([&seen](Exchange& exchange) {
            exchange.reply(bytesReply("done"));
            char byte = 0;
            seen.set_value(exchange.body()->read(&byte, 1).status);
        });
        FrontClient client = server.front.connect();
        client.send(counted("hello"));
        assertLast(&client, 200);
        CPPUNIT_ASSERT(seen.get_future().get() == Status::kClosed);
    }

    // Whoever waits for bytes that never come is woken, and the socket stays until he left.
    void stopEndsReaders() {
        constexpr std::size_t kReaders = 20;
        std::atomic<std::size_t> closed{0};
        ThreadedServer server;
        server.start([&closed](Exchange& exchange) {
            char buffer[100];
            RequestBody::Read read{Status::kData, 0};
            while (read.status == Status::kData) {
                read = exchange.body()->read(buffer, sizeof buffer);
            }
            if (read.status == Status::kClosed) ++closed;
            exchange.reply(bytesReply("too late"));
        });
        std::vector<FrontClient> clients;
        for (std::size_t i = 0; i < kReaders; ++i) {
            clients.push_back(server.front.connect());
            clients.back().send(head("Content-Length: 5\r\n") + "h");
        }
        server.front.application.waitHandled(kReaders);
        server.stop();
        CPPUNIT_ASSERT_EQUAL(kReaders, closed.load());
    }

    // Whatever comes first: a reply is whole or not there.
    void stopRacesWithTheLastBytes() {
        for (int round = 0; round < 4; ++round) {
            EchoServer echo;
            echo.start();
            std::vector<FrontClient> clients;
            for (int i = 0; i < 20; ++i) {
                clients.push_back(echo.front.connect());
                clients.back().send(head("Content-Length: 5\r\n") + "hell");
            }
            echo.front.application.waitHandled(clients.size());
            std::thread sender([&clients] {
                for (FrontClient& client : clients) client.trySend("o");
            });
            echo.stop();
            sender.join();
            for (FrontClient& client : clients) {
                const ClientReply reply = client.read();
                CPPUNIT_ASSERT(!reply.whole || reply.body == "hello");
            }
        }
    }

private:
    static void assertEchoed(FrontClient* client, const std::string& request,
                             const std::string& body) {
        client->send(request);
        const ClientReply reply = client->read();
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT(body == reply.body);
    }
    static void assertNext(FrontClient* client) {
        CPPUNIT_ASSERT_EQUAL(std::string("GET"), client->read().body);
    }
    // A reply that closes, in order; its body.
    static std::string assertLast(FrontClient* client, int status) {
        const ClientReply reply = client->read();
        CPPUNIT_ASSERT_EQUAL(status, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        client->shutdownSend();
        CPPUNIT_ASSERT(client->waitEnd() == FrontClient::End::kClosed);
        return reply.body;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontBodyTest);

// All of it again through TLS.
class FrontBodyTlsTest : public FrontBodyTest {
    CPPUNIT_TEST_SUB_SUITE(FrontBodyTlsTest, FrontBodyTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontBodyTlsTest);

}  // namespace ociproxy
