#include "ociproxy/registry/range.h"

#include <cstdint>
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

// What a GET with this Range gets of a body of `length` bytes: its Content-Range lines, that
// of a 416, or "full".
std::string answer(const std::string& header, std::uint64_t length = 1000) {
    std::optional<std::vector<RangeSpec>> specs = parseRange(header);
    if (!specs) return "full";
    std::string out;
    for (const RangeSpec& spec : *specs) {
        std::optional<ByteRange> range = satisfy(spec, length);
        if (!range) continue;
        if (!out.empty()) out += '|';
        out += contentRange(*range, length);
    }
    return out.empty() ? unsatisfiedRange(length) : out;
}

void assertAnswer(const std::string& wanted, const std::string& header) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(header, wanted, answer(header));
}

}  // namespace

class RangeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RangeTest);
    CPPUNIT_TEST(case53_ifNoneMatch);
    CPPUNIT_TEST(case54_ifNoneMatchOfOthers);
    CPPUNIT_TEST(ifMatchIsStrong);
    CPPUNIT_TEST(case62_closedRange);
    CPPUNIT_TEST(case63_openAndSuffixRange);
    CPPUNIT_TEST(case64_lastIsClamped);
    CPPUNIT_TEST(case65_hugeNumbersSaturate);
    CPPUNIT_TEST(case66_unsatisfiable);
    CPPUNIT_TEST(case67_longSuffix);
    CPPUNIT_TEST(case68_malformedIsIgnored);
    CPPUNIT_TEST(case69_otherUnitsAreIgnored);
    CPPUNIT_TEST(case70_unitIgnoresCase);
    CPPUNIT_TEST(case71_severalRangesInRequestOrder);
    CPPUNIT_TEST(case74_noneOfSeveral);
    CPPUNIT_TEST(case76_manyRangesAreCounted);
    CPPUNIT_TEST(case78_whiteSpaceAndEmptyElements);
    CPPUNIT_TEST(case79_ifRange);
    CPPUNIT_TEST(case83_emptyBody);
    CPPUNIT_TEST(largestBody);
    CPPUNIT_TEST(case45_contentRange);
    CPPUNIT_TEST(malformedContentRangeIsRefused);
    CPPUNIT_TEST_SUITE_END();

