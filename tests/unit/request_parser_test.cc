#include "front/request_parser.h"

#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {
namespace {

using Status = RequestParser::Status;

// "ok METHOD TARGET HOST keep|close [body]", "incomplete", or the status of a refusal.
std::string describe(RequestParser* parser, Status status) {
    if (status == Status::kIncomplete) return "incomplete";
    if (status == Status::kRefused) return std::to_string(parser->refusal().status);
    const Request request = parser->takeRequest();
    return "ok " + request.methodText + " " + request.target + " " + request.host +
           (request.keepAlive ? " keep" : " close") + (request.hasBody ? " body" : "");
}

std::string parsed(const std::string& bytes, const ParserLimits& limits = {}) {
    RequestParser parser(limits);
    return describe(&parser, parser.advance(bytes));
}

// The same bytes one by one.
std::string parsedSlowly(const std::string& bytes, const ParserLimits& limits = {}) {
    RequestParser parser(limits);
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        const Status status = parser.advance(std::string_view(bytes).substr(0, size));
        if (status != Status::kIncomplete) return describe(&parser, status);
    }
    return "incomplete";
}

void assertParsed(const std::string& wanted, const std::string& bytes,
                  const ParserLimits& limits = {}) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(bytes.substr(0, 300), wanted, parsed(bytes, limits));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(bytes.substr(0, 300), wanted, parsedSlowly(bytes, limits));
}

// A GET whose head has these lines behind a good Host.
std::string with(const std::string& lines) {
    return "GET /v2/ HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
}

void assertFields(const std::string& wanted, const std::string& lines) {
    assertParsed(wanted, with(lines));
}

const char kGood[] = "ok GET /v2/ h keep";

}  // namespace

class RequestParserTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestParserTest);
    CPPUNIT_TEST(plainRequests);
    CPPUNIT_TEST(fieldsArriveAsSent);
    CPPUNIT_TEST(restIsLeft);
    CPPUNIT_TEST(oneEmptyLineBefore);
    CPPUNIT_TEST(requestLineGrammar);
    CPPUNIT_TEST(versions);
    CPPUNIT_TEST(otherProtocolsAreRefusedAtOnce);
    CPPUNIT_TEST(case30_absoluteForm);
    CPPUNIT_TEST(targetForms);
    CPPUNIT_TEST(case197_lengthAndTransferEncoding);
    CPPUNIT_TEST(case198_badContentLength);
    CPPUNIT_TEST(case199_badTransferEncoding);
    CPPUNIT_TEST(case200_host);
    CPPUNIT_TEST(hostGrammar);
    CPPUNIT_TEST(case201_malformedFields);
    CPPUNIT_TEST(everyControlByteIsRefused);
    CPPUNIT_TEST(case214_rangeFieldLimit);
    CPPUNIT_TEST(case217_otherMethods);
    CPPUNIT_TEST(bodies);
    CPPUNIT_TEST(expectations);
    CPPUNIT_TEST(connectionIsATokenList);
    CPPUNIT_TEST(requestLineLimit);
    CPPUNIT_TEST(headLimit);
    CPPUNIT_TEST(fieldLimit);
    CPPUNIT_TEST(encodedWordsStayAsTheyAre);
    CPPUNIT_TEST_SUITE_END();

