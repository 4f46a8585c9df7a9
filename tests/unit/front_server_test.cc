#include "ociproxy/front/server.h"

#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

// Keeps exchanges until the test replies. Outlives the server that fills it.
class Holder {
public:
    ScriptedApplication::Handler handler() {
        return [this](std::shared_ptr<Exchange> exchange) {
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                held_.push_back(std::move(exchange));
            }
            filled_.notify_all();
        };
    }
    // Waits until at least `count` are held.
    void wait(std::size_t count) {
        std::unique_lock<std::mutex> lock(mutex_);
        filled_.wait(lock, [&] { return held_.size() >= count; });
    }
    // Waits for one; the first that came.
    std::shared_ptr<Exchange> take() {
        wait(1);
        const std::lock_guard<std::mutex> lock(mutex_);
        std::shared_ptr<Exchange> first = held_.front();
        held_.erase(held_.begin());
        return first;
    }

private:
    std::mutex mutex_;
    std::condition_variable filled_;
    std::vector<std::shared_ptr<Exchange>> held_;
};

int statusOf(const std::string& reply) {
    return reply.size() > 12 ? std::atoi(reply.substr(9, 3).c_str()) : 0;
}

std::size_t countOf(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
    return found;
}

}  // namespace

class FrontServerTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontServerTest);
    CPPUNIT_TEST(servesAndTells);
    CPPUNIT_TEST(keepAliveServesSeveral);
    CPPUNIT_TEST(oldClientsChooseKeepAlive);
    CPPUNIT_TEST(headInPieces);
    CPPUNIT_TEST(pipelinedInOrder);
    CPPUNIT_TEST(thousandPipelined);
    CPPUNIT_TEST(pipelinedWaitForTheReply);
    CPPUNIT_TEST(case36_errorOnHeadHasNoBody);
    CPPUNIT_TEST(repliesFromOtherThreads);
    CPPUNIT_TEST(secondReplyIsIgnored);
    CPPUNIT_TEST(droppedExchangeIs500);
    CPPUNIT_TEST(invalidStatusIs500);
    CPPUNIT_TEST(replyMayClose);
    CPPUNIT_TEST(case197_lengthAndTransferEncoding);
    CPPUNIT_TEST(case198_differingLengths);
    CPPUNIT_TEST(bodyIsNeverARequest);
    CPPUNIT_TEST(chunkedBodyIsNeverARequest);
    CPPUNIT_TEST(expectationGetsTheFinalReply);
    CPPUNIT_TEST(connectEndsTheConnection);
    CPPUNIT_TEST(refusalsAreToldAndClosed);
    CPPUNIT_TEST(refusalOfHeadHasNoBody);
    CPPUNIT_TEST(senderInTheMiddleGetsIts400);
    CPPUNIT_TEST(halfClosedClientIsServed);
    CPPUNIT_TEST(halfAHeadIs400);
    CPPUNIT_TEST(idleClientThatLeavesIsNoticed);
    CPPUNIT_TEST(unixSocket);
    CPPUNIT_TEST(drainClosesIdleAndEndsOthers);
    CPPUNIT_TEST(drainAnswersWhatCame);
    CPPUNIT_TEST(retiringGivesIdleConnectionsOneMoreReply);
    CPPUNIT_TEST(whoComesWhileRetiringIsServedOrLeftToOthers);
    CPPUNIT_TEST(drainAfterRetiringClosesTheIdle);
    CPPUNIT_TEST(stopCutsAndTells);
    CPPUNIT_TEST(exchangesOutliveTheServer);
    CPPUNIT_TEST(stopAndLateReplyRace);
    CPPUNIT_TEST(startFailsOnBadListener);
    CPPUNIT_TEST(signalsStayWithTheMainThread);
    CPPUNIT_TEST(manyConnections);
    CPPUNIT_TEST(counts);
    CPPUNIT_TEST_SUITE_END();

