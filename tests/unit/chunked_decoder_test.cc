#include "front/chunked_decoder.h"

#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {
namespace {

using Status = ChunkedDecoder::Status;

// "BODY+REST" for a complete body, where REST was not consumed; "BODY..." for one that is
// not, "bad" for a malformed one. The input is given in pieces of `piece` bytes.
std::string decodedIn(std::size_t piece, std::string_view bytes, const ChunkLimits& limits) {
    ChunkedDecoder decoder(limits);
    std::string body;
    std::size_t given = 0;
    while (given < bytes.size()) {
        const ChunkedDecoder::Step step = decoder.advance(bytes.substr(given, piece));
        given += step.consumed;
        body += step.data;
        CPPUNIT_ASSERT_EQUAL(body.size(), static_cast<std::size_t>(decoder.decoded()));
        CPPUNIT_ASSERT_EQUAL(step.status == Status::kData, !step.data.empty());
        CPPUNIT_ASSERT_EQUAL(step.status == Status::kMalformed, !decoder.problem().empty());
        if (step.status == Status::kMalformed) return "bad";
        if (step.status == Status::kEnd) return body + "+" + std::string(bytes.substr(given));
    }
    return body + "...";
}

// The same whatever the pieces.
std::string decoded(std::string_view bytes, const ChunkLimits& limits = {}) {
    const std::string whole = decodedIn(bytes.size() + 1, bytes, limits);
    for (const std::size_t piece : {1, 2, 3, 7}) {
        CPPUNIT_ASSERT_EQUAL(whole, decodedIn(piece, bytes, limits));
    }
    return whole;
}

void assertDecoded(const std::string& wanted, const std::string& bytes,
                   const ChunkLimits& limits = {}) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(bytes.substr(0, 200), wanted, decoded(bytes, limits));
}

void assertAllBad(const std::vector<std::string>& all) {
    for (const std::string& bytes : all) assertDecoded("bad", bytes);
}

}  // namespace

class ChunkedDecoderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ChunkedDecoderTest);
    CPPUNIT_TEST(bodies);
    CPPUNIT_TEST(restIsTheNextRequest);
    CPPUNIT_TEST(cutBodiesAreNeverComplete);
    CPPUNIT_TEST(case202_badSizes);
    CPPUNIT_TEST(case202_missingLineEnds);
    CPPUNIT_TEST(sizesUpToTheLimit);
    CPPUNIT_TEST(refusedWithTheFirstWrongByte);
    CPPUNIT_TEST(extensionsAreIgnored);
    CPPUNIT_TEST(malformedExtensions);
    CPPUNIT_TEST(extensionsAreBoundedInTotal);
    CPPUNIT_TEST(trailersAreDropped);
    CPPUNIT_TEST(malformedTrailers);
    CPPUNIT_TEST(trailersAreBounded);
    CPPUNIT_TEST_SUITE_END();

