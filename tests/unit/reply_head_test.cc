#include "front/reply_head.h"

#include <limits>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

constexpr std::int64_t kWall = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT

std::string text(const Framing& framing) {
    std::string out = framing.kind == Framing::Kind::kNone      ? "none"
                      : framing.kind == Framing::Kind::kChunked ? "chunked"
                                                                : std::to_string(framing.length);
    return out + (framing.sendBody ? " body" : "");
}

std::string framed(const Reply& reply, Method method = Method::kGet, int minorVersion = 1) {
    const std::optional<Framing> framing = frameReply(reply, method, minorVersion);
    return framing ? text(*framing) : "wait";
}

Reply followReply(std::shared_ptr<GrowingBody> body, std::uint64_t offset = 0,
                  std::optional<std::uint64_t> size = std::nullopt) {
    Reply reply;
    reply.body = FollowBody{std::move(body), offset, size};
    return reply;
}

ReplyHead head(const Reply& reply, bool keepAlive = true, int minorVersion = 1) {
    HeadOptions options;
    options.framing = *frameReply(reply, Method::kGet, 1);
    options.keepAlive = keepAlive;
    options.minorVersion = minorVersion;
    options.wallSeconds = kWall;
    return serializeHead(reply, options);
}

bool contains(const ReplyHead& head, const std::string& part) {
    return head.text.find(part) != std::string::npos;
}

}  // namespace

class ReplyHeadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ReplyHeadTest);
    CPPUNIT_TEST(wholeHead);
    CPPUNIT_TEST(persistence);
    CPPUNIT_TEST(case206_unsafeFieldsAreDropped);
    CPPUNIT_TEST(noByteOutsidePrintableAsciiGetsOut);
    CPPUNIT_TEST(ourFieldsCannotBeSet);
    CPPUNIT_TEST(framingOfBodies);
    CPPUNIT_TEST(case36_framingOfHead);
    CPPUNIT_TEST(statusesWithoutBody);
    CPPUNIT_TEST(framingOfGrowingBodies);
    CPPUNIT_TEST(impossibleLengthsThrow);
    CPPUNIT_TEST(reasons);
    CPPUNIT_TEST_SUITE_END();

