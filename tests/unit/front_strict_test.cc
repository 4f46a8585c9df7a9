// What is not HTTP/1.1 as RFC 9110 and 9112 have it, on the wire: one answer, then the end,
// and what stands behind it is never taken for a request.
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/front_fixture.h"

namespace ociproxy {
namespace {

const char kNext[] = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

struct Row {
    int status;
    std::string bytes;
};

// A GET with these field lines behind a good Host.
Row fields(int status, const std::string& lines) {
    return Row{status, "GET /first HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"};
}

Row line(int status, const std::string& requestLine) {
    return Row{status, requestLine + "\r\nHost: h\r\n\r\n"};
}

Row host(int status, const std::string& hostLines) {
    return Row{status, "GET /first HTTP/1.1\r\n" + hostLines + "\r\n"};
}

std::string nul(const std::string& before, const std::string& after) {
    return before + '\0' + after;
}

std::string label(const std::string& bytes) { return logEscape(bytes.substr(0, 120)); }

}  // namespace

class FrontStrictTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FrontStrictTest);
    CPPUNIT_TEST(case197_to_case199_framing);
    CPPUNIT_TEST(case200_host);
    CPPUNIT_TEST(case201_fields);
    CPPUNIT_TEST(case214_limits);
    CPPUNIT_TEST(requestLines);
    CPPUNIT_TEST(expectations);
    CPPUNIT_TEST(otherProtocols);
    CPPUNIT_TEST(answeredWithoutTheirBody);
    CPPUNIT_TEST(case217_tunnelsAndEchoes);
    CPPUNIT_TEST(unusualButRight);
    CPPUNIT_TEST(oldVersionIsServed);
    CPPUNIT_TEST(everyByteOfALineEnd);
    CPPUNIT_TEST_SUITE_END();