public:
    void bodies() {
        assertDecoded("+", "0\r\n\r\n");
        assertDecoded("hello+", "5\r\nhello\r\n0\r\n\r\n");
        assertDecoded("hello, world+", "7\r\nhello, \r\n5\r\nworld\r\n0\r\n\r\n");
        assertDecoded("0123456789abcdef+", "10\r\n0123456789abcdef\r\n000\r\n\r\n");
        assertDecoded("0123456789+", "A\r\n0123456789\r\n0\r\n\r\n");
        assertDecoded("0123456789+", "a\r\n0123456789\r\n0\r\n\r\n");
        assertDecoded("\r\n\r\n+", "4\r\n\r\n\r\n\r\n0\r\n\r\n");
        assertDecoded(std::string("a\0b", 3) + "+", std::string("3\r\na\0b\r\n0\r\n\r\n", 13));
    }

    void restIsTheNextRequest() {
        assertDecoded("x+GET / HTTP/1.1\r\n", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
        assertDecoded("+0\r\n\r\n", "0\r\n\r\n0\r\n\r\n");
    }

    void cutBodiesAreNeverComplete() {
        const std::string whole = "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n";
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const std::string got = decoded(whole.substr(0, size));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(got, std::string("..."), got.substr(got.size() - 3));
        }
        assertDecoded("hello+", whole);
    }

    void case202_badSizes() {
        for (const char* size : {"FFFFFFFFFFFFFFFFF", "-1", "+1", "0x10", "", " 5", "5 ", "5\t",
                                 "g", "5g", "5,", "5_0", "1e+1", "00000000000000005",
                                 "\xef\xbc\x95", "8000000000000000", "FFFFFFFFFFFFFFFF", "5 5",
                                 "\"5\""}) {
            assertDecoded("bad", std::string(size) + "\r\nhello\r\n0\r\n\r\n");
        }
        assertAllBad({"\r\n5\r\nhello\r\n0\r\n\r\n",
                      std::string("5\0", 2) + "\r\nhello\r\n0\r\n\r\n"});
    }

    void case202_missingLineEnds() {
        assertAllBad({"5\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n",
                      "5\r\nhello\r0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n",
                      "5\r\nhello \r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n",
                      "5\r\nhello\r\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\r\n\rX",
                      "5\r\nhell\r\n0\r\n\r\n", "1\r\nx\r\n\r\n0\r\n\r\n"});
    }

    void sizesUpToTheLimit() {
        assertDecoded("...", "7FFFFFFFFFFFFFFF\r\n");
        assertDecoded("x...", "0000000000000001\r\nx\r\n7ffffffffffffffe\r\n");
        assertDecoded("bad", "1\r\nx\r\n7fffffffffffffff\r\n");
    }

    // Without the end of the line: it need not come.
    void refusedWithTheFirstWrongByte() {
        assertAllBad({"G", "-", "\n", " ", ";", "\r\r", "5x", "00000000000000000", "1\r\nxy",
                      "0\r\n\x01", "5;\x7f"});
    }

    void extensionsAreIgnored() {
        for (const char* extension : {";a", ";a=b", ";a=\"b\"", " ; a\t=\tb", ";a=\"\"",
                                      ";a;b=c;d=\"e;f=\\\"g\"", ";a=\"\xc3\xa9\t\"", ";a ;b"}) {
            assertDecoded("hello+", "5" + std::string(extension) + "\r\nhello\r\n0" +
                                        std::string(extension) + "\r\n\r\n");
        }
    }

    void malformedExtensions() {
        for (const char* extension : {";", ";;a", ";a=", ";a=\"", ";a=\"b", ";a=\"b\\", ";=b",
                                      ";a b", ";a=b c", ";a,b", ";a=\"b\"c", ";a ", ";a\r;b",
                                      ";a\n", ";\x01", " ;", ";a==b", ";\xc3\xa9", " a"}) {
            assertDecoded("bad", "5" + std::string(extension) + "\r\nhello\r\n0\r\n\r\n");
        }
    }

    void extensionsAreBoundedInTotal() {
        ChunkLimits limits;
        limits.extensions = 20;
        const std::string chunk = "1;123456789\r\nx\r\n";
        assertDecoded("xx+", chunk + chunk + "0\r\n\r\n", limits);
        assertDecoded("bad", chunk + chunk + "0;a\r\n\r\n", limits);
        assertDecoded("bad", "1;" + std::string(20, 'a'), limits);
        assertDecoded("x+", "1;" + std::string(8190, 'a') + "\r\nx\r\n0\r\n\r\n");
        assertDecoded("bad", "1;" + std::string(8192, 'a'));
    }

    void trailersAreDropped() {
        assertDecoded("+", "0\r\nX: y\r\n\r\n");
        assertDecoded("+", "0\r\nX:\r\nContent-Length: 5\r\nZ: \xc3\xa9\r\n\r\n");
        assertDecoded("x+GET", "1\r\nx\r\n0\r\nA: b\r\n\r\nGET");
    }

    void malformedTrailers() {
        for (const char* line : {"no colon", ": x", "X : y", " X: y", "X: a\rb", "X: a\nb",
                                 "X: \x01", "X(: y", "X: y\r\n folded"}) {
            assertDecoded("bad", "0\r\n" + std::string(line) + "\r\n\r\n");
        }
        assertDecoded("bad", std::string("0\r\nX: a\0b\r\n\r\n", 13));
    }

    void trailersAreBounded() {
        ChunkLimits limits;
        limits.trailers = 20;
        assertDecoded("+", "0\r\nX: 45678\r\nY: 45678\r\n\r\n", limits);
        assertDecoded("bad", "0\r\nX: 45678\r\nY: 456789\r\n\r\n", limits);
        assertDecoded("bad", "0\r\nX: 45678\r\nY: 45678\r\nZ:\r\n\r\n", limits);
        assertDecoded("bad", "0\r\nX: " + std::string(8192, 'a'));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChunkedDecoderTest);

}  // namespace ociproxy
