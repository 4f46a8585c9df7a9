#include <limits>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {

// Bodies of replies on their way out: files, slices, slow readers.
class FrontSenderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontSenderTest);
    CPPUNIT_TEST(filesOfAllSizes);
    CPPUNIT_TEST(largeBytes);
    CPPUNIT_TEST(slicesWithPrefixAndSuffix);
    CPPUNIT_TEST(headOfAFileHasNoBody);
    CPPUNIT_TEST(statusesWithoutBody);
    CPPUNIT_TEST(shortFileCutsTheConnection);
    CPPUNIT_TEST(unreadableFileCutsTheConnection);
    CPPUNIT_TEST(overlongReplyCutsOnlyItsConnection);
    CPPUNIT_TEST(evictedFileIsServedToItsEnd);
    CPPUNIT_TEST(slowReaderHoldsNoThread);
    CPPUNIT_TEST(manySlowReadersShareOneSender);
    CPPUNIT_TEST(clientThatLeavesIsToldIncomplete);
    CPPUNIT_TEST(writeStallCuts);
    CPPUNIT_TEST(keepAliveAfterABigBody);
    CPPUNIT_TEST_SUITE_END();

    // "/N": the first N bytes of `content`.
    static void serveFile(FrontFixture* front, std::shared_ptr<const Fd> file) {
        front->application.setHandler([file](std::shared_ptr<Exchange> exchange) {
            const std::string& target = exchange->request().target;
            exchange->reply(fileReply(file, 0, parseUnsigned(target.substr(1)).value_or(0)));
        });
    }