public:
    void wholeHead() {
        Reply reply = bytesReply("abc", 404);
        reply.headers.add("Content-Type", "text/plain");
        reply.headers.add("X", "");
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 404 Not Found\r\n"
                                         "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                         "Content-Type: text/plain\r\n"
                                         "X: \r\n"
                                         "Content-Length: 3\r\n\r\n"),
                             head(reply).text);
    }

    void persistence() {
        const Reply reply = bytesReply("");
        CPPUNIT_ASSERT(!contains(head(reply, true, 1), "Connection"));
        CPPUNIT_ASSERT(contains(head(reply, true, 0), "Connection: keep-alive\r\n"));
        CPPUNIT_ASSERT(contains(head(reply, false, 1), "Connection: close\r\n"));
        CPPUNIT_ASSERT(contains(head(reply, false, 0), "Connection: close\r\n"));
        CPPUNIT_ASSERT(contains(head(reply, true, 0), "HTTP/1.1 200 OK\r\n"));
    }

    void case206_unsafeFieldsAreDropped() {
        Reply reply = bytesReply("");
        reply.headers.add("Location", "/x\r\nSet-Cookie: a");
        reply.headers.add("A", std::string("nul\0", 4));
        reply.headers.add("B", "caf\xc3\xa9");
        reply.headers.add("C", "tab\tbed");
        reply.headers.add("D D", "x");
        reply.headers.add("", "x");
        reply.headers.add("E:", "x");
        reply.headers.add("Good", "a b~!");
        const ReplyHead out = head(reply);
        CPPUNIT_ASSERT_EQUAL(std::size_t(7), out.dropped);
        CPPUNIT_ASSERT(contains(out, "Good: a b~!\r\n"));
        CPPUNIT_ASSERT(!contains(out, "Set-Cookie"));
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 200 OK\r\n"
                                         "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                         "Good: a b~!\r\nContent-Length: 0\r\n\r\n"),
                             out.text);
    }

    // Each of the 256 bytes at each end and in the middle of a name and of a value.
    void noByteOutsidePrintableAsciiGetsOut() {
        for (int byte = 0; byte < 256; ++byte) {
            const std::string one(1, static_cast<char>(byte));
            for (const std::string& text : {one + "ab", "a" + one + "b", "ab" + one, one}) {
                Reply reply = bytesReply("", 206);
                reply.headers.add("Value", text);
                reply.headers.add(text, "value");
                assertLines(head(reply).text);
                const bool printable = byte >= 0x20 && byte < 0x7f;
                CPPUNIT_ASSERT_EQUAL(printable, contains(head(reply), "Value: "));
            }
        }
    }

    void ourFieldsCannotBeSet() {
        Reply reply = bytesReply("abc");
        for (const char* name : {"content-length", "Transfer-Encoding", "CONNECTION", "Date",
                                 "Keep-Alive", "Upgrade", "Trailer"}) {
            reply.headers.add(name, "17");
        }
        CPPUNIT_ASSERT(!contains(head(reply), "17\r\n"));
        CPPUNIT_ASSERT(contains(head(reply), "Content-Length: 3\r\n"));
    }

    // "TOKEN: PRINTABLE" in every line behind the first, one empty line and nothing behind.
    static void assertLines(const std::string& text) {
        std::size_t at = text.find("\r\n") + 2;
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP/1.1 206 Partial Content\r\n"), text.substr(0, at));
        while (text.compare(at, std::string::npos, "\r\n") != 0) {
            const std::size_t end = text.find("\r\n", at);
            CPPUNIT_ASSERT(end != std::string::npos && end > at);
            const std::string line = text.substr(at, end - at);
            const std::size_t colon = line.find(": ");
            CPPUNIT_ASSERT(colon != std::string::npos && isToken(line.substr(0, colon)));
            for (char c : line) CPPUNIT_ASSERT(c >= 0x20 && c < 0x7f);
            at = end + 2;
        }
    }

    void framingOfBodies() {
        CPPUNIT_ASSERT_EQUAL(std::string("0"), framed(Reply{}));
        CPPUNIT_ASSERT_EQUAL(std::string("0"), framed(bytesReply("")));
        CPPUNIT_ASSERT_EQUAL(std::string("3 body"), framed(bytesReply("abc")));
        CPPUNIT_ASSERT_EQUAL(std::string("3 body"), framed(bytesReply("abc"), Method::kOther, 0));
        Reply reply = fileReply(memoryFile("x"), 0, 100);
        FileBody& body = std::get<FileBody>(reply.body);
        body.prefix = [](const FileSlice& slice) {
            return std::string(slice.offset == 0 ? "12345" : "123");
        };
        body.slices.push_back(FileSlice{7, 10});
        body.suffix = "1234";
        CPPUNIT_ASSERT_EQUAL(std::string("122 body"), framed(reply));
    }

    void case36_framingOfHead() {
        Reply reply = bytesReply("abc", 404);
        CPPUNIT_ASSERT_EQUAL(std::string("3"), framed(reply, Method::kHead));
        reply.headLength = 17;
        CPPUNIT_ASSERT_EQUAL(std::string("17"), framed(reply, Method::kHead));
        CPPUNIT_ASSERT_EQUAL(std::string("3 body"), framed(reply));
        CPPUNIT_ASSERT_EQUAL(std::string("none"), framed(Reply{}, Method::kHead));
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        CPPUNIT_ASSERT_EQUAL(std::string("none"), framed(followReply(body), Method::kHead));
        CPPUNIT_ASSERT_EQUAL(std::string("none"), framed(followReply(body), Method::kHead, 0));
        body->announce(9);
        CPPUNIT_ASSERT_EQUAL(std::string("9"), framed(followReply(body), Method::kHead));
    }

    void statusesWithoutBody() {
        CPPUNIT_ASSERT_EQUAL(std::string("none"), framed(bytesReply("abc", 204)));
        Reply reply = bytesReply("abc", 304);
        CPPUNIT_ASSERT_EQUAL(std::string("none"), framed(reply));
        reply.headLength = 5;
        CPPUNIT_ASSERT_EQUAL(std::string("5"), framed(reply));
        CPPUNIT_ASSERT_EQUAL(std::string("5"), framed(reply, Method::kHead));
    }

    void framingOfGrowingBodies() {
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>();
        CPPUNIT_ASSERT_EQUAL(std::string("chunked body"), framed(followReply(body)));
        CPPUNIT_ASSERT_EQUAL(std::string("wait"), framed(followReply(body), Method::kGet, 0));
        CPPUNIT_ASSERT_EQUAL(std::string("7 body"), framed(followReply(body, 3, 7)));
        body->announce(100);
        CPPUNIT_ASSERT_EQUAL(std::string("97 body"), framed(followReply(body, 3)));
        CPPUNIT_ASSERT_EQUAL(std::string("0"), framed(followReply(body, 100)));
        const std::shared_ptr<TestBody> done = std::make_shared<TestBody>();
        done->append("12345");
        done->complete();
        CPPUNIT_ASSERT_EQUAL(std::string("4 body"), framed(followReply(done, 1), Method::kGet, 0));
    }

    void impossibleLengthsThrow() {
        const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
        Reply reply = fileReply(memoryFile("x"), 0, most);
        std::get<FileBody>(reply.body).suffix = "x";
        CPPUNIT_ASSERT_THROW(framed(reply), Error);
        const std::shared_ptr<TestBody> body = std::make_shared<TestBody>(10);
        CPPUNIT_ASSERT_THROW(framed(followReply(body, 11)), Error);
    }

    void reasons() {
        CPPUNIT_ASSERT_EQUAL(std::string("OK"), std::string(reasonPhrase(200)));
        CPPUNIT_ASSERT_EQUAL(std::string("HTTP Version Not Supported"),
                             std::string(reasonPhrase(505)));
        CPPUNIT_ASSERT_EQUAL(std::string("Unknown"), std::string(reasonPhrase(599)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReplyHeadTest);

}  // namespace ociproxy