public:
    void servesAndTells() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            CPPUNIT_ASSERT(exchange->request().peer.has_value());
            CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), exchange->request().peer->text());
            CPPUNIT_ASSERT(exchange->request().peerPort != 0);
            Reply reply = bytesReply("hello");
            reply.headers.add("X-Test", "yes");
            reply.cacheResult = "hit";
            reply.upstreamStatus = 207;
            exchange->reply(std::move(reply));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/a?b");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("yes"), reply.field("X-Test"));
        CPPUNIT_ASSERT(reply.headers.has("Date"));
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(finished.hasRequest && finished.complete);
        CPPUNIT_ASSERT_EQUAL(std::string("/a?b"), finished.target);
        CPPUNIT_ASSERT_EQUAL(200, finished.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(5), finished.bodyBytes);
        CPPUNIT_ASSERT_EQUAL(std::string("hit"), finished.cacheResult);
        CPPUNIT_ASSERT_EQUAL(207, finished.upstreamStatus);
        CPPUNIT_ASSERT(startsWith(finished.peer, "127.0.0.1:"));
    }

    void keepAliveServesSeveral() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        for (int i = 0; i < 20; ++i) {
            client.get(cat("/", i));
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(cat("GET /", i), reply.body);
            CPPUNIT_ASSERT(!reply.headers.has("Connection"));
        }
        client.send("GET /last HTTP/1.1\r\nHost: h\r\nConnection: foo, close\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), client.read().field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        front.application.waitFinished(21);
    }

    void oldClientsChooseKeepAlive() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("keep-alive"), client.read().field("Connection"));
        client.send("GET / HTTP/1.0\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), client.read().field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
    }

    void headInPieces() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        for (char c : std::string("\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n")) {
            client.send(std::string(1, c));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("GET /slow"), client.read().body);
    }

    void pipelinedInOrder() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n"
                    "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("GET /1"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("7"),
                             client.read(true).field("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("GET /3"), client.read().body);
        client.send("\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("GET /4"), client.read().body);
    }

    void thousandPipelined() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        std::string all;
        for (int i = 0; i < 1000; ++i) all += cat("GET /", i, " HTTP/1.1\r\nHost: h\r\n\r\n");
        std::thread feeder([&] { client.send(all); });
        bool ordered = true;
        for (int i = 0; i < 1000; ++i) ordered = client.read().body == cat("GET /", i) && ordered;
        feeder.join();
        CPPUNIT_ASSERT(ordered);
    }

    void pipelinedWaitForTheReply() {
        Holder holder;
        FrontFixture front;
        front.application.setHandler(holder.handler());
        front.start();
        FrontClient client = front.connect();
        client.get("/1");
        client.get("/2");
        holder.wait(1);
        // Another connection shows that the server had time for the second request.
        FrontClient other = front.connect();
        other.get("/other");
        holder.wait(2);
        CPPUNIT_ASSERT_EQUAL(std::string("GET /other"), front.application.handled()[1]);
        holder.take()->reply(bytesReply("one"));
        holder.take()->reply(bytesReply("other"));
        holder.take()->reply(bytesReply("two"));
        CPPUNIT_ASSERT_EQUAL(std::string("one"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("two"), client.read().body);
    }

    void case36_errorOnHeadHasNoBody() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            exchange->reply(bytesReply("not here", 404));
        });
        front.start();
        FrontClient client = front.connect();
        client.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
        const ClientReply reply = client.read(true);
        CPPUNIT_ASSERT_EQUAL(404, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("8"), reply.field("Content-Length"));
        client.get("/y");
        CPPUNIT_ASSERT_EQUAL(std::string("not here"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(0), front.application.waitFinished(1)[0].bodyBytes);
    }

    void repliesFromOtherThreads() {
        Holder holder;
        FrontFixture front;
        front.application.setHandler(holder.handler());
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        front.application.waitHandled(1);
        std::thread other([&] { holder.take()->reply(bytesReply("late")); });
        other.join();
        CPPUNIT_ASSERT_EQUAL(std::string("late"), client.read().body);
    }

    void secondReplyIsIgnored() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            exchange->reply(bytesReply("first"));
            exchange->reply(bytesReply("second"));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("first"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("first"), client.read().body);
    }

    void droppedExchangeIs500() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange>) {});
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(500, client.read().status);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT_EQUAL(500, finished.status);
        CPPUNIT_ASSERT(finished.hasRequest);
    }

    void invalidStatusIs500() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            exchange->reply(bytesReply("x", exchange->request().target == "/1" ? 101 : 1000));
        });
        front.start();
        CPPUNIT_ASSERT_EQUAL(500, statusOf(front.exchange("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")));
        CPPUNIT_ASSERT_EQUAL(500, statusOf(front.exchange("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")));
    }

    void replyMayClose() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            Reply reply = bytesReply("bye");
            reply.close = true;
            exchange->reply(std::move(reply));
        });
        front.start();
        const std::string all = front.exchange(
            "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "bye"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "Connection: close"));
    }

    void case197_lengthAndTransferEncoding() {
        FrontFixture front;
        front.start();
        const std::string all = front.exchange(
            "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(400, statusOf(all));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "HTTP/1.1 "));
        CPPUNIT_ASSERT(front.application.handled().empty());
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].hasRequest);
    }

    void case198_differingLengths() {
        FrontFixture front;
        front.start();
        for (const char* lines : {"Content-Length: 0\r\nContent-Length: 30\r\n",
                                  "Content-Length: +5\r\n", "Content-Length: 5, 6\r\n",
                                  "Content-Length: 0x5\r\n"}) {
            const std::string all = front.exchange(
                cat("GET /a HTTP/1.1\r\nHost: h\r\n", lines,
                    "\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"));
            CPPUNIT_ASSERT_EQUAL(400, statusOf(all));
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "HTTP/1.1 "));
        }
        CPPUNIT_ASSERT(front.application.handled().empty());
    }

    void bodyIsNeverARequest() {
        FrontFixture front;
        front.start();
        const std::string body = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        const std::string all = front.exchange(
            cat("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "HTTP/1.1 200"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "Connection: close"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), front.application.handled().size());
    }

    void chunkedBodyIsNeverARequest() {
        FrontFixture front;
        front.start();
        const std::string all = front.exchange(
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "HTTP/1.1 "));
        CPPUNIT_ASSERT_EQUAL(std::string("POST /a"), front.application.handled()[0]);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), front.application.handled().size());
    }

    void expectationGetsTheFinalReply() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                    "Expect: 100-continue\r\n\r\n");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT_EQUAL(
            417, statusOf(front.exchange("GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n")));
    }

    void connectEndsTheConnection() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            CPPUNIT_ASSERT(exchange->request().method == Method::kOther);
            exchange->reply(bytesReply("no", 405));
        });
        front.start();
        const std::string all = front.exchange(
            "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(405, statusOf(all));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "HTTP/1.1 "));
    }

    void refusalsAreToldAndClosed() {
        FrontFixture front;
        front.start();
        struct Case {
            std::string bytes;
            int status;
        };
        const std::vector<Case> cases{
            {"GET / HTTP/1.1\r\n\r\n", 400},
            {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
            {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
            {"\x16\x03\x01\x02\x00", 400},
            {"GET /" + std::string(17 * 1024, 'a'), 414},
            {"GET / HTTP/1.1\r\nX: " + std::string(129 * 1024, 'a'), 431},
            {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
            {"GET / HTTP/1.1\nHost: h\n\n", 400}};
        for (const Case& one : cases) {
            const std::string all = front.exchange(one.bytes);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(one.bytes.substr(0, 40), one.status, statusOf(all));
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, "Connection: close\r\n"));
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), countOf(all, cat("\r\n\r\n", one.status, " ")));
        }
        const std::vector<FinishedCopy> finished = front.application.waitFinished(cases.size());
        CPPUNIT_ASSERT_EQUAL(cases.size(), finished.size());
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CPPUNIT_ASSERT(!finished[i].hasRequest);
            CPPUNIT_ASSERT_EQUAL(cases[i].status, finished[i].status);
            CPPUNIT_ASSERT(finished[i].complete);
        }
        CPPUNIT_ASSERT(front.application.handled().empty());
    }

    void refusalOfHeadHasNoBody() {
        FrontFixture front;
        front.start();
        const std::string all = front.exchange("HEAD / HTTP/1.1\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(400, statusOf(all));
        CPPUNIT_ASSERT_EQUAL(all.size() - 4, all.find("\r\n\r\n"));
    }

    // The answer is not eaten by a reset although most of the bytes come after it.
    void senderInTheMiddleGetsIts400() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send("BAD\r\n");
        const std::string block(64 * 1024, 'x');
        for (int i = 0; i < 64; ++i) client.send(block);
        client.shutdownSend();
        CPPUNIT_ASSERT_EQUAL(400, statusOf(client.readToEnd()));
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void halfClosedClientIsServed() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.get("/1");
        client.get("/2");
        client.shutdownSend();
        CPPUNIT_ASSERT_EQUAL(std::string("GET /1"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("GET /2"), client.read().body);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
    }

    void halfAHeadIs400() {
        FrontFixture front;
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n");
        client.shutdownSend();
        CPPUNIT_ASSERT_EQUAL(400, client.read().status);
    }

    void idleClientThatLeavesIsNoticed() {
        FrontFixture front;
        front.start();
        FrontClient fresh = front.connect();
        FrontClient used = front.connect();
        used.get("/");
        used.read();
        FrontClient broken = front.connect();
        broken.get("/");
        broken.read();
        fresh.close();
        used.close();
        broken.reset();
        front.waitIdle();
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), front.application.waitFinished(2).size());
    }

    void unixSocket() {
        FrontFixture front;
        const std::string content = patternBytes(3'000'000);
        const std::shared_ptr<const Fd> file = memoryFile(content);
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            CPPUNIT_ASSERT(!exchange->request().peer);
            exchange->reply(fileReply(file, 0, content.size()));
        });
        front.start();
        FrontClient client = front.connectUnix();
        client.get("/");
        CPPUNIT_ASSERT(content == client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("unix:"), front.application.waitFinished(1)[0].peer);
    }

    void drainClosesIdleAndEndsOthers() {
        Holder holder;
        FrontFixture front;
        front.start();
        FrontClient idle = front.connect();
        idle.get("/");
        idle.read();
        front.application.setHandler(holder.handler());
        FrontClient busy = front.connect();
        busy.get("/busy");
        front.application.waitHandled(2);
        front.server().drain();
        CPPUNIT_ASSERT(idle.waitEnd() == FrontClient::End::kClosed);
        CPPUNIT_ASSERT(!front.server().idle());
        holder.take()->reply(bytesReply("done"));
        const ClientReply reply = busy.read();
        CPPUNIT_ASSERT_EQUAL(std::string("done"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(busy.waitEnd() == FrontClient::End::kClosed);
        busy.close();
        front.waitIdle();
    }

    // A client that had connected, or was in the middle of a head, loses nothing.
    void drainAnswersWhatCame() {
        FrontFixture front;
        front.start();
        FrontClient fresh = front.connect();
        FrontClient middle = front.connect();
        middle.send("GET /middle HTTP/1.1\r\n");
        FrontClient used = front.connect();
        used.get("/1");
        used.read();  // all three are accepted by now: the listener serves in order
        front.server().drain();
        CPPUNIT_ASSERT(used.waitEnd() == FrontClient::End::kClosed);
        fresh.get("/fresh");
        middle.send("Host: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("GET /fresh"), fresh.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("GET /middle"), middle.read().body);
        fresh.close();
        middle.close();
        front.waitIdle();
    }

    void retiringGivesIdleConnectionsOneMoreReply() {
        FrontFixture front;
        front.start();
        FrontClient idle = front.connect();
        idle.get("/1");
        idle.read();
        front.server().retire();
        idle.get("/2");
        const ClientReply reply = idle.read();
        CPPUNIT_ASSERT_EQUAL(std::string("GET /2"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(idle.waitEnd() == FrontClient::End::kClosed);
        idle.close();
        front.waitIdle();
    }

    // An acceptor that waits in the kernel may take one more: nobody is lost either way.
    void whoComesWhileRetiringIsServedOrLeftToOthers() {
        FrontFixture front;
        front.options.lingerTimeout = Millis{50};
        front.start();
        front.server().retire();
        std::vector<FrontClient> clients;
        for (unsigned i = 0; i < 4; ++i) {
            clients.push_back(front.connectUnix());
            clients.back().get("/late");
        }
        front.waitIdle();
        std::vector<Fd> left;  // for others; without any, accepting times out
        const int listener = front.options.listeners[1].socket;
        while (Fd taken = Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC))) {
            left.push_back(std::move(taken));
        }
        std::size_t served = 0;
        for (FrontClient& client : clients) {
            pollfd waiting{client.fd(), POLLIN, 0};
            if (::poll(&waiting, 1, 0) != 1) continue;
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(std::string("GET /late"), reply.body);
            CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
            ++served;
        }
        CPPUNIT_ASSERT_EQUAL(clients.size(), served + left.size());
    }

    void drainAfterRetiringClosesTheIdle() {
        FrontFixture front;
        front.start();
        FrontClient idle = front.connect();
        idle.get("/1");
        idle.read();
        front.server().retire();
        CPPUNIT_ASSERT(!front.server().idle());
        front.server().drain();
        CPPUNIT_ASSERT(idle.waitEnd() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void stopCutsAndTells() {
        Holder holder;
        FrontFixture front;
        front.application.setHandler(holder.handler());
        front.start();
        FrontClient waiting = front.connect();
        waiting.get("/waiting");
        FrontClient idle = front.connect();
        front.application.waitHandled(1);
        front.server().stop();
        const std::vector<FinishedCopy> finished = front.application.waitFinished(1);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), finished.size());
        CPPUNIT_ASSERT(!finished[0].complete);
        CPPUNIT_ASSERT_EQUAL(std::string("/waiting"), finished[0].target);
        CPPUNIT_ASSERT(front.server().idle());
        CPPUNIT_ASSERT_EQUAL(std::string(), waiting.readToEnd());
        idle.readToEnd();
    }

    void exchangesOutliveTheServer() {
        std::shared_ptr<Exchange> replied;
        std::shared_ptr<Exchange> dropped;
        {
            Holder holder;
            FrontFixture front;
            front.application.setHandler(holder.handler());
            front.start();
            FrontClient one = front.connect();
            FrontClient two = front.connect();
            one.get("/1");
            two.get("/2");
            front.application.waitHandled(2);
            holder.wait(2);
            replied = holder.take();
            dropped = holder.take();
            front.destroyServer();
            CPPUNIT_ASSERT_EQUAL(std::size_t(2), front.application.waitFinished(2).size());
        }
        replied->reply(bytesReply("to no effect"));
        CPPUNIT_ASSERT(!replied->request().target.empty());
        dropped.reset();
    }

    void stopAndLateReplyRace() {
        for (int round = 0; round < 10; ++round) {
            Holder holder;
            FrontFixture front;
            front.application.setHandler(holder.handler());
            front.start();
            std::vector<FrontClient> clients;
            for (int i = 0; i < 8; ++i) {
                clients.push_back(front.connect());
                clients.back().get("/");
            }
            front.application.waitHandled(8);
            holder.wait(8);
            std::thread replier([&] {
                for (int i = 0; i < 8; ++i) holder.take()->reply(bytesReply("late"));
            });
            front.server().stop();
            replier.join();
            CPPUNIT_ASSERT_EQUAL(std::size_t(8), front.application.waitFinished(8).size());
        }
    }

    void startFailsOnBadListener() {
        FrontFixture front;
        front.options.listeners.push_back(-1);
        CPPUNIT_ASSERT_THROW(front.start(), std::exception);
    }

    void signalsStayWithTheMainThread() {
        FrontFixture front;
        std::atomic<int> unblocked{-1};
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            sigset_t mask;
            pthread_sigmask(SIG_SETMASK, nullptr, &mask);
            unblocked = 0;
            for (int number : {SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGCHLD, SIGUSR1}) {
                if (sigismember(&mask, number) == 0) ++unblocked;
            }
            char name[16] = "";
            pthread_getname_np(pthread_self(), name, sizeof name);
            exchange->reply(bytesReply(name));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT(startsWith(client.read().body, "handler "));
        CPPUNIT_ASSERT_EQUAL(0, unblocked.load());
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        CPPUNIT_ASSERT_EQUAL(0, sigismember(&mask, SIGTERM));
    }

    void manyConnections() {
        FrontFixture front;
        front.start();
        std::vector<FrontClient> clients;
        for (int i = 0; i < 300; ++i) clients.push_back(front.connect());
        for (int round = 0; round < 3; ++round) {
            for (FrontClient& client : clients) client.get("/x");
            for (FrontClient& client : clients) {
                CPPUNIT_ASSERT_EQUAL(std::string("GET /x"), client.read().body);
            }
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t(900), front.application.waitFinished(900).size());
    }

    void counts() {
        SharedState shared{SharedState::Options()};
        FrontFixture front;
        front.options.counters = &shared.counters();
        front.start();
        FrontClient client = front.connect();
        client.get("/1");
        CPPUNIT_ASSERT_EQUAL(std::string("GET /1"), client.read().body);
        client.send("HEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n");
        client.read(true);
        client.send("BAD\r\n");
        const std::size_t refusal = client.read().body.size();
        front.application.waitFinished(3);
        const Counters& counters = shared.counters();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), counters.get(Counter::kConnections));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(2), counters.get(Counter::kRequests));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(1), counters.get(Counter::kBadRequests));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(6 + refusal), counters.get(Counter::kBytesSent));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontServerTest);

// All of it again through TLS.
class FrontServerTlsTest : public FrontServerTest {
    CPPUNIT_TEST_SUB_SUITE(FrontServerTlsTest, FrontServerTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontServerTlsTest);

}  // namespace ociproxy