public:
    void case53_ifNoneMatch() {
        for (const char* header : {"\"sha256:d1\"", "sha256:d1", "W/\"sha256:d1\"", "*",
                                   "\"x\",\"sha256:d1\"", " \"x\" , W/\"sha256:d1\" ",
                                   "x, sha256:d1", "\"a,b\", \"sha256:d1\"", ",,\"sha256:d1\"",
                                   "\"sha256:d1\",", " * "}) {
            CPPUNIT_ASSERT_MESSAGE(header, matchesIfNoneMatch(header, "sha256:d1"));
        }
    }

    void case54_ifNoneMatchOfOthers() {
        for (const char* header : {"\"other\"", "", "\"sha256:d\"", "\"sha256:d1", "\"sha256:d11\"",
                                   "\"x,sha256:d1\"", "\"SHA256:d1\"", "w/\"sha256:d1\"", "\"",
                                   ",", "W/", "\"x\", *"}) {
            CPPUNIT_ASSERT_MESSAGE(header, !matchesIfNoneMatch(header, "sha256:d1"));
        }
    }

    void ifMatchIsStrong() {
        for (const char* header : {"\"sha256:d1\"", "sha256:d1", "*", "\"x\",\"sha256:d1\"",
                                   "W/\"sha256:d1\", \"sha256:d1\""}) {
            CPPUNIT_ASSERT_MESSAGE(header, matchesIfMatch(header, "sha256:d1"));
        }
        for (const char* header : {"W/\"sha256:d1\"", "\"other\"", "", "\"x\", *"}) {
            CPPUNIT_ASSERT_MESSAGE(header, !matchesIfMatch(header, "sha256:d1"));
        }
    }

    void case62_closedRange() {
        assertAnswer("bytes 0-99/1000", "bytes=0-99");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100},
                             satisfy(parseRange("bytes=0-99")->at(0), 1000)->size());
        assertAnswer("bytes 0-0/1000", "bytes=0-0");
    }

    void case63_openAndSuffixRange() {
        assertAnswer("bytes 900-999/1000", "bytes=900-");
        assertAnswer("bytes 900-999/1000", "bytes=-100");
    }

    void case64_lastIsClamped() { assertAnswer("bytes 990-999/1000", "bytes=990-1000"); }

    void case65_hugeNumbersSaturate() {
        assertAnswer("bytes 0-999/1000", "bytes=0-99999999999999999999999");
        assertAnswer("bytes 0-999/1000", "bytes=-99999999999999999999999");
        assertAnswer("bytes */1000", "bytes=99999999999999999999999-");
        assertAnswer("bytes 0-999/1000", "bytes=00000000000000000000000-");
        CPPUNIT_ASSERT_EQUAL(UINT64_MAX, parseRange("bytes=0-18446744073709551616")->at(0).last);
    }

    void case66_unsatisfiable() {
        assertAnswer("bytes */1000", "bytes=1000-");
        assertAnswer("bytes */1000", "bytes=1000-1000");
        assertAnswer("bytes */1000", "bytes=-0");
    }

    void case67_longSuffix() { assertAnswer("bytes 0-999/1000", "bytes=-5000"); }

    void case68_malformedIsIgnored() {
        for (const char* header : {"bytes=5-2", "bytes=abc", "bytes=", "bytes 0-1", "", "bytes",
                                   "bytes=-", "bytes=--1", "bytes=0", "bytes=1-2-3", "bytes=0 - 1",
                                   "bytes=+0-1", "bytes=0x0-1", "bytes=0-1;", "bytes=0-1,abc",
                                   "bytes=,", "=0-1", "bytes=-5-", "bytes=0-1,5-2"}) {
            assertAnswer("full", header);
        }
    }

    void case69_otherUnitsAreIgnored() {
        assertAnswer("full", "items=0-1");
        assertAnswer("full", "byte=0-1");
    }

    void case70_unitIgnoresCase() { assertAnswer("bytes 0-0/1000", "BYTES=0-0"); }

    void case71_severalRangesInRequestOrder() {
        assertAnswer("bytes 0-0/1000|bytes 10-19/1000", "bytes=0-0,10-19");
        assertAnswer("bytes 100-109/1000|bytes 0-9/1000", "bytes=100-109,0-9");
        assertAnswer("bytes 0-9/1000|bytes 5-14/1000", "bytes=0-9,5-14");
        assertAnswer("bytes 0-0/1000", "bytes=0-0,5000-");
    }

    void case74_noneOfSeveral() { assertAnswer("bytes */1000", "bytes=5000-,6000-"); }

    void case76_manyRangesAreCounted() {
        std::string header = "bytes=0-0";
        for (int i = 1; i < 2049; ++i) header += ",0-0";
        CPPUNIT_ASSERT_EQUAL(std::size_t{2049}, parseRange(header)->size());
    }

    void case78_whiteSpaceAndEmptyElements() {
        assertAnswer("full", "bytes = 0-1");
        assertAnswer("bytes 0-1/1000|bytes 3-4/1000", "bytes=0-1, ,3-4");
        assertAnswer("bytes 0-1/1000|bytes 3-4/1000", "bytes=0-1 ,\t3-4");
        assertAnswer("bytes 0-1/1000", " bytes=,0-1, ");
    }

    void case79_ifRange() {
        CPPUNIT_ASSERT(matchesIfRange("\"d1\"", "d1"));
        CPPUNIT_ASSERT(matchesIfRange(" \"d1\" ", "d1"));
        for (const char* header : {"\"other\"", "W/\"d1\"", "d1", "*", "", "\"d1\", \"d1\"",
                                   "Sun, 06 Nov 1994 08:49:37 GMT"}) {
            CPPUNIT_ASSERT_MESSAGE(header, !matchesIfRange(header, "d1"));
        }
    }

    void case83_emptyBody() {
        for (const char* header : {"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"}) {
            CPPUNIT_ASSERT_EQUAL(std::string("bytes */0"), answer(header, 0));
        }
    }

    void largestBody() {
        CPPUNIT_ASSERT_EQUAL(std::string("bytes 0-18446744073709551614/18446744073709551615"),
                             answer("bytes=0-", UINT64_MAX));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes */18446744073709551615"),
                             answer("bytes=18446744073709551615-", UINT64_MAX));
    }

    void case45_contentRange() {
        std::optional<ContentRange> known = parseContentRange("bytes 300-999/1000");
        CPPUNIT_ASSERT(known && known->length == 1000u);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, known->range.first);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{999}, known->range.last);
        std::optional<ContentRange> unknown = parseContentRange(" Bytes 0-0/* ");
        CPPUNIT_ASSERT(unknown && !unknown->length);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, unknown->range.size());
    }

    void malformedContentRangeIsRefused() {
        for (const char* header :
             {"", "bytes", "bytes */1000", "bytes 0-1000/1000", "bytes 5-2/1000", "bytes=0-1/2",
              "items 0-1/2", "bytes 0-1", "bytes 0-/2", "bytes -1/2", "bytes 0-1/", "bytes 0-1/x",
              "bytes  0-1/2", "bytes 0 - 1/2", "bytes 0-1/2/3", "bytes 0-1 /2", "bytes 0/1-2",
              "bytes 0-99999999999999999999/*", "bytes 0-18446744073709551615/*", "bytes +0-1/2"}) {
            CPPUNIT_ASSERT_MESSAGE(header, !parseContentRange(header));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RangeTest);

}  // namespace ociproxy
