// Replies that the application gives on the reactor's thread (Application::immediateReply).
#include "ociproxy/front/server.h"

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

// A body whose file says nothing, to the thread that sends it, before it is told to.
class StuckBody : public GrowingBody {
public:
    StuckBody(std::shared_ptr<const Fd> file, std::shared_future<void> answered,
              std::atomic<unsigned>* waiting)
        : file_(std::move(file)), answered_(std::move(answered)), waiting_(waiting) {}

    int descriptor() const noexcept override { return file_->get(); }
    Snapshot now() noexcept override {
        if (!asked_) ++*waiting_;
        asked_ = true;
        answered_.wait();
        return Snapshot{State::kComplete, 7, 7};
    }
    void setWake(std::function<void()>) override {}

private:
    std::shared_ptr<const Fd> file_;
    const std::shared_future<void> answered_;
    std::atomic<unsigned>* const waiting_;
    bool asked_ = false;
};

class FrontImmediateTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontImmediateTest);
    CPPUNIT_TEST(bytesGoOutAtOnce);
    CPPUNIT_TEST(whatHasNoImmediateReplyIsHandled);
    CPPUNIT_TEST(residentFileGoesOutAtOnce);
    CPPUNIT_TEST(otherFileGoesToASender);
    CPPUNIT_TEST(headOfAFileGoesOutAtOnce);
    CPPUNIT_TEST(thousandPipelinedInOrder);
    CPPUNIT_TEST(slowReaderHoldsNobody);
    CPPUNIT_TEST(closesWhenAsked);
    CPPUNIT_TEST(clientThatHangsUpMeanwhileIsNoticed);
    CPPUNIT_TEST(shortFileCutsTheReply);
    CPPUNIT_TEST(blockedSendersHoldNobody);
    CPPUNIT_TEST_SUITE_END();

