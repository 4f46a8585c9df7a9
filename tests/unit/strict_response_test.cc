#include "upstream/strict_response.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/string_source.h"
#include "support/upstream_fixture.h"

namespace ociproxy {

namespace {

ResponseHead read(const std::string& text) {
    StringSource source(text);
    ResponseHead head = readResponseHead(source);
    CPPUNIT_ASSERT_EQUAL(std::string(), source.rest());
    return head;
}

ResponseHead withFields(const std::string& fields) {
    return read("HTTP/1.1 200 OK\r\n" + fields + "\r\n");
}

UpstreamFailure failure(const std::string& text) {
    return UpstreamFixture::failureOf([&] { read(text); });
}

void assertMalformed(const std::string& text) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(text.substr(0, 200), UpstreamFailure::kProtocol, failure(text));
}

void assertMalformedFields(const std::string& fields) {
    assertMalformed("HTTP/1.1 200 OK\r\n" + fields + "\r\n");
}

}  // namespace

class StrictResponseTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StrictResponseTest);
    CPPUNIT_TEST(aPlainHead);
    CPPUNIT_TEST(fieldsAreRawAndFoundWithoutCase);
    CPPUNIT_TEST(onlyTheHeadIsTaken);
    CPPUNIT_TEST(statusLines);
    CPPUNIT_TEST(badStatusLines);
    CPPUNIT_TEST(case201_badFields);
    CPPUNIT_TEST(case206_controlBytes);
    CPPUNIT_TEST(lineEnds);
    CPPUNIT_TEST(case198_contentLength);
    CPPUNIT_TEST(case205_transferCodings);
    CPPUNIT_TEST(http10Closes);
    CPPUNIT_TEST(case204_fieldsNamedByConnectionAreDropped);
    CPPUNIT_TEST(case205_limits);
    CPPUNIT_TEST(endsWithinTheHead);
    CPPUNIT_TEST(whatIsNotHttpIsRefusedAtOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    void aPlainHead() {
        const ResponseHead head = withFields("Content-Length: 5\r\nContent-Type: text/plain\r\n");
        CPPUNIT_ASSERT_EQUAL(200, head.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, *head.contentLength);
        CPPUNIT_ASSERT(!head.chunked && !head.close);
    }

    void fieldsAreRawAndFoundWithoutCase() {
        const ResponseHead head = withFields(
            "X-A:  =?utf-8?Q?=0d=0aInjected:_1?= \t\r\nx-a: two\r\nEmpty:\r\nTab: a\tb\r\n"
            "Raw: caf\xe9\r\n");
        CPPUNIT_ASSERT_EQUAL(std::string("=?utf-8?Q?=0d=0aInjected:_1?="), *head.field("x-A"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, head.all("X-A").size());
        CPPUNIT_ASSERT_EQUAL(std::string("two"), head.all("X-A")[1]);
        CPPUNIT_ASSERT_EQUAL(std::string(), *head.field("empty"));
        CPPUNIT_ASSERT_EQUAL(std::string("a\tb"), *head.field("Tab"));
        CPPUNIT_ASSERT_EQUAL(std::string("caf\xe9"), *head.field("Raw"));
        CPPUNIT_ASSERT(!head.field("X"));
    }

    void onlyTheHeadIsTaken() {
        StringSource source("HTTP/1.1 200 OK\r\n\r\nbody");
        readResponseHead(source);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), source.rest());
    }

    void statusLines() {
        for (const char* line : {"HTTP/1.1 404 Not Found", "HTTP/1.1 404 ", "HTTP/1.1 404",
                                 "HTTP/1.0 404 x", "HTTP/1.1 404 caf\xe9"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(line, 404,
                                         read(std::string(line) + "\r\n\r\n").status);
        }
    }

    void badStatusLines() {
        for (const char* line :
             {"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/1.1 099 x",
              "HTTP/1.1 600 x", "HTTP/1.1 +20 x", "HTTP/1.1 2x0 x", "HTTP/1.2 200 OK",
              "HTTP/2 200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1", "HTTP/1.1 ", "http/1.1 200 OK",
              "HTTP/1.1 200\tOK", " HTTP/1.1 200 OK", "HTTP/11 200 OK", "HTTP/1.1 200 a\x01"}) {
            assertMalformed(std::string(line) + "\r\n\r\n");
        }
        assertMalformed("\r\nHTTP/1.1 200 OK\r\n\r\n");
    }

    void case201_badFields() {
        for (const char* field : {"No colon", ": v", "Space : v", " X: folded", "\tX: folded",
                                  "X y: v", "X(): v", "X\xe9: v"}) {
            assertMalformedFields(std::string(field) + "\r\n");
        }
        assertMalformedFields("X: a\r\n b\r\n");
    }

    void case206_controlBytes() {
        assertMalformedFields("Location: /x\rSet-Cookie: a\r\n");
        assertMalformedFields(std::string("X: a\0b\r\n", 8));
        assertMalformedFields("X: a\x7f\r\n");
        assertMalformedFields("X: a\x1b[0m\r\n");
        assertMalformedFields("X: a\r\r\n");
    }

    void lineEnds() {
        assertMalformed("HTTP/1.1 200 OK\n\n");
        assertMalformedFields("X: a\nY: b\r\n");
        assertMalformed("HTTP/1.1 200 OK\r\n\n");
    }

    void case198_contentLength() {
        for (const char* value : {"+5", "-5", "5, 6", "5,5", "0x5", "5 5", "", "5.0", "\t",
                                  "1234567890123456789", "99999999999999999999999"}) {
            assertMalformedFields(cat("Content-Length: ", value, "\r\n"));
        }
        assertMalformedFields("Content-Length: 5\r\nContent-Length: 6\r\n");
        assertMalformedFields("Content-Length: 5\r\ncontent-length: 5\r\n");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{999999999999999999},
                             *withFields("Content-Length: 999999999999999999\r\n").contentLength);
    }

    void case205_transferCodings() {
        CPPUNIT_ASSERT(withFields("Transfer-Encoding: chunked\r\n").chunked);
        CPPUNIT_ASSERT(withFields("transfer-encoding: Chunked \r\n").chunked);
        for (const char* coding : {"gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked",
                                   "xchunked", "identity", "", "chunked;a=b", "\"chunked\""}) {
            assertMalformedFields(cat("Transfer-Encoding: ", coding, "\r\n"));
        }
        assertMalformedFields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
        assertMalformedFields("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n");
        assertMalformed("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    }

    void http10Closes() {
        CPPUNIT_ASSERT(read("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").close);
        CPPUNIT_ASSERT(withFields("Connection: close\r\n").close);
        CPPUNIT_ASSERT(withFields("Connection: foo, Close\r\n").close);
        CPPUNIT_ASSERT(withFields("Connection: foo\r\nConnection: close\r\n").close);
        CPPUNIT_ASSERT(!withFields("Connection: keep-alive\r\n").close);
        CPPUNIT_ASSERT(!withFields("Connection: closed\r\n").close);
    }

    void case204_fieldsNamedByConnectionAreDropped() {
        const ResponseHead head = withFields(
            "Docker-Content-Digest: x\r\nContent-Length: 5\r\n"
            "Connection: close, Docker-Content-Digest, Content-Length\r\nX: y\r\n");
        CPPUNIT_ASSERT(head.close && !head.field("Docker-Content-Digest"));
        CPPUNIT_ASSERT(head.field("X"));
        // Framing is what it was on the wire.
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, *head.contentLength);
    }

    void case205_limits() {
        const std::string field = "X: " + std::string(1000, 'y') + "\r\n";
        std::string many;
        for (int i = 0; i < 128; ++i) many += "A: b\r\n";
        CPPUNIT_ASSERT_EQUAL(std::size_t{128}, withFields(many).fields.size());
        assertMalformedFields(many + "A: b\r\n");
        std::string large;
        while (large.size() < kMaxResponseHead) large += field;
        assertMalformedFields(large);
        const std::string start = "HTTP/1.1 200 OK\r\nX: ";
        const std::size_t room = kMaxResponseHead - start.size() - 4;
        CPPUNIT_ASSERT_EQUAL(room, read(start + std::string(room, 'z') + "\r\n\r\n")
                                       .fields.front().value.size());
        assertMalformed(start + std::string(room + 1, 'z') + "\r\n\r\n");
    }

    void endsWithinTheHead() {
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated, failure(""));
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kConnectionTerminated,
                             failure("HTTP/1.1 200 OK\r\nX: y\r\n"));
    }

    void whatIsNotHttpIsRefusedAtOnce() {
        StringSource source("\x15\x03\x01 TLS alert");
        CPPUNIT_ASSERT_EQUAL(UpstreamFailure::kProtocol,
                             UpstreamFixture::failureOf([&] { readResponseHead(source); }));
        CPPUNIT_ASSERT_EQUAL(std::string("\x03\x01 TLS alert"), source.rest());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StrictResponseTest);

}  // namespace ociproxy