public:
    void filesOfAllSizes() {
        FrontFixture front;
        const std::string content = patternBytes(5 * 1024 * 1024 + 17);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient client = front.connect();
        for (std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(65536),
                                 std::size_t(1024 * 1024), std::size_t(1024 * 1024 + 1),
                                 content.size()}) {
            client.get(cat("/", size));
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(std::to_string(size), reply.field("Content-Length"));
            CPPUNIT_ASSERT(content.substr(0, size) == reply.body);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()),
                             front.application.waitFinished(6)[5].bodyBytes);
    }

    void largeBytes() {
        FrontFixture front;
        const std::string content = patternBytes(7'000'001);
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            exchange->reply(bytesReply(content));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/");
        CPPUNIT_ASSERT(content == client.read().body);
    }

    void slicesWithPrefixAndSuffix() {
        FrontFixture front;
        const std::string content = patternBytes(2'000'000);
        const std::shared_ptr<const Fd> file = memoryFile(content);
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            FileBody body;
            body.file = file;
            body.prefix = [](const FileSlice& slice) {
                return slice.size == 10 ? std::string() : cat("--", slice.offset, "\r\n");
            };
            body.slices.push_back(FileSlice{100, 1'500'000});
            body.slices.push_back(FileSlice{0, 0});
            body.slices.push_back(FileSlice{1'999'990, 10});
            body.slices.push_back(FileSlice{5, 1});
            body.suffix = "--end";
            Reply reply;
            reply.status = 206;
            reply.body = std::move(body);
            exchange->reply(std::move(reply));
        });
        front.start();
        const std::string wanted = "--100\r\n" + content.substr(100, 1'500'000) + "--0\r\n" +
                                   content.substr(1'999'990) + "--5\r\n" +
                                   content.substr(5, 1) + "--end";
        FrontClient client = front.connect();
        client.get("/");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT(wanted == reply.body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(wanted.size()),
                             front.application.waitFinished(1)[0].bodyBytes);
    }

    void headOfAFileHasNoBody() {
        FrontFixture front;
        serveFile(&front, memoryFile("0123456789"));
        front.start();
        FrontClient client = front.connect();
        client.send("HEAD /10 HTTP/1.1\r\nHost: h\r\n\r\n");
        client.get("/10");
        CPPUNIT_ASSERT_EQUAL(std::string("10"), client.read(true).field("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("0123456789"), client.read().body);
    }

    void statusesWithoutBody() {
        FrontFixture front;
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            const int status = std::atoi(exchange->request().target.c_str() + 1);
            Reply reply = bytesReply("must not be sent", status);
            if (status == 304) reply.headLength = 77;
            exchange->reply(std::move(reply));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/204");
        client.get("/304");
        client.get("/200");
        CPPUNIT_ASSERT(!client.read().headers.has("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("77"), client.read().field("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::string("must not be sent"), client.read().body);
    }

    void shortFileCutsTheConnection() {
        FrontFixture front;
        const std::string content = patternBytes(100'000);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient client = front.connect();
        client.get("/100001");
        const ClientReply reply = client.read();
        CPPUNIT_ASSERT(!reply.whole);
        CPPUNIT_ASSERT(client.end() == FrontClient::End::kReset);
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(!finished.complete);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(100'000), finished.bodyBytes);
        front.waitIdle();
    }

    void unreadableFileCutsTheConnection() {
        FrontFixture front;
        int ends[2] = {-1, -1};
        CPPUNIT_ASSERT_EQUAL(0, ::pipe(ends));
        const Fd reader(ends[0]);
        serveFile(&front, std::make_shared<const Fd>(ends[1]));  // cannot be read
        front.start();
        FrontClient client = front.connect();
        client.get("/10");
        CPPUNIT_ASSERT(!client.read().whole);
        CPPUNIT_ASSERT(!front.application.waitFinished(1)[0].complete);
    }

    void overlongReplyCutsOnlyItsConnection() {
        FrontFixture front;
        const std::shared_ptr<const Fd> file = memoryFile("0123456789");
        front.application.setHandler([&](std::shared_ptr<Exchange> exchange) {
            if (exchange->request().target == "/good") {
                exchange->reply(fileReply(file, 0, 10));
                return;
            }
            Reply reply = fileReply(file, 0, std::numeric_limits<std::uint64_t>::max());
            std::get<FileBody>(reply.body).suffix = "x";
            exchange->reply(std::move(reply));
        });
        front.start();
        FrontClient client = front.connect();
        client.get("/bad");
        CPPUNIT_ASSERT_EQUAL(std::string(), client.readToEnd());
        FrontClient other = front.connect();
        other.get("/good");
        CPPUNIT_ASSERT_EQUAL(std::string("0123456789"), other.read().body);
        const std::vector<FinishedCopy> finished = front.application.waitFinished(2);
        CPPUNIT_ASSERT(!finished[0].complete && finished[1].complete);
    }

    void evictedFileIsServedToItsEnd() {
        FrontFixture front;
        const std::string content = patternBytes(20'000'000);
        char name[] = "/tmp/ociproxy-front-XXXXXX";
        Fd file(::mkstemp(name));
        writeAll(file.get(), content.data(), content.size(), name);
        serveFile(&front, std::make_shared<const Fd>(std::move(file)));
        front.start();
        FrontClient client = front.connect(4096);
        client.get(cat("/", content.size()));
        ClientReply reply = client.readHead();
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(0, ::unlink(name));
        CPPUNIT_ASSERT(content == client.readBytes(content.size()));
    }

    void slowReaderHoldsNoThread() {
        FrontFixture front;  // one sender
        const std::string content = patternBytes(32 * 1024 * 1024);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient slow = front.connect(4096);
        slow.get(cat("/", content.size()));
        slow.readHead();
        for (int i = 0; i < 20; ++i) {
            FrontClient other = front.connect();
            other.get("/100000");
            CPPUNIT_ASSERT(content.substr(0, 100'000) == other.read().body);
        }
        CPPUNIT_ASSERT(content == slow.readBytes(content.size()));
        const std::vector<FinishedCopy> finished = front.application.waitFinished(21);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t(content.size()), finished.back().bodyBytes);
        CPPUNIT_ASSERT(finished.back().complete);
    }

    void manySlowReadersShareOneSender() {
        FrontFixture front;
        const std::string content = patternBytes(6 * 1024 * 1024);
        serveFile(&front, memoryFile(content));
        front.start();
        std::vector<FrontClient> clients;
        for (int i = 0; i < 30; ++i) {
            clients.push_back(front.connect(8192));
            clients.back().get(cat("/", content.size()));
        }
        for (FrontClient& client : clients) client.readHead();
        // In turns, so that all are unfinished at the same time.
        std::vector<std::string> bodies(clients.size());
        for (std::size_t done = 0; done < content.size(); done += 1024 * 1024) {
            for (std::size_t i = 0; i < clients.size(); ++i) {
                bodies[i] += clients[i].readBytes(1024 * 1024);
            }
        }
        for (const std::string& body : bodies) CPPUNIT_ASSERT(content == body);
    }

    void clientThatLeavesIsToldIncomplete() {
        FrontFixture front;
        const std::string content = patternBytes(32 * 1024 * 1024);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient closing = front.connect(4096);
        closing.get(cat("/", content.size()));
        closing.readHead();
        closing.close();
        FrontClient resetting = front.connect(4096);
        resetting.get(cat("/", content.size()));
        resetting.readHead();
        resetting.reset();
        for (const FinishedCopy& finished : front.application.waitFinished(2)) {
            CPPUNIT_ASSERT(!finished.complete);
            CPPUNIT_ASSERT(finished.bodyBytes < content.size());
        }
        front.waitIdle();
    }

    void writeStallCuts() {
        FrontFixture front;
        front.options.writeStall = Millis(100);
        const std::string content = patternBytes(32 * 1024 * 1024);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient slow = front.connect(4096);
        slow.get(cat("/", content.size()));
        const FinishedCopy finished = front.application.waitFinished(1)[0];
        CPPUNIT_ASSERT(!finished.complete);
        CPPUNIT_ASSERT(finished.bodyBytes > 0 && finished.bodyBytes < content.size());
        slow.readToEnd();
        CPPUNIT_ASSERT(slow.end() == FrontClient::End::kReset);
        front.waitIdle();
    }

    void keepAliveAfterABigBody() {
        FrontFixture front;
        const std::string content = patternBytes(3'000'000);
        serveFile(&front, memoryFile(content));
        front.start();
        FrontClient client = front.connect(4096);
        for (int i = 0; i < 4; ++i) client.get(cat("/", content.size()));
        for (int i = 0; i < 4; ++i) CPPUNIT_ASSERT(content == client.read().body);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontSenderTest);

// All of it again through TLS.
class FrontSenderTlsTest : public FrontSenderTest {
    CPPUNIT_TEST_SUB_SUITE(FrontSenderTlsTest, FrontSenderTest);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { FrontFixture::overTls = true; }
    void tearDown() override { FrontFixture::overTls = false; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontSenderTlsTest);

}  // namespace ociproxy
