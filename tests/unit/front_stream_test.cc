// Bodies that are produced while they are sent: StreamBody, and growing files that are
// forsaken, through the pipe that the proxy uses.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/byte_pipe.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

std::shared_ptr<BytePipe> newPipe(std::uint64_t capacity = 512 * 1024) {
    PipePace pace;
    pace.capacity = capacity;
    return std::make_shared<BytePipe>(pace);
}

// Every request is answered from the reader of the one pipe.
void servePipe(FrontFixture* front, const std::shared_ptr<BytePipe>& pipe,
               std::optional<std::uint64_t> length) {
    front->application.setHandler([=](std::shared_ptr<Exchange> exchange) {
        Reply reply;
        reply.body = StreamBody{pipe->reader(), length};
        exchange->reply(std::move(reply));
    });
}

// A growing file whose rest comes through a pipe.
class ForsakenBody : public TestBody {
public:
    ForsakenBody(std::optional<std::uint64_t> length, std::shared_ptr<BytePipe> pipe)
        : TestBody(length), pipe_(std::move(pipe)) {}

    Snapshot now() noexcept override {
        Snapshot snapshot = TestBody::now();
        if (snapshot.state == State::kBroken) snapshot.state = State::kForsaken;
        return snapshot;
    }
    std::shared_ptr<StreamSource> continuation(std::uint64_t offset,
                                               std::optional<std::uint64_t> end) override {
        asked_.set_value({offset, end.value_or(0)});
        return pipe_ ? pipe_->reader() : nullptr;
    }
    std::pair<std::uint64_t, std::uint64_t> asked() { return asked_.get_future().get(); }

private:
    std::shared_ptr<BytePipe> pipe_;
    std::promise<std::pair<std::uint64_t, std::uint64_t>> asked_;
};

void follow(FrontFixture* front, FollowBody body) {
    front->application.setHandler([=](std::shared_ptr<Exchange> exchange) {
        Reply reply;
        reply.body = body;
        exchange->reply(std::move(reply));
    });
}

FollowBody whole(const std::shared_ptr<GrowingBody>& body,
                 std::optional<std::uint64_t> size = std::nullopt) {
    FollowBody follow;
    follow.body = body;
    follow.size = size;
    return follow;
}

}  // namespace

class FrontStreamTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontStreamTest);
    CPPUNIT_TEST(headComesBeforeTheBytes);
    CPPUNIT_TEST(muchMoreThanThePipeHolds);
    CPPUNIT_TEST(unknownLengthIsChunked);
    CPPUNIT_TEST(emptyStreamIsChunked);
    CPPUNIT_TEST(oldClientOfUnknownLengthIsCut);
    CPPUNIT_TEST(oldClientGetsAKnownLength);
    CPPUNIT_TEST(brokenStreamResets);
    CPPUNIT_TEST(brokenChunkedStreamHasNoLastChunk);
    CPPUNIT_TEST(shorterThanPromisedResets);
    CPPUNIT_TEST(moreThanPromisedIsNotSent);
    CPPUNIT_TEST(headEndsTheStream);
    CPPUNIT_TEST(readerThatLeavesEndsTheStream);
    CPPUNIT_TEST(readerThatStallsIsCutAndEndsTheStream);
    CPPUNIT_TEST(waitingForBytesIsNoStall);
    CPPUNIT_TEST(connectionLivesOnAfterwards);
    CPPUNIT_TEST(forsakenFileGoesOnAsAStream);
    CPPUNIT_TEST(forsakenFileOfUnknownLength);
    CPPUNIT_TEST(forsakenFileWithoutContinuationResets);
    CPPUNIT_TEST(partsOfAGrowingFile);
    CPPUNIT_TEST(partsOfAForsakenFile);
    CPPUNIT_TEST(stopWhileStreaming);
    CPPUNIT_TEST_SUITE_END();