public:
    void bytesGoOutAtOnce() {
        FrontFixture front;
        front.application.setImmediate([](const Request& request) {
            return std::optional<Reply>(bytesReply(cat("now ", request.target)));
        });
        front.start();
        FrontClient client = front.connect();
        for (int i = 0; i < 3; ++i) {
            client.get("/x");
            CPPUNIT_ASSERT_EQUAL(std::string("now /x"), client.read().body);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, front.application.waitFinished(3).size());
        CPPUNIT_ASSERT(front.application.handled().empty());
    }

    void whatHasNoImmediateReplyIsHandled() {
        FrontFixture front;
        front.application.setImmediate([](const Request& request) -> std::optional<Reply> {
            if (request.target != "/now") return std::nullopt;
            return bytesReply("now");
        });
        front.start();
        FrontClient client = front.connect();
        for (int i = 0; i < 3; ++i) {
            client.get("/later");
            CPPUNIT_ASSERT_EQUAL(std::string("GET /later"), client.read().body);
            client.get("/now");
            CPPUNIT_ASSERT_EQUAL(std::string("now"), client.read().body);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, front.application.handled().size());
    }

    void residentFileGoesOutAtOnce() { serveFile(true, false); }
    void otherFileGoesToASender() { serveFile(false, false); }
    void headOfAFileGoesOutAtOnce() { serveFile(false, true); }

    void thousandPipelinedInOrder() {
        FrontFixture front;
        front.application.setImmediate([](const Request& request) -> std::optional<Reply> {
            if (request.target.back() == '7') return std::nullopt;
            return bytesReply(request.target);
        });
        front.start();
        FrontClient client = front.connect();
        std::string requests;
        for (int i = 0; i < 1'000; ++i) {
            requests += cat("GET /", i, " HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        client.send(requests);
        for (int i = 0; i < 1'000; ++i) {
            const std::string expected = cat(i % 10 == 7 ? "GET /" : "/", i);
            CPPUNIT_ASSERT_EQUAL(expected, client.read().body);
        }
    }

    // More than the socket's buffers take: the rest goes the way of all slow replies.
    void slowReaderHoldsNobody() {
        FrontFixture front;
        const std::string large = patternBytes(8 << 20);
        front.application.setImmediate([&large](const Request& request) {
            return std::optional<Reply>(bytesReply(request.target == "/large" ? large : "small"));
        });
        front.start();
        FrontClient slow = front.connect(4096);
        slow.get("/large");
        ClientReply reply = slow.readHead();
        FrontClient other = front.connect();
        for (int i = 0; i < 10; ++i) {
            other.get("/small");
            CPPUNIT_ASSERT_EQUAL(std::string("small"), other.read().body);
        }
        slow.readRest(&reply);
        CPPUNIT_ASSERT(reply.body == large);
        slow.get("/small");
        CPPUNIT_ASSERT_EQUAL(std::string("small"), slow.read().body);
    }

    void closesWhenAsked() {
        FrontFixture front;
        front.application.setImmediate(
            [](const Request&) { return std::optional<Reply>(bytesReply("bye")); });
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(std::string("bye"), reply.body);
        CPPUNIT_ASSERT_EQUAL(std::string("close"), reply.field("Connection"));
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
    }

    // Input is watched all the time: what comes while the application has the request must
    // neither be lost nor keep the reactor busy, and an end after the reply is seen.
    void clientThatHangsUpMeanwhileIsNoticed() {
        FrontFixture front;
        std::promise<std::shared_ptr<Exchange>> held;
        front.application.setHandler(
            [&held](std::shared_ptr<Exchange> exchange) { held.set_value(std::move(exchange)); });
        front.start();
        FrontClient client = front.connect();
        client.get("/held");
        std::shared_ptr<Exchange> exchange = held.get_future().get();
        client.send("GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        client.shutdownSend();
        front.application.setHandler({});
        exchange->reply(bytesReply("late"));
        CPPUNIT_ASSERT_EQUAL(std::string("late"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string("GET /next"), client.read().body);
        CPPUNIT_ASSERT(client.waitEnd() == FrontClient::End::kClosed);
        front.waitIdle();
    }

    void shortFileCutsTheReply() {
        FrontFixture front;
        front.application.setImmediate([](const Request&) {
            Reply reply = fileReply(memoryFile("only this"), 0, 100);
            std::get<FileBody>(reply.body).resident = true;
            return std::optional<Reply>(std::move(reply));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT(!client.read().whole);
        CPPUNIT_ASSERT(!front.application.waitFinished(1).front().complete);
    }

    // As on a disk that does not answer: every sender waits for a body.
    void blockedSendersHoldNobody() {
        FrontFixture front;
        front.application.setImmediate([](const Request& request) -> std::optional<Reply> {
            if (request.target == "/file") return std::nullopt;
            return bytesReply("now");
        });
        std::promise<void> answer;
        const std::shared_future<void> answered = answer.get_future().share();
        std::atomic<unsigned> waiting{0};
        const std::shared_ptr<const Fd> file = memoryFile("content");
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            Reply reply;
            FollowBody follow;
            follow.body = std::make_shared<StuckBody>(file, answered, &waiting);
            follow.size = 7;
            reply.body = std::move(follow);
            exchange->reply(std::move(reply));
        });
        front.start();
        std::vector<FrontClient> stuck;
        for (unsigned i = 0; i < front.options.senders; ++i) {
            stuck.push_back(front.connect());
            stuck.back().get("/file");
        }
        while (waiting < front.options.senders) std::this_thread::yield();
        FrontClient other = front.connect();
        for (int i = 0; i < 3; ++i) {
            other.get("/hit");
            CPPUNIT_ASSERT_EQUAL(std::string("now"), other.read().body);
        }
        answer.set_value();
        for (FrontClient& client : stuck) {
            CPPUNIT_ASSERT_EQUAL(std::string("content"), client.read().body);
        }
    }

private:
    void serveFile(bool resident, bool head) {
        FrontFixture front;
        const std::string content = patternBytes(100'000);
        const std::shared_ptr<const Fd> file = memoryFile(content);
        front.application.setImmediate([&](const Request&) {
            Reply reply = fileReply(file, 10, 90'000);
            std::get<FileBody>(reply.body).resident = resident;
            return std::optional<Reply>(std::move(reply));
        });
        front.start();
        FrontClient client = front.connect();
        for (int i = 0; i < 3; ++i) {
            client.send(cat(head ? "HEAD" : "GET", " / HTTP/1.1\r\nHost: h\r\n\r\n"));
            const ClientReply reply = client.read(head);
            CPPUNIT_ASSERT_EQUAL(std::string("90000"), reply.field("Content-Length"));
            CPPUNIT_ASSERT(head || reply.body == content.substr(10, 90'000));
        }
        CPPUNIT_ASSERT(front.application.handled().empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontImmediateTest);

// All of it again through TLS.
class FrontImmediateTlsTest : public FrontImmediateTest {
    CPPUNIT_TEST_SUB_SUITE(FrontImmediateTlsTest, FrontImmediateTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontImmediateTlsTest);

}  // namespace
}  // namespace ociproxy
