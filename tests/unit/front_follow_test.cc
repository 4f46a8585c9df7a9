#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "support/front_fixture.h"

namespace ociproxy {
namespace {

Reply followReply(std::shared_ptr<GrowingBody> body, std::uint64_t offset = 0,
                  std::optional<std::uint64_t> size = std::nullopt) {
    Reply reply;
    reply.body = FollowBody{std::move(body), offset, size};
    return reply;
}

// Every request follows the one body.
void serveBody(FrontFixture* front, std::shared_ptr<GrowingBody> body, std::uint64_t offset = 0,
               std::optional<std::uint64_t> size = std::nullopt) {
    front->application.setHandler([=](std::shared_ptr<Exchange> exchange) {
        exchange->reply(followReply(body, offset, size));
    });
}

}  // namespace

class FrontFollowTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontFollowTest);
    CPPUNIT_TEST(headComesBeforeTheBytes);
    CPPUNIT_TEST(bytesComeAsTheyGrow);
    CPPUNIT_TEST(holdBackIsObserved);
    CPPUNIT_TEST(unknownLengthIsChunked);
    CPPUNIT_TEST(emptyChunkedBody);
    CPPUNIT_TEST(oldClientWaitsForTheLength);
    CPPUNIT_TEST(oldClientWaitsForTheEnd);
    CPPUNIT_TEST(oldClientOfABrokenBodyIsCut);
    CPPUNIT_TEST(brokenBodyResets);
    CPPUNIT_TEST(brokenChunkedBodyHasNoLastChunk);
    CPPUNIT_TEST(shorterThanPromisedResets);
    CPPUNIT_TEST(fileShorterThanReadableResets);
    CPPUNIT_TEST(rangeOfAGrowingBody);
    CPPUNIT_TEST(openRangeOfAGrowingBody);
    CPPUNIT_TEST(headRequestDoesNotFollow);
    CPPUNIT_TEST(twoHundredParkedWithOneSender);
    CPPUNIT_TEST(parkedClientThatResetsIsNoticed);
    CPPUNIT_TEST(parkedIsNotAStall);
    CPPUNIT_TEST(connectionLivesOnAfterwards);
    CPPUNIT_TEST(wakesRaceWithParking);
    CPPUNIT_TEST(stopWhileParkedAndWoken);
    CPPUNIT_TEST_SUITE_END();