public:
    void plainRequests() {
        assertParsed(kGood, with(""));
        assertParsed("ok HEAD /a?b=c&d h:5000 keep", "HEAD /a?b=c&d HTTP/1.1\r\nhost:h:5000\r\n\r\n");
        assertParsed("ok GET / h close", "GET / HTTP/1.0\r\nHost: h\r\n\r\n");
        assertParsed("ok GET /  close", "GET / HTTP/1.0\r\n\r\n");
        assertParsed("incomplete", "GET / HTTP/1.1\r\nHost: h\r\n");
        assertParsed("incomplete", "GET / HTTP/1.1\r\nHost: h\r\n\r");
        assertParsed("incomplete", "");
    }

    void fieldsArriveAsSent() {
        RequestParser parser{ParserLimits{}};
        const std::string bytes = with("Accept: a\r\nACCEPT:\t b ,c \t\r\nEmpty:\r\nX: \xc3\xa9 y\r\n");
        CPPUNIT_ASSERT(parser.advance(bytes) == Status::kComplete);
        CPPUNIT_ASSERT(parser.method() == Method::kGet);
        const Request request = parser.takeRequest();
        CPPUNIT_ASSERT_EQUAL(std::string("a, b ,c"), request.headers.joined("accept"));
        CPPUNIT_ASSERT_EQUAL(std::string(), *request.headers.find("Empty"));
        CPPUNIT_ASSERT_EQUAL(std::string("\xc3\xa9 y"), *request.headers.find("x"));
        CPPUNIT_ASSERT_EQUAL(1, request.minorVersion);
    }

    void restIsLeft() {
        RequestParser parser{ParserLimits{}};
        const std::string bytes = with("");
        CPPUNIT_ASSERT(parser.advance(bytes + "GET /next") == Status::kComplete);
        CPPUNIT_ASSERT_EQUAL(bytes.size(), parser.consumed());
    }

    void oneEmptyLineBefore() {
        assertParsed(kGood, "\r\n" + with(""));
        assertParsed("400", "\r\n\r\n" + with(""));
        assertParsed("400", "\n" + with(""));
        assertParsed("400", " " + with(""));
        RequestParser parser{ParserLimits{}};
        CPPUNIT_ASSERT(parser.advance("\r\n" + with("") + "x") == Status::kComplete);
        CPPUNIT_ASSERT_EQUAL(with("").size() + 2, parser.consumed());
    }

    void requestLineGrammar() {
        for (const char* line : {"GET", "GET /", "GET / ", "GET  / HTTP/1.1", "GET /  HTTP/1.1",
                                 "GET / HTTP/1.1 ", "GET\t/ HTTP/1.1", " GET / HTTP/1.1",
                                 "GET /a b HTTP/1.1", "G(T / HTTP/1.1", "/ HTTP/1.1",
                                 "GET /\x80 HTTP/1.1", "GET / HTTP/1.1 x"}) {
            assertParsed("400", std::string(line) + "\r\nHost: h\r\n\r\n");
        }
        assertParsed("400", "GET / HTTP/1.1\nHost: h\n\n");
    }

    void versions() {
        for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0", "HTTP/9.9"}) {
            assertParsed("505", std::string("GET / ") + version + "\r\nHost: h\r\n\r\n");
        }
        for (const char* version : {"http/1.1", "HTTP/1", "HTTP/1.10", "HTTP/11", "FOO/1.1",
                                    "HTTP/1.x", "HTTP /1.1", "HTTP/01.1", "HTTP/-1.1"}) {
            assertParsed("400", std::string("GET / ") + version + "\r\nHost: h\r\n\r\n");
        }
    }

    // A refusal with the first bytes, not when the client gives up waiting.
    void otherProtocolsAreRefusedAtOnce() {
        assertParsed("400", "\x16\x03\x01");
        assertParsed("400", "\x80\x2e\x01");
        assertParsed("400", "PRI * HTTP/2.0\r\n");
        assertParsed("400", std::string("\0", 1));
        assertParsed("400", "SSH-2.0-OpenSSH_9.2\r\n");
    }

    void case30_absoluteForm() {
        assertParsed("ok GET /v2/up/a/manifests/x other keep",
                     "GET http://other/v2/up/a/manifests/x HTTP/1.1\r\nHost: z\r\n\r\n");
        RequestParser parser{ParserLimits{}};
        parser.advance("GET HTTPS://Other:5000?q HTTP/1.1\r\nX: 1\r\nHost: z\r\n\r\n");
        const Request request = parser.takeRequest();
        CPPUNIT_ASSERT_EQUAL(std::string("/?q"), request.target);
        CPPUNIT_ASSERT_EQUAL(std::string("Other:5000"), *request.headers.find("Host"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), request.headers.count("Host"));
        // Host must be there and valid even if it does not count.
        assertParsed("400", "GET http://other/ HTTP/1.1\r\n\r\n");
        assertParsed("400", "GET http://other/ HTTP/1.1\r\nHost: a b\r\n\r\n");
    }

    void targetForms() {
        const std::string rest = " HTTP/1.1\r\nHost: h\r\n\r\n";
        assertParsed("ok GET / h2 keep", "GET http://h2" + rest);
        assertParsed("ok OPTIONS * h2 keep", "OPTIONS http://h2" + rest);
        assertParsed("ok OPTIONS * h keep", "OPTIONS *" + rest);
        assertParsed("ok CONNECT h2:443 h keep", "CONNECT h2:443" + rest);
        assertParsed("ok GET //a h keep", "GET //a" + rest);
        for (const char* line :
             {"GET *", "GET a", "GET ftp://h/", "GET http:///a", "GET http://u@h/", "GET h:443",
              "CONNECT /a", "CONNECT h", "CONNECT [::1]", "GET /a#b", "GET /<a>", "GET /\"",
              "GET /a\\b", "GET /a|b", "GET http://h:99999/", "GET http://h:/", "CONNECT http://h"}) {
            assertParsed("400", line + rest);
        }
    }

    void case197_lengthAndTransferEncoding() {
        assertFields("400", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
        assertFields("400", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n");
        assertFields("400", "Transfer-Encoding: \r\nContent-Length: 5\r\n");
    }

    void case198_badContentLength() {
        for (const char* value : {"+5", "5, 6", "5, 5", "0x5", "-1", "", "5 5", "five", "5;", "1e3",
                                  "1234567890123456789", "99999999999999999999999"}) {
            assertFields("400", std::string("Content-Length: ") + value + "\r\n");
        }
        assertFields("400", "Content-Length: 5\r\nContent-Length: 6\r\n");
        assertFields("400", "Content-Length: 5\r\nContent-Length: 5\r\n");
        assertFields("400", "Content-Length: 0\r\ncontent-length: 5\r\n");
    }

    void case199_badTransferEncoding() {
        for (const char* value : {"chunked, gzip", "chunked, chunked", "", ",", "chunked,",
                                  "chunked;q=1", "\"chunked\"", "chunked chunked"}) {
            assertFields("400", std::string("Transfer-Encoding: ") + value + "\r\n");
        }
        for (const char* value : {"gzip", "xchunked", "identity", "gzip, chunked"}) {
            assertFields("501", std::string("Transfer-Encoding: ") + value + "\r\n");
        }
        assertFields("400", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
        assertFields("501", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n");
        assertParsed("400", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    }

    void case200_host() {
        assertParsed("400", "GET / HTTP/1.1\r\n\r\n");
        assertParsed("400", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
        assertParsed("400", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
        assertParsed("400", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n");
    }

    void hostGrammar() {
        for (const char* host : {"a", "a.b-c_d", "127.0.0.1:80", "[::1]", "[2001:db8::1]:5000",
                                 "LocalHost:65535", "h:0"}) {
            assertParsed(std::string("ok GET / ") + host + " keep",
                         std::string("GET / HTTP/1.1\r\nHost: ") + host + "\r\n\r\n");
        }
        for (const char* host : {"", "a,b", "u@a", "a/b", "a?b", "a%00", "[::1", "::1", "[a]",
                                 "[1.2.3.4]", "a:", "a:x", "a:65536", "a:-1", "a:1:2", "[::1]x",
                                 "[::1%25eth0]", "a\\b", "a:000080", "\xc3\xa9"}) {
            assertParsed("400", std::string("GET / HTTP/1.1\r\nHost: ") + host + "\r\n\r\n");
        }
    }

    void case201_malformedFields() {
        for (const std::string& line :
             {std::string("Header : v"), std::string("Header\t: v"), std::string(" folded"),
              std::string("X: 1\r\n folded"), std::string("X: 1\r\n\tfolded"),
              std::string("X: a\rb"), std::string("X: a\nY: b"), std::string("X: a\0b", 6),
              std::string("\0X: a", 5), std::string("no colon"), std::string(": no name"),
              std::string("a b: c"), std::string("X: a\r\r"), std::string("N\xc3\xa9: v"),
              std::string("X(y): v"), std::string("Content-Length : 5")}) {
            assertFields("400", line + "\r\n");
        }
    }

    void everyControlByteIsRefused() {
        for (int byte = 0; byte < 0x20; ++byte) {
            if (byte == '\t') continue;
            const std::string control(1, static_cast<char>(byte));
            assertFields("400", "X: a" + control + "b\r\n");
            assertParsed("400", "GET /" + control + " HTTP/1.1\r\nHost: h\r\n\r\n");
        }
        assertFields("400", "X: a\x7f\r\n");
        assertFields(kGood, "X: a\tb\r\n");
    }

    void case214_rangeFieldLimit() {
        assertFields(kGood, "Range: " + std::string(64 * 1024, '1') + "\r\n");
        assertFields("431", "Range: " + std::string(64 * 1024 + 1, '1') + "\r\n");
        assertFields(kGood, "X-Range: " + std::string(65 * 1024, '1') + "\r\n");
    }

    void case217_otherMethods() {
        for (const char* method : {"OPTIONS", "TRACE", "POST", "get", "PATCH", "M-SEARCH"}) {
            const std::string line = std::string(method) + " /x HTTP/1.1\r\nHost: h\r\n\r\n";
            assertParsed(std::string("ok ") + method + " /x h keep", line);
            RequestParser parser{ParserLimits{}};
            parser.advance(line);
            CPPUNIT_ASSERT(parser.method() == Method::kOther);
        }
        assertParsed("501", std::string(65, 'M') + " / HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    void bodies() {
        assertFields(std::string(kGood) + " body", "Content-Length: 5\r\n");
        assertFields(std::string(kGood) + " body", "Content-Length: 999999999999999999\r\n");
        assertFields(kGood, "Content-Length: 0\r\n");
        assertFields(std::string(kGood) + " body", "Transfer-Encoding: Chunked\r\n");
    }

    void expectations() {
        assertFields(std::string(kGood) + " body",
                     "Content-Length: 5\r\nExpect: 100-Continue\r\n");
        assertFields(kGood, "Expect: 100-continue\r\n");
        assertFields("417", "Expect: something\r\n");
        assertFields("417", "Expect: 100-continue, more\r\n");
        assertParsed("ok GET / h close", "GET / HTTP/1.0\r\nHost: h\r\nExpect: x\r\n\r\n");
    }

    void connectionIsATokenList() {
        const char* const closed = "ok GET /v2/ h close";
        assertFields(closed, "Connection: close\r\n");
        assertFields(closed, "Connection: foo, CLOSE\r\n");
        assertFields(closed, "Connection: close, keep-alive\r\n");
        assertFields(closed, "Connection: foo\r\nConnection: close\r\n");
        assertFields(closed, "Connection: \"close\"\r\n");
        assertFields(kGood, "Connection: closed\r\n");
        assertFields(kGood, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n");
        const std::string old = "GET / HTTP/1.0\r\nHost: h\r\nConnection: ";
        assertParsed("ok GET / h keep", old + "Keep-Alive\r\n\r\n");
        assertParsed("ok GET / h close", old + "keep-alive, close\r\n\r\n");
        assertParsed("ok GET / h close", old + "foo\r\n\r\n");
    }

    void requestLineLimit() {
        const std::string tail = " HTTP/1.1";
        const std::size_t fitting = 16 * 1024 - tail.size() - 5;
        const std::string rest = tail + "\r\nHost: h\r\n\r\n";
        CPPUNIT_ASSERT_EQUAL(std::string("ok GET"),
                             parsed("GET /" + std::string(fitting, 'a') + rest).substr(0, 6));
        assertParsed("414", "GET /" + std::string(fitting + 1, 'a') + rest);
        // Without the end of the line: it need not come.
        assertParsed("414", "GET /" + std::string(16 * 1024, 'a'));
        assertParsed("414", std::string(16 * 1024 + 1, 'a'));
    }

    void headLimit() {
        ParserLimits limits;
        limits.head = 200;
        limits.requestLine = 100;
        const std::size_t used = with("X: \r\n").size();
        assertParsed(kGood, with("X: " + std::string(200 - used, 'v') + "\r\n"), limits);
        assertParsed(kGood, "\r\n" + with("X: " + std::string(200 - used, 'v') + "\r\n"), limits);
        assertParsed("431", with("X: " + std::string(201 - used, 'v') + "\r\n"), limits);
        assertParsed("431", "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(200, 'v'), limits);
        assertParsed("431", with("X: " + std::string(128 * 1024, 'v') + "\r\n"));
    }

    void fieldLimit() {
        std::string lines;
        for (int i = 0; i < 127; ++i) lines += "X: 1\r\n";
        assertFields(kGood, lines);
        assertFields("431", lines + "X: 1\r\n");
    }

    // Header injection by RFC 2047 (stack: decoded by some parsers).
    void encodedWordsStayAsTheyAre() {
        RequestParser parser{ParserLimits{}};
        const std::string value = "=?utf-8?Q?=0d=0aInjected:_1?=";
        CPPUNIT_ASSERT(parser.advance(with("X: " + value + "\r\n")) == Status::kComplete);
        CPPUNIT_ASSERT_EQUAL(value, *parser.takeRequest().headers.find("X"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestParserTest);

}  // namespace ociproxy