public:
    void case197_to_case199_framing() {
        assertRefused({
            fields(400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            fields(400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            fields(400, "Transfer-Encoding: identity\r\nContent-Length: 5\r\n"),
            fields(400, "Content-Length: 5\r\nContent-Length: 6\r\n"),
            fields(400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
            fields(400, "Content-Length: 5, 6\r\n"), fields(400, "Content-Length: 5, 5\r\n"),
            fields(400, "Content-Length: 0, 0\r\n"), fields(400, "Content-Length: +5\r\n"),
            fields(400, "Content-Length: -5\r\n"), fields(400, "Content-Length: 0x5\r\n"),
            fields(400, "Content-Length: 0o5\r\n"), fields(400, "Content-Length: 1_0\r\n"),
            fields(400, "Content-Length: 1 0\r\n"), fields(400, "Content-Length: 5;\r\n"),
            fields(400, "Content-Length: \"5\"\r\n"), fields(400, "Content-Length:\r\n"),
            fields(400, "Content-Length: 5.0\r\n"), fields(400, "Content-Length: 1e1\r\n"),
            fields(400, "Content-Length: 9223372036854775808\r\n"),
            fields(400, "Content-Length: 99999999999999999999999999\r\n"),
            fields(400, "Content-Length: \xd9\xa5\r\n"),
            fields(501, "Transfer-Encoding: gzip\r\n"),
            fields(501, "Transfer-Encoding: xchunked\r\n"),
            fields(501, "Transfer-Encoding: gzip, chunked\r\n"),
            fields(501, "Transfer-Encoding: identity\r\n"),
            fields(400, "Transfer-Encoding: chunked, gzip\r\n"),
            fields(400, "Transfer-Encoding: chunked, chunked\r\n"),
            fields(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            fields(400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
            fields(400, "Transfer-Encoding: , chunked\r\n"),
            fields(400, "Transfer-Encoding: chunked,\r\n"),
            fields(400, "Transfer-Encoding: \"chunked\"\r\n"),
            fields(400, "Transfer-Encoding: chunked;q=1\r\n"),
            fields(400, "Transfer-Encoding: chunked x\r\n"),
            fields(400, "Transfer-Encoding:\r\n"),
            fields(400, "Transfer-Encoding: \x0b" "chunked\r\n"),
            fields(400, "Transfer-Encoding: \x0c" "chunked\r\n"),
            fields(400, nul("Transfer-Encoding: chunked", "\r\n")),
            fields(400, "Transfer-Encoding: \xa0" "chunked\r\n"),
            fields(400, "Transfer-Encoding : chunked\r\n"),
            fields(400, "Transfer-Encoding\t: chunked\r\n"),
            fields(400, "Transfer-Encoding:\r\n chunked\r\n"),
            fields(400, "Content-Length : 5\r\n"), fields(400, " Content-Length: 5\r\n"),
            Row{400, "GET /first HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        });
    }

    void case200_host() {
        assertRefused({
            host(400, ""), host(400, "Host: h\r\nHost: h\r\n"), host(400, "Host: h\r\nhost: i\r\n"),
            host(400, "Host: a b\r\n"), host(400, "Host:\r\n"), host(400, "Host: h, i\r\n"),
            host(400, "Host: user@h\r\n"), host(400, "Host: user:pass@h\r\n"),
            host(400, "Host: h/path\r\n"), host(400, "Host: h?q\r\n"), host(400, "Host: h#f\r\n"),
            host(400, "Host: http://h\r\n"), host(400, "Host: h:port\r\n"),
            host(400, "Host: h:\r\n"), host(400, "Host: h:65536\r\n"), host(400, "Host: h:1:2\r\n"),
            host(400, "Host: [::1\r\n"), host(400, "Host: ::1\r\n"), host(400, "Host: h%00\r\n"),
            host(400, "Host : h\r\n"), host(400, " Host: h\r\n"), host(400, "X: y\r\n Host: h\r\n"),
            Row{400, "GET http://h/ HTTP/1.1\r\n\r\n"},
            Row{400, "GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n"},
            Row{400, "GET /first HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n"},
        });
    }

    void case201_fields() {
        assertRefused({
            fields(400, "Header : v\r\n"), fields(400, "Header\t: v\r\n"),
            fields(400, "X: a\r\n b\r\n"), fields(400, "X: a\r\n\tb\r\n"), fields(400, " X: a\r\n"),
            fields(400, "X: a\r\n \r\n"), fields(400, "X: a\rb\r\n"), fields(400, "X: a\r\r\n"),
            fields(400, "X: a\nY: b\r\n"), fields(400, "X: a\n"), fields(400, "\nX: a\r\n"),
            fields(400, nul("X: a", "b\r\n")), fields(400, nul("X", "Y: b\r\n")),
            fields(400, "X: \x01\r\n"), fields(400, "X: \x7f\r\n"), fields(400, "X: \x1b[0m\r\n"),
            fields(400, "no colon\r\n"), fields(400, ": v\r\n"), fields(400, "A B: v\r\n"),
            fields(400, "X(Y): v\r\n"), fields(400, "\"X\": v\r\n"), fields(400, "X@: v\r\n"),
            fields(400, "X\xc3\xa9: v\r\n"), fields(400, "{}: v\r\n"),
        });
    }

    void case214_limits() {
        assertRefused({
            fields(431, "Range: bytes=" + std::string(65 * 1024, '1') + "-\r\n"),
            fields(431, "X: " + std::string(128 * 1024, 'x') + "\r\n"),
            fields(431, std::string(128 * 1024, 'x') + ": v\r\n"),
            fields(431, many("X: v\r\n", 200)),
            line(414, "GET /" + std::string(17 * 1024, 'a') + " HTTP/1.1"),
            line(501, std::string(100, 'M') + " / HTTP/1.1"),
            line(414, std::string(17 * 1024, 'M') + " / HTTP/1.1"),
        });
    }

    void requestLines() {
        std::vector<Row> rows;
        for (const char* bad :
             {"GET", "GET /", "GET / ", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ",
              "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", " GET / HTTP/1.1", "\tGET / HTTP/1.1",
              "GET /a b HTTP/1.1", "GET / http/1.1", "GET / HTTP/1", "GET / HTTP/1.",
              "GET / HTTP/.1",
              "GET / HTTP/01.1", "GET / HTTP/1.01", "GET / HTTP/ 1.1", "GET / HTTP /1.1",
              "GET / HTTPS/1.1", "GET / HTTP/1,1", "GET / HTTP/+1.1", "GET HTTP/1.1", "/ HTTP/1.1",
              "GET /#fragment HTTP/1.1", "GET /a#b?c HTTP/1.1", "GET * HTTP/1.1",
              "GET path HTTP/1.1", "GET ?q HTTP/1.1", "GET h:80 HTTP/1.1", "GET ftp://h/ HTTP/1.1",
              "GET http:/// HTTP/1.1", "GET http://user@h/ HTTP/1.1", "GET http://h:x/ HTTP/1.1",
              "GET /a\\b HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /\xc0\xaf HTTP/1.1",
              "GET /\"a\" HTTP/1.1", "GET /<a> HTTP/1.1", "GET /^ HTTP/1.1", "GET /{a} HTTP/1.1",
              "GET /\x7f HTTP/1.1", "GET /\x01 HTTP/1.1", "G(T / HTTP/1.1", "GET: / HTTP/1.1",
              "CONNECT / HTTP/1.1", "CONNECT h HTTP/1.1", "CONNECT h: HTTP/1.1",
              "CONNECT http://h:80/ HTTP/1.1", "OPTIONS ** HTTP/1.1"}) {
            rows.push_back(line(400, bad));
        }
        for (const char* version : {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"}) {
            rows.push_back(line(505, cat("GET / ", version)));
        }
        rows.push_back(line(400, nul("GET /", " HTTP/1.1")));
        rows.push_back(Row{400, "GET / HTTP/1.1\nHost: h\n\n"});
        rows.push_back(Row{400, "GET / HTTP/1.1\rHost: h\r\r"});
        rows.push_back(Row{400, "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"});
        rows.push_back(Row{400, "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"});
        rows.push_back(Row{400, " \r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"});
        rows.push_back(Row{400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n"});
        assertRefused(rows);
    }

    void expectations() {
        assertRefused({
            fields(417, "Expect: 200-ok\r\n"), fields(417, "Expect: 100-continue, x\r\n"),
            fields(417, "Expect:\r\n"),
            fields(417, "Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        });
    }

    void otherProtocols() {
        assertRefused({
            Row{400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, Row{400, "SSH-2.0-OpenSSH_9.2\r\n"},
            Row{400, "\x16\x03\x01\x02"}, Row{400, "\x80\x2e\x01"}, Row{400, nul("", "\r\n")},
            Row{400, "EHLO h\r\n"}, Row{400, "{\"a\":1}\r\n"},
        });
    }

    // The application answers; what follows is body, however much it looks like a request.
    void answeredWithoutTheirBody() {
        for (const char* head :
             {"GET /first HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\n",
              "HEAD /first HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\n",
              "POST /first HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
              "OPTIONS /first HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\n",
              "TRACE /first HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\n",
              "PUT /first HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n"
              "Expect: 100-continue\r\n\r\n",
              "POST /first HTTP/1.0\r\nContent-Length: 31\r\nConnection: keep-alive\r\n\r\n"}) {
            FrontFixture front;
            front.start();
            assertOneAnswer(&front, Row{200, head});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(head, std::size_t(1), front.application.handled().size());
        }
    }

    void case217_tunnelsAndEchoes() {
        FrontFixture front;
        front.application.setHandler([](std::shared_ptr<Exchange> exchange) {
            CPPUNIT_ASSERT(exchange->request().method == Method::kOther);
            exchange->reply(bytesReply("no", 405));
        });
        front.start();
        assertOneAnswer(&front, Row{405, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"});
        FrontClient client = front.connect();
        for (const char* request : {"TRACE /first", "OPTIONS *", "OPTIONS /first", "BREW /pot"}) {
            client.send(cat(request, " HTTP/1.1\r\nHost: h\r\nSecret: s\r\n\r\n"));
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(405, reply.status);
            CPPUNIT_ASSERT_EQUAL(std::string::npos, (reply.head + reply.body).find("ecret"));
        }
    }

    void unusualButRight() {
        FrontFixture front;
        front.start();
        for (const std::string& first :
             {std::string("\r\nGET /first HTTP/1.1\r\nHost: h\r\n\r\n"),
              std::string("GET http://other:5000/first HTTP/1.1\r\nHost: h\r\n\r\n"),
              std::string("GET /first HTTP/1.1\r\nhOST:h\r\n\r\n"),
              std::string("GET /first HTTP/1.1\r\nHost:\t h \t\r\n\r\n"),
              fields(200, "Content-Length: 0\r\n").bytes, fields(200, "X:\r\n").bytes,
              fields(200, "X: \xc3\xa9 a\tb\r\n").bytes,
              fields(200, "Expect: 100-CONTINUE\r\n").bytes,
              fields(200, "Connection: keep-alive, X\r\nX: 1\r\n").bytes,
              fields(200, "Connection: Upgrade\r\nUpgrade: h2c\r\n").bytes,
              fields(200, "Range: bytes=" + std::string(64 * 1024 - 7, '1') + "-\r\n").bytes,
              fields(200, many("X: v\r\n", 127)).bytes}) {
            FrontClient client = front.connect();
            client.send(first + kNext);
            for (const char* answer : {"GET /first", "GET /next"}) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(label(first), std::string(answer),
                                             client.read().body);
            }
        }
    }

    void oldVersionIsServed() {
        FrontFixture front;
        front.start();
        assertOneAnswer(&front, Row{200, "GET /first HTTP/1.0\r\n\r\n"});
        assertOneAnswer(&front, Row{200, "GET /first HTTP/1.0\r\nExpect: x\r\nHost: h\r\n\r\n"});
        FrontClient client = front.connect();
        const char* const keep = "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        client.send(cat(keep, keep, kNext));
        for (int i = 0; i < 2; ++i) {
            const ClientReply reply = client.read();
            CPPUNIT_ASSERT_EQUAL(std::string("keep-alive"), reply.field("Connection"));
            CPPUNIT_ASSERT_EQUAL(std::string("GET /a"), reply.body);
        }
        CPPUNIT_ASSERT_EQUAL(std::string("GET /next"), client.read().body);
    }

    // Every byte in the place of CR and of LF of every line: refused, but for the right one.
    void everyByteOfALineEnd() {
        const std::string good = "GET /first HTTP/1.1\r\nHost: h\r\n\r\n";
        std::vector<Row> rows;
        for (const std::size_t at : {19, 20, 28, 29, 30, 31}) {
            for (const int byte : {0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0x85}) {
                std::string bad = good;
                if (bad[at] == static_cast<char>(byte)) continue;
                bad[at] = static_cast<char>(byte);
                rows.push_back(Row{400, bad});
            }
        }
        assertRefused(rows);
    }

private:
    static std::string many(const std::string& text, int count) {
        std::string out;
        for (int i = 0; i < count; ++i) out += text;
        return out;
    }

    // `row` and a good request at once: one answer, the connection is closed behind it in
    // order, and not by a reset, which could eat the answer.
    static void assertOneAnswer(FrontFixture* front, const Row& row) {
        FrontClient client = front->connect();
        client.send(row.bytes + kNext);
        client.shutdownSend();
        const std::string all = client.readToEnd();
        const std::string what = label(row.bytes);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(what, cat("HTTP/1.1 ", row.status), all.substr(0, 12));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(what, std::size_t(0), all.rfind("HTTP/1.1 "));
        CPPUNIT_ASSERT_MESSAGE(what, all.find("\r\nConnection: close\r\n") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(what, client.end() == FrontClient::End::kClosed);
    }

    static void assertRefused(const std::vector<Row>& rows) {
        FrontFixture front;
        front.start();
        for (const Row& row : rows) assertOneAnswer(&front, row);
        for (const FinishedCopy& one : front.application.waitFinished(rows.size())) {
            CPPUNIT_ASSERT(!one.hasRequest);
        }
        CPPUNIT_ASSERT(front.application.handled().empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrontStrictTest);

}  // namespace ociproxy