public:
    void headComesBeforeTheBytes() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 5);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT_EQUAL(std::string("5"), client.readHead().field("Content-Length"));
        CPPUNIT_ASSERT(pipe->write("he"));
        CPPUNIT_ASSERT_EQUAL(std::string("he"), client.readBytes(2));
        CPPUNIT_ASSERT(pipe->write("llo"));
        pipe->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("llo"), client.readBytes(3));
        CPPUNIT_ASSERT(front.application.waitFinished(1)[0].complete);
    }

    void muchMoreThanThePipeHolds() {
        FrontFixture front;
        const std::string content = patternBytes(5'000'000);
        const std::shared_ptr<BytePipe> pipe = newPipe(100'000);
        servePipe(&front, pipe, content.size());
        front.start();
        std::thread producer = produce(pipe, content);
        FrontClient client = front.connect(4096);
        client.get("/");
        const ClientReply reply = client.read();
        producer.join();
        CPPUNIT_ASSERT(reply.whole && content == reply.body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()),
                             front.application.waitFinished(1)[0].bodyBytes);
    }

    void unknownLengthIsChunked() {
        FrontFixture front;
        const std::string content = patternBytes(1'000'000);
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, std::nullopt);
        front.start();
        std::thread producer = produce(pipe, content);
        FrontClient client = front.connect();
        client.get("/");
        const ClientReply reply = client.read();
        producer.join();
        CPPUNIT_ASSERT_EQUAL(std::string("chunked"), reply.field("Transfer-Encoding"));
        CPPUNIT_ASSERT(reply.whole && content == reply.body);
    }

    void emptyStreamIsChunked() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        pipe->complete();
        servePipe(&front, pipe, std::nullopt);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT(reply.whole && reply.body.empty());
    }

    void oldClientOfUnknownLengthIsCut() {
        FrontFixture front;
        servePipe(&front, newPipe(), std::nullopt);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void oldClientGetsAKnownLength() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 3);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.0\r\n\r\n");
        CPPUNIT_ASSERT(pipe->write("abc"));
        pipe->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), client.read().body);
    }

    void brokenStreamResets() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 10);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT(pipe->write("01234"));
        CPPUNIT_ASSERT_EQUAL(std::string("01234"), client.readBytes(5));
        pipe->breakOff();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].complete);
    }

    void brokenChunkedStreamHasNoLastChunk() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, std::nullopt);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT(pipe->write("01234"));
        CPPUNIT_ASSERT_EQUAL(std::string("5\r\n01234\r\n"), client.readBytes(10));
        pipe->breakOff();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void shorterThanPromisedResets() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 10);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT(pipe->write("01234"));
        CPPUNIT_ASSERT_EQUAL(std::string("01234"), client.readBytes(5));
        pipe->complete();
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void moreThanPromisedIsNotSent() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        CPPUNIT_ASSERT(pipe->write("0123456789"));
        servePipe(&front, pipe, 4);
        front.start();
        FrontClient client = front.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("0123"), client.read().body);
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
    }

    void headEndsTheStream() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe(1);
        servePipe(&front, pipe, 1'000'000);
        front.start();
        FrontClient client = front.connect();
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("1000000"), client.read(true).field("Content-Length"));
        expectReaderGone(*pipe);
    }

    void readerThatLeavesEndsTheStream() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe(1);
        servePipe(&front, pipe, 100'000'000);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT(pipe->write("x"));
        client.readHead();
        client.readBytes(1);
        client.reset();
        expectReaderGone(*pipe);
        front.waitIdle();
    }

    void readerThatStallsIsCutAndEndsTheStream() {
        FrontFixture front;
        front.options.writeStall = Millis(100);
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 100'000'000);
        front.start();
        FrontClient slow = front.connect(4096);
        slow.get("/");
        expectReaderGone(*pipe);
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].complete);
        slow.readToEnd();
        CPPUNIT_ASSERT(slow.end() == FrontClient::End::kReset);
    }

    // Only time during which bytes are ready is the reader's.
    void waitingForBytesIsNoStall() {
        FrontFixture front;
        front.options.writeStall = Millis(50);
        front.options.minRateWindow = Millis(50);
        const std::shared_ptr<BytePipe> pipe = newPipe();
        servePipe(&front, pipe, 4);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT(pipe->write("ab"));
        CPPUNIT_ASSERT_EQUAL(std::string("ab"), client.readBytes(2));
        std::this_thread::sleep_for(Millis(200));  // what is tested is that it does not matter
        CPPUNIT_ASSERT(pipe->write("cd"));
        pipe->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("cd"), client.readBytes(2));
    }

    void connectionLivesOnAfterwards() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> first = newPipe();
        servePipe(&front, first, 1);
        front.start();
        FrontClient client = front.connect();
        client.get("/1");
        CPPUNIT_ASSERT(first->write("1"));
        first->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("1"), client.read().body);
        const std::shared_ptr<BytePipe> second = newPipe();
        servePipe(&front, second, std::nullopt);
        client.get("/2");
        CPPUNIT_ASSERT(second->write("22"));
        second->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("22"), client.read().body);
    }

    void forsakenFileGoesOnAsAStream() {
        FrontFixture front;
        const std::string content = patternBytes(2'000'000);
        const std::shared_ptr<BytePipe> pipe = newPipe();
        const std::shared_ptr<ForsakenBody> body =
            std::make_shared<ForsakenBody>(content.size(), pipe);
        body->append(content.substr(0, 700'000));
        follow(&front, whole(body));
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        std::string got = client.readBytes(700'000);
        body->fail();
        const std::pair<std::uint64_t, std::uint64_t> asked = body->asked();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(700'000), asked.first);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()), asked.second);
        std::thread producer = produce(pipe, content.substr(700'000));
        got += client.readBytes(content.size() - got.size());
        producer.join();
        CPPUNIT_ASSERT(content == got);
        CPPUNIT_ASSERT(front.application.waitFinished(1)[0].complete);
    }

    void forsakenFileOfUnknownLength() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        const std::shared_ptr<ForsakenBody> body =
            std::make_shared<ForsakenBody>(std::nullopt, pipe);
        body->append("abc");
        follow(&front, whole(body));
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        ClientReply reply = client.readHead();
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(3), body->asked().first);
        CPPUNIT_ASSERT(pipe->write("def"));
        pipe->complete();
        client.readRest(&reply);
        CPPUNIT_ASSERT(reply.whole);
        CPPUNIT_ASSERT_EQUAL(std::string("abcdef"), reply.body);
    }

    void forsakenFileWithoutContinuationResets() {
        FrontFixture front;
        const std::shared_ptr<ForsakenBody> body = std::make_shared<ForsakenBody>(10, nullptr);
        body->append("abc");
        follow(&front, whole(body));
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        body->fail();
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), client.readToEnd());
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
    }

    void partsOfAGrowingFile() {
        FrontFixture front;
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(20);
        follow(&front, parts(body));
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        ClientReply reply = client.readHead();
        CPPUNIT_ASSERT_EQUAL(std::string("14"), reply.field("Content-Length"));
        body->append("0123456789");
        CPPUNIT_ASSERT_EQUAL(std::string("<2>234<10>"), client.readBytes(10));
        body->append("abcdefghij");
        body->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("a</>"), client.readBytes(4));
        CPPUNIT_ASSERT(front.application.waitFinished(1)[0].complete);
    }

    void partsOfAForsakenFile() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe();
        const std::shared_ptr<ForsakenBody> body = std::make_shared<ForsakenBody>(20, pipe);
        body->append("0123456789");
        follow(&front, parts(body));
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        CPPUNIT_ASSERT_EQUAL(std::string("<2>234<10>"), client.readBytes(10));
        body->fail();
        const std::pair<std::uint64_t, std::uint64_t> asked = body->asked();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(10), asked.first);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(11), asked.second);
        CPPUNIT_ASSERT(pipe->write("a"));
        pipe->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("a</>"), client.readBytes(4));
    }

    void stopWhileStreaming() {
        FrontFixture front;
        const std::shared_ptr<BytePipe> pipe = newPipe(1000);
        servePipe(&front, pipe, 100'000'000);
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        client.readHead();
        std::thread producer([&] {
            while (pipe->write(std::string(100, 'x'))) continue;
        });
        client.readBytes(10'000);
        front.destroyServer();
        producer.join();
        CPPUNIT_ASSERT(pipe->abandoned());
    }

private:
    static std::thread produce(const std::shared_ptr<BytePipe>& pipe, const std::string& content) {
        return std::thread([pipe, content] {
            for (std::size_t at = 0; at < content.size(); at += 70'000) {
                if (!pipe->write(std::string_view(content).substr(at, 70'000))) return;
            }
            pipe->complete();
        });
    }

    // The writer is told, however much it still has.
    static void expectReaderGone(BytePipe& pipe) {
        const std::string some(10'000, 'x');
        while (pipe.write(some)) continue;
        CPPUNIT_ASSERT(pipe.abandoned());
        CPPUNIT_ASSERT(!pipe.tooSlow());
    }

    static FollowBody parts(const std::shared_ptr<GrowingBody>& body) {
        FollowBody follow;
        follow.body = body;
        follow.parts = {{2, 3}, {10, 1}};
        follow.prefix = [](const FileSlice& slice) {
            return "<" + std::to_string(slice.offset) + ">";
        };
        follow.suffix = "</>";
        return follow;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontStreamTest);

class FrontStreamTlsTest : public FrontStreamTest {
    CPPUNIT_TEST_SUB_SUITE(FrontStreamTlsTest, FrontStreamTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontStreamTlsTest);

}  // namespace ociproxy