public:
    void headComesBeforeTheBytes() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(5);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("5"), client.readHead().field("Content-Length"));
        body->append("hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), client.readBytes(5));
        body->waitUnwatched();
    }

    void bytesComeAsTheyGrow() {
        FrontFixture front;
        const std::string content = patternBytes(3'000'000);
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(content.size());
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        std::string got;
        for (std::size_t at = 0; at < content.size(); at += 300'000) {
            body->append(content.substr(at, 300'000));
            got += client.readBytes(300'000);  // these very bytes, before there are more
        }
        CPPUNIT_ASSERT(content == got);
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(finished.complete);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()), finished.bodyBytes);
    }

    // Bytes that are in the file but not yet readable are not sent.
    void holdBackIsObserved() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(10);
        body->append("0123456789");
        body->promise(4);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT_EQUAL(std::string("0123"), client.readBytes(4));
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(4), front.application.waitFinished(1)[0].bodyBytes);
    }

    void unknownLengthIsChunked() {
        FrontFixture front;
        const std::string content = patternBytes(2'500'000);
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        body->append(content.substr(0, 10));
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        ClientReply reply = client.readHead();
        std::thread filler([&] {
            for (std::size_t at = 10; at < content.size(); at += 400'000) {
                body->append(content.substr(at, 400'000));
            }
            body->complete();
        });
        client.readRest(&reply);
        filler.join();
        CPPUNIT_ASSERT_EQUAL(std::string("chunked"), reply.field("Transfer-Encoding"));
        CPPUNIT_ASSERT(!reply.headers.has("Content-Length"));
        CPPUNIT_ASSERT(reply.whole);
        CPPUNIT_ASSERT(content == reply.body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()),
                             front.application.waitFinished(1)[0].bodyBytes);
    }

    void emptyChunkedBody() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        body->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("0\r\n\r\n"), client.readBytes(5));
    }

    void oldClientWaitsForTheLength() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        body->append("01234");
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        front.application.waitHandled(1);
        body->announce(10);
        CPPUNIT_ASSERT_EQUAL(std::string("10"), client.readHead().field("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("01234"), client.readBytes(5));
        body->append("56789");
        CPPUNIT_ASSERT_EQUAL(std::string("56789"), client.readBytes(6));
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kClosed);
    }

    void oldClientWaitsForTheEnd() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        serveBody(&front, body, 2);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        body->append("01234");
        front.application.waitHandled(1);
        body->complete();
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(std::string("234"), reply.body);
    }

    void oldClientOfABrokenBodyIsCut() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        body->append("01234");
        front.application.waitHandled(1);
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void brokenBodyResets() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(10);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        body->append("01234");
        CPPUNIT_ASSERT_EQUAL(std::string("01234"), client.readBytes(5));
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(!finished.complete);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(5), finished.bodyBytes);
        body->waitUnwatched();
        front.waitIdle();
    }

    void brokenChunkedBodyHasNoLastChunk() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        body->append("01234");
        CPPUNIT_ASSERT_EQUAL(std::string("5\r\n01234\r\n"), client.readBytes(10));
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void shorterThanPromisedResets() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(10);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        body->append("01234");
        CPPUNIT_ASSERT_EQUAL(std::string("01234"), client.readBytes(5));
        body->complete();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].complete);
    }

    void fileShorterThanReadableResets() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(10);
        body->append("01234");
        body->promise(10);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT(!client.read().whole);
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void rangeOfAGrowingBody() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        serveBody(&front, body, 3, 4);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("4"), client.readHead().field("Content-Length"));
        body->append("01");  // before the range: nothing to send
        body->append("2345");
        CPPUNIT_ASSERT_EQUAL(std::string("345"), client.readBytes(3));
        body->append("6789");
        CPPUNIT_ASSERT_EQUAL(std::string("6"), client.readBytes(1));
        // Complete although the body still grows.
        CPPUNIT_ASSERT(front.application.waitFinished(1)[0].complete);
        body->waitUnwatched();
    }

    void openRangeOfAGrowingBody() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(8);
        body->append("0123");
        serveBody(&front, body, 6);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("2"), client.readHead().field("Content-Length"));
        body->append("4567");
        CPPUNIT_ASSERT_EQUAL(std::string("67"), client.readBytes(2));
    }

    void headRequestDoesNotFollow() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(8);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("8"), client.read(true).field("Content-Length"));
        CPPUNIT_ASSERT(front.application.waitFinished(1)[0].complete);
        CPPUNIT_ASSERT(!body->hasWake());
    }

    void twoHundredParkedWithOneSender() {
        FrontFixture front;  // one sender
        const std::string content = patternBytes(500'000);
        const std::shared_ptr<TestBody> shared = std::make_shared<TestBody>(content.size());
        TestCrowd crowd(shared);
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            if (exchange->request().target == "/hit") {
                exchange->reply(bytesReply("hit"));
            } else {
                exchange->reply(followReply(crowd.join()));
            }
        });
        front.start();
        std::vector<FrontClient> clients;
        for (int i = 0; i < 200; ++i) {
            clients.push_back(front.connect());
            clients.back().get("/follow");
        }
        for (FrontClient& client : clients) client.readHead();
        FrontClient other = front.connect();
        other.get("/hit");
        CPPUNIT_ASSERT_EQUAL(std::string("hit"), other.read().body);
        shared->append(content.substr(0, 200'000));
        crowd.wakeAll();
        for (FrontClient& client : clients) {
            CPPUNIT_ASSERT(content.substr(0, 200'000) == client.readBytes(200'000));
        }
        other.get("/hit");
        CPPUNIT_ASSERT_EQUAL(std::string("hit"), other.read().body);
        shared->append(content.substr(200'000));
        shared->complete();
        crowd.wakeAll();
        for (FrontClient& client : clients) {
            CPPUNIT_ASSERT(content.substr(200'000) == client.readBytes(300'000));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t(202), front.application.waitFinished(202).size());
    }

    void parkedClientThatResetsIsNoticed() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(8);
        serveBody(&front, body);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        client.reset();
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].complete);
        body->waitUnwatched();
        front.waitIdle();
    }

    // Others are cut for stalling, one after the other; the parked one never is.
    void parkedIsNotAStall() {
        FrontFixture front;
        front.options.writeStall = Millis(30);
        front.options.minRateWindow = Millis(30);
        const std::string content = patternBytes(32 * 1024 * 1024);
        const std::shared_ptr<const Fd> file = memoryFile(content);
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(5);
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            const bool follow = exchange->request().target == "/follow";
            exchange->reply(follow ? followReply(body) : fileReply(file, 0, content.size()));
        });
        front.start();
        FrontClient parked = front.connect();
        parked.get("/follow");
        parked.readHead();
        for (std::size_t i = 1; i <= 3; ++i) {
            FrontClient slow = front.connect(4096);
            slow.get("/file");
            CPPUNIT_ASSERT(!front.application.waitFinished(i)[i - 1].complete);
        }
        body->append("hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), parked.readBytes(5));
        CPPUNIT_ASSERT(front.application.waitFinished(4)[3].complete);
    }

    void connectionLivesOnAfterwards() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            const bool follow = exchange->request().target == "/follow";
            exchange->reply(follow ? followReply(body) : bytesReply("next"));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/follow");
        client.get("/next");
        client.readHead();
        body->append("x");
        body->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("1\r\nx\r\n"), client.readBytes(6));
        CPPUNIT_ASSERT_EQUAL(std::string("0\r\n\r\n"), client.readBytes(5));
        CPPUNIT_ASSERT_EQUAL(std::string("next"), client.read().body);
    }

    // Single bytes as fast as they go: each wake finds its reader sending, about to be
    // parked, or parked, and none is lost.
    void wakesRaceWithParking() {
        FrontFixture front;
        front.options.senders = 2;
        const std::string content = patternBytes(20'000);
        for (int round = 0; round < 3; ++round) {
            const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(content.size());
            serveBody(&front, body);
            if (round == 0) front.start();
            FrontClient client = front.connect();
            client.get("/");
            client.readHead();
            std::thread filler([&] {
                for (char c : content) body->append(std::string(1, c));
            });
            const std::string got = client.readBytes(content.size());
            filler.join();
            CPPUNIT_ASSERT(content == got);
        }
    }

    void stopWhileParkedAndWoken() {
        for (int round = 0; round < 10; ++round) {
            FrontFixture front;
            const std::shared_ptr<TestBody> shared = std::make_shared<TestBody>(1'000'000);
            TestCrowd crowd(shared);
            front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
                exchange->reply(followReply(crowd.join()));
            });
            front.start();
            std::vector<FrontClient> clients;
            for (int i = 0; i < 8; ++i) {
                clients.push_back(front.connect());
                clients.back().get("/");
            }
            for (FrontClient& client : clients) client.readHead();
            std::thread filler([&] {
                for (int i = 0; i < 50; ++i) {
                    shared->append("some bytes");
                    crowd.wakeAll();
                }
            });
            front.server().stop();
            filler.join();
            CPPUNIT_ASSERT_EQUAL(std::size_t(8), front.application.waitFinished(8).size());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontFollowTest);

// All of it again through TLS.
class FrontFollowTlsTest : public FrontFollowTest {
    CPPUNIT_TEST_SUB_SUITE(FrontFollowTlsTest, FrontFollowTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontFollowTlsTest);

}  // namespace ociproxy
