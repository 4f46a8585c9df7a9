#include "upstream/body_reader.h"

#include <optional>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/scripted_server.h"
#include "support/string_source.h"
#include "support/upstream_fixture.h"
#include "upstream/strict_response.h"

namespace ociproxy {

namespace {

const BodyFraming kChunked{BodyFraming::Kind::kChunked, 0};

BodyFraming lengthOf(std::uint64_t length) {
    return {BodyFraming::Kind::kLength, length};
}

std::string readBody(StringSource& source, const BodyFraming& framing, std::size_t piece = 5) {
    BodyReader reader(&source, framing);
    std::string out;
    std::string buffer(piece, '\0');
    for (;;) {
        const std::size_t got = reader.read(&buffer[0], buffer.size());
        if (got == 0) break;
        out.append(buffer, 0, got);
    }
    CPPUNIT_ASSERT(reader.complete());
    CPPUNIT_ASSERT_EQUAL(std::size_t{0}, reader.read(&buffer[0], buffer.size()));
    return out;
}

UpstreamFailure chunkFailure(const std::string& text) {
    StringSource source(text);
    return UpstreamFixture::failureOf([&] { readBody(source, kChunked); });
}

BodyFraming::Kind kindOf(int status, const char* fields, bool answersHead = false) {
    StringSource source(cat("HTTP/1.1 ", status, " x\r\n", fields, "\r\n"));
    return BodyFraming::of(readResponseHead(source), answersHead).kind;
}

const char kHead[] = "HTTP/1.1 200 OK\r\n";

}  // namespace

class UpstreamBodyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamBodyTest);
    CPPUNIT_TEST(framings);
    CPPUNIT_TEST(lengthIsNotExceeded);
    CPPUNIT_TEST(shortBodyIsIncomplete);
    CPPUNIT_TEST(chunksAreJoined);
    CPPUNIT_TEST(trailersAreDropped);
    CPPUNIT_TEST(truncatedChunksAreIncomplete);
    CPPUNIT_TEST(case202_badChunks);
    CPPUNIT_TEST(limitsOfChunkLines);
    CPPUNIT_TEST(truncatedContentLengthOverTheWire);
    CPPUNIT_TEST(truncatedChunkedOverTheWire);
    CPPUNIT_TEST(badChunkOverTheWire);
    CPPUNIT_TEST(resetWithinTheBody);
    CPPUNIT_TEST(silenceWithinTheBody);
    CPPUNIT_TEST(trickleWithinTheBodyIsCut);
    CPPUNIT_TEST(trickleWithinAChunksLineIsCut);
    CPPUNIT_TEST(readAllHonoursTheLimit);
    CPPUNIT_TEST(bodyWithoutFramingIsRefused);
    CPPUNIT_TEST(errorWithoutFramingIsTakenWithoutItsBody);
    CPPUNIT_TEST(headAndNoContentHaveNoBody);
    CPPUNIT_TEST(connectionIsReusedAfterTheBody);
    CPPUNIT_TEST(unreadBodyEndsTheConnection);
    CPPUNIT_TEST(surplusBytesEndTheConnection);
    CPPUNIT_TEST_SUITE_END();

    std::optional<UpstreamFixture> fixture_;

    std::unique_ptr<UpstreamResponse> get(const ScriptedServer& server) {
        return fixture_->get(UpstreamFixture::httpUpstream(server));
    }

    // What reading the body of this response fails with, after `expected`.
    UpstreamFailure failureAfter(const ScriptedServer& server, const std::string& expected) {
        const std::unique_ptr<UpstreamResponse> response = get(server);
        std::string got;
        const UpstreamFailure failure = UpstreamFixture::failureOf([&] {
            char buffer[64];
            while (const std::size_t count = response->read(buffer, sizeof buffer)) {
                got.append(buffer, count);
            }
        });
        CPPUNIT_ASSERT_EQUAL(expected, got);
        char byte;
        // It stays failed.
        if (failure != UpstreamFailure::kNone) {
            CPPUNIT_ASSERT_EQUAL(
                UpstreamFailure::kConnectionTerminated,
                UpstreamFixture::failureOf([&] { response->read(&byte, 1); }));
        }
        return failure;
    }

    // A byte each moment, for as long as it is listened to: never silent for long.
    void assertTrickleIsCut(const std::string& head) {
        fixture_->options.minRate = 10'000;
        fixture_->options.rateWindow = Millis(100);
        ScriptedServer server([head](ScriptedPeer& peer) {
            ScriptedRequest request;
            peer.readRequest(&request);
            peer.send(kHead + head);
            while (!peer.waitForEnd(5)) peer.send("a");
        });
        const std::unique_ptr<UpstreamResponse> response = get(server);
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kResponseTimeout,
                             UpstreamFixture::failureOf([&] { response->readAll(200'000); }));
    }

    static ScriptedServer::Script onceSaying(const std::string& bytes) {
        return [bytes](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (peer.readRequest(&request)) peer.send(bytes);
        };
    }

public:
    void setUp() override { fixture_.emplace(); }
    void tearDown() override { fixture_.reset(); }

    void framings() {
        using Kind = BodyFraming::Kind;
        CPPUNIT_ASSERT(Kind::kLength == kindOf(200, "Content-Length: 5\r\n"));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(200, "Content-Length: 0\r\n"));
        CPPUNIT_ASSERT(Kind::kChunked == kindOf(200, "Transfer-Encoding: chunked\r\n"));
        CPPUNIT_ASSERT(Kind::kUnknown == kindOf(200, ""));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(204, "Content-Length: 5\r\n"));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(304, "Content-Length: 5\r\n"));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(200, "Content-Length: 5\r\n", true));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(200, "Transfer-Encoding: chunked\r\n", true));
        CPPUNIT_ASSERT(Kind::kNone == kindOf(200, "", true));
    }

    void lengthIsNotExceeded() {
        StringSource source("hello world, next");
        CPPUNIT_ASSERT_EQUAL(std::string("hello world"), readBody(source, lengthOf(11), 64));
        CPPUNIT_ASSERT_EQUAL(std::string(", next"), source.rest());
    }

    void shortBodyIsIncomplete() {
        StringSource source("hello");
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete,
                             UpstreamFixture::failureOf([&] { readBody(source, lengthOf(6)); }));
    }

    void chunksAreJoined() {
        StringSource source("5\r\nhello\r\n0A;ext=\"a;b\"\r\n, chunked \r\n000\r\n\r\nnext");
        CPPUNIT_ASSERT_EQUAL(std::string("hello, chunked "), readBody(source, kChunked));
        CPPUNIT_ASSERT_EQUAL(std::string("next"), source.rest());
        StringSource empty("0\r\n\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string(), readBody(empty, kChunked));
    }

    void trailersAreDropped() {
        StringSource source("1\r\nx\r\n0\r\nDigest: a\r\nX: y\r\n\r\nnext");
        CPPUNIT_ASSERT_EQUAL(std::string("x"), readBody(source, kChunked));
        CPPUNIT_ASSERT_EQUAL(std::string("next"), source.rest());
    }

    void truncatedChunksAreIncomplete() {
        const std::string whole = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(whole.substr(0, size), UpstreamFailure::kIncomplete,
                                         chunkFailure(whole.substr(0, size)));
        }
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kNone, chunkFailure(whole));
    }

    void case202_badChunks() {
        for (const char* text :
             {"FFFFFFFFFFFFFFFFF\r\nx", "-1\r\nx", "0x10\r\nx", "\r\nx", ";a\r\nx", "5 \r\nhello",
              " 5\r\nhello", "g\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n",
              "5\r\nhello\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhelloxx0\r\n\r\n",
              "5\r\nhello\r\n0\r\n\n",
              "5\r\rhello", "5;a\x01\r\nhello", "5;\r\r\nhello", "+5\r\nhello",
              "0\r\nX: \x01\r\n\r\n"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(text, UpstreamFailure::kProtocol, chunkFailure(text));
        }
    }

    void limitsOfChunkLines() {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             chunkFailure("1;" + std::string(5000, 'x') + "\r\nx\r\n0\r\n\r\n"));
        std::string trailers = "0\r\n";
        for (int i = 0; i < 100; ++i) trailers += "X: " + std::string(100, 'y') + "\r\n";
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol, chunkFailure(trailers + "\r\n"));
        // No length that is announced is allocated.
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete, chunkFailure("FFFFFFFFFFFFFFFF\r\nx"));
    }

    void truncatedContentLengthOverTheWire() {
        ScriptedServer server(onceSaying(cat(kHead, "Content-Length: 100\r\n\r\n0123456789")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete, failureAfter(server, "0123456789"));
    }

    void truncatedChunkedOverTheWire() {
        ScriptedServer server(onceSaying(
            cat(kHead, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n64\r\nabc")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kIncomplete, failureAfter(server, "helloabc"));
    }

    void badChunkOverTheWire() {
        ScriptedServer server(onceSaying(
            cat(kHead, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol, failureAfter(server, "hello"));
    }

    void resetWithinTheBody() {
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            peer.readRequest(&request);
            peer.send(cat(kHead, "Content-Length: 100\r\n\r\n"));
            peer.resetAtEnd();  // at once: it may also find the client in the head
        });
        const UpstreamFailure failure = UpstreamFixture::failureOf([&] {
            char byte;
            get(server)->read(&byte, 1);
        });
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated, failure);
    }

    void silenceWithinTheBody() {
        fixture_->options.idleTimeout = Millis(100);
        ScriptedServer server([](ScriptedPeer& peer) {
            ScriptedRequest request;
            peer.readRequest(&request);
            peer.send(cat(kHead, "Content-Length: 100\r\n\r\nabc"));
            peer.waitForEnd();
        });
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kResponseTimeout, failureAfter(server, "abc"));
    }

    void trickleWithinTheBodyIsCut() { assertTrickleIsCut("Content-Length: 100000\r\n\r\n"); }

    void trickleWithinAChunksLineIsCut() {
        assertTrickleIsCut("Transfer-Encoding: chunked\r\n\r\n5;x=");
    }

    void readAllHonoursTheLimit() {
        const std::string body(1000, 'b');
        ScriptedServer server(ScriptedServer::saying(plainAnswer(200, "", body)));
        CPPUNIT_ASSERT_EQUAL(body, get(server)->readAll(1000));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kBodyTooLarge,
                             UpstreamFixture::failureOf([&] { get(server)->readAll(999); }));
        ScriptedServer chunked(ScriptedServer::saying(
            cat(kHead, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")));
        CPPUNIT_ASSERT(!get(chunked)->contentLength());
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), get(chunked)->readAll(5));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kBodyTooLarge,
                             UpstreamFixture::failureOf([&] { get(chunked)->readAll(4); }));
    }

    void bodyWithoutFramingIsRefused() {
        ScriptedServer server(onceSaying(cat(kHead, "\r\nall until the end")));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             fixture_->failureOf(UpstreamFixture::httpUpstream(server)));
    }

    void errorWithoutFramingIsTakenWithoutItsBody() {
        ScriptedServer server(onceSaying("HTTP/1.0 404 Not Found\r\n\r\nall until the end"));
        const std::unique_ptr<UpstreamResponse> response = get(server);
        CPPUNIT_ASSERT_EQUAL(404, response->status());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, *response->contentLength());
        CPPUNIT_ASSERT_EQUAL(std::string(), response->readAll(100));
    }

    void headAndNoContentHaveNoBody() {
        ScriptedServer server(ScriptedServer::answering([](const ScriptedRequest& request) {
            if (request.method == "HEAD") return cat(kHead, "Content-Length: 123456789012\r\n\r\n");
            return std::string("HTTP/1.1 204 No Content\r\n\r\n");
        }));
        const UpstreamPtr upstream =
            UpstreamFixture::share(UpstreamFixture::httpUpstream(server));
        UpstreamRequest request = UpstreamFixture::request(upstream);
        request.method = UpstreamMethod::kHead;
        const std::unique_ptr<UpstreamResponse> head = fixture_->client().send(request);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{123456789012}, *head->contentLength());
        CPPUNIT_ASSERT_EQUAL(std::string(), head->readAll(0));
        const std::unique_ptr<UpstreamResponse> none = fixture_->get(upstream);
        CPPUNIT_ASSERT_EQUAL(204, none->status());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, *none->contentLength());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
    }

    void connectionIsReusedAfterTheBody() {
        int answers = 0;
        ScriptedServer server(ScriptedServer::answering([&](const ScriptedRequest&) {
            return ++answers % 2 ? plainAnswer(200, "", std::string(100'000, 'x'))
                                 : cat(kHead, "Transfer-Encoding: chunked\r\n\r\n"
                                              "5\r\nhello\r\n0\r\n\r\n");
        }));
        for (int i = 0; i < 2; ++i) {
            CPPUNIT_ASSERT_EQUAL(std::size_t{100'000}, get(server)->readAll(1 << 20).size());
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), get(server)->readAll(100));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server.accepted());
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, server.requests().size());
    }

    void unreadBodyEndsTheConnection() {
        ScriptedServer server(
            ScriptedServer::saying(plainAnswer(200, "", std::string(100'000, 'B'))));
        for (int i = 0; i < 3; ++i) {
            char byte = 0;
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, get(server)->read(&byte, 1));
            CPPUNIT_ASSERT_EQUAL('B', byte);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server.accepted());
    }

    void surplusBytesEndTheConnection() {
        const std::string forged = plainAnswer(200, "", "forged");
        ScriptedServer server([&](ScriptedPeer& peer) {
            ScriptedRequest request;
            const std::string surplus = peer.number() == 0 ? forged : "";
            while (peer.readRequest(&request)) peer.send(plainAnswer(200, "", "real") + surplus);
        });
        CPPUNIT_ASSERT_EQUAL(std::string("real"), get(server)->readAll(100));
        CPPUNIT_ASSERT_EQUAL(std::string("real"), get(server)->readAll(100));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server.accepted());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamBodyTest);

}  // namespace ociproxy
