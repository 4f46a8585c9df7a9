#include "ociproxy/base/text.h"

#include <cstdint>
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

using Views = std::vector<std::string_view>;

void assertSame(std::string_view wanted, std::string_view got) {
    CPPUNIT_ASSERT_EQUAL(std::string(wanted), std::string(got));
}

}  // namespace

class TextTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TextTest);
    CPPUNIT_TEST(catJoinsTextCharactersAndIntegers);
    CPPUNIT_TEST(caseIsAsciiOnly);
    CPPUNIT_TEST(prefixesAndSuffixes);
    CPPUNIT_TEST(trimSplitAndWords);
    CPPUNIT_TEST(unsignedNumbers);
    CPPUNIT_TEST(tokensAndPrintableText);
    CPPUNIT_TEST(percentDecodingIsDoneOnce);
    CPPUNIT_TEST(percentEncoding);
    CPPUNIT_TEST(jsonEscapes);
    CPPUNIT_TEST(jsonReplacesWhatIsNotUtf8);
    CPPUNIT_TEST(logEscapes);
    CPPUNIT_TEST(case216_urlsLoseTheirSecrets);
    CPPUNIT_TEST(case216_headersLoseTheirSecrets);
    CPPUNIT_TEST(sizes);
    CPPUNIT_TEST(durations);
    CPPUNIT_TEST(unitsPrintWhatTheyRead);
    CPPUNIT_TEST_SUITE_END();

public:
    void catJoinsTextCharactersAndIntegers() {
        std::string owned = "b";
        assertSame("ab,-1 2 18446744073709551615",
                   cat("a", owned, ',', -1, std::string_view(" "), 2u, ' ', UINT64_MAX));
        assertSame("", cat());
    }

    void caseIsAsciiOnly() {
        assertSame("abz[\xc3\x84", lower("ABZ[\xc3\x84"));
        CPPUNIT_ASSERT(equalsIgnoreCase("Content-Type", "content-tYPE"));
        CPPUNIT_ASSERT(!equalsIgnoreCase("a", "ab"));
        CPPUNIT_ASSERT(!equalsIgnoreCase("[", "{"));
    }

    void prefixesAndSuffixes() {
        CPPUNIT_ASSERT(startsWith("abc", "ab") && startsWith("abc", "") && startsWith("", ""));
        CPPUNIT_ASSERT(!startsWith("a", "ab") && !startsWith("xab", "ab"));
        CPPUNIT_ASSERT(endsWith("abc", "bc") && endsWith("abc", "") && !endsWith("c", "bc"));
    }

    void trimSplitAndWords() {
        assertSame("a b", trim(" \ta b\t "));
        assertSame("", trim(" \t"));
        assertSame("\na", trim("\na"));
        CPPUNIT_ASSERT((split("a,,b", ',') == Views{"a", "", "b"}));
        CPPUNIT_ASSERT((split("", ',') == Views{""}));
        CPPUNIT_ASSERT((split(",", ',') == Views{"", ""}));
        CPPUNIT_ASSERT((words("  a \t bc ") == Views{"a", "bc"}));
        CPPUNIT_ASSERT(words(" ").empty());
    }

    void unsignedNumbers() {
        CPPUNIT_ASSERT(parseUnsigned("0") == 0u);
        CPPUNIT_ASSERT(parseUnsigned("007") == 7u);
        CPPUNIT_ASSERT(parseUnsigned("18446744073709551615") == UINT64_MAX);
        for (const char* bad : {"", "18446744073709551616", "99999999999999999999", "+1", "-1",
                                " 1", "1 ", "0x1", "1.0", "000000000000000000001"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !parseUnsigned(bad));
        }
    }

    void tokensAndPrintableText() {
        CPPUNIT_ASSERT(isToken("Content-Type") && isToken("!#$%&'*+-.^_`|~09azAZ"));
        for (std::string_view bad : {std::string_view(""), std::string_view("a b"),
                                     std::string_view("a:"), std::string_view("a\0", 2),
                                     std::string_view("\xc3\xa9"), std::string_view("a/b"),
                                     std::string_view("\"a\"")}) {
            CPPUNIT_ASSERT_MESSAGE(std::string(bad), !isToken(bad));
        }
        CPPUNIT_ASSERT(isPrintable("") && isPrintable(" ~a"));
        CPPUNIT_ASSERT(!isPrintable("a\r\nb") && !isPrintable("\t") && !isPrintable("\x7f"));
        CPPUNIT_ASSERT(!isPrintable("\xc3\xa9") && !isPrintable(std::string_view("\0", 1)));
    }

    void percentDecodingIsDoneOnce() {
        CPPUNIT_ASSERT(percentDecode("a%3Ab%3a+") == "a:b:+");
        CPPUNIT_ASSERT(percentDecode("%2541") == "%41");
        CPPUNIT_ASSERT(percentDecode("%00") == std::string(1, '\0'));
        CPPUNIT_ASSERT(percentDecode("") == "");
        for (const char* bad : {"%", "%4", "a%4", "%g0", "%0g", "%%41"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !percentDecode(bad));
        }
    }

    void percentEncoding() {
        assertSame("aZ09-._~", percentEncode("aZ09-._~"));
        assertSame("%20%2F%3A%25%C3%A9%00", percentEncode(std::string_view(" /:%\xc3\xa9\0", 7)));
    }

    void jsonEscapes() {
        assertSame("a\\\"b\\\\c\\n\\r\\t", jsonEscape("a\"b\\c\n\r\t"));
        assertSame("\\u0000\\u001f\\u007f/", jsonEscape(std::string_view("\0\x1f\x7f/", 4)));
        assertSame("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                   jsonEscape("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
    }

    void jsonReplacesWhatIsNotUtf8() {
        const std::string r = "\xef\xbf\xbd";
        assertSame(r, jsonEscape("\x80"));
        assertSame(r + r, jsonEscape("\xc0\xaf"));                     // overlong slash
        assertSame(r + r + r, jsonEscape("\xe0\x80\xaf"));             // overlong slash
        assertSame(r + r + r, jsonEscape("\xed\xa0\x80"));             // surrogate
        assertSame(r + r + r + r, jsonEscape("\xf4\x90\x80\x80"));     // above U+10FFFF
        assertSame(r + "\\\"", jsonEscape("\xc3\""));                  // eats no quote
        assertSame(r + r, jsonEscape("\xe2\x82"));                     // cut short
        assertSame(r, jsonEscape("\xff"));
    }

    void logEscapes() {
        assertSame("a\\\"b\\x5c\\x0a\\x7f\\xc3\\xa9", logEscape("a\"b\\\n\x7f\xc3\xa9"));
        assertSame("plain text", logEscape("plain text"));
    }

    void case216_urlsLoseTheirSecrets() {
        assertSame("https://cdn.test/a/b?...", redactUrl("https://cdn.test/a/b?X-Sig=s3cret"));
        assertSame("https://cdn.test/a", redactUrl("https://me:s3cret@cdn.test/a#s3cret"));
        assertSame("https://cdn.test/a", redactUrl("https://me:s3@cret@cdn.test/a"));
        assertSame("//cdn.test?...", redactUrl("//me:s3cret@cdn.test?a#b"));
        assertSame("https://cdn.test", redactUrl("https://cdn.test#?s3cret"));
        assertSame("/v2/a@b/blobs", redactUrl("/v2/a@b/blobs"));
        assertSame("https://cdn.test/a@b", redactUrl("https://cdn.test/a@b"));
        assertSame("https://cdn.test/\\x0a", redactUrl("https://cdn.test/\n"));
        assertSame("", redactUrl(""));
    }

    void case216_headersLoseTheirSecrets() {
        for (const char* name : {"Authorization", "authorization", "Proxy-Authorization", "Cookie",
                                 "SET-COOKIE", "x-registry-auth"}) {
            assertSame("[redacted]", redactHeader(name, "Bearer s3cret"));
        }
        assertSame("https://cdn.test/a?...", redactHeader("location", "https://cdn.test/a?sig=1"));
        assertSame("</v2/a/tags/list?...", redactHeader("Link", "</v2/a/tags/list?n=2>; rel=x"));
        assertSame("Bearer realm=\\\"https://a/t?...\\\",service=\\\"s\\\"",
                   redactHeader("WWW-Authenticate",
                                "Bearer realm=\"https://u:p@a/t?key=s3cret\",service=\"s\""));
        assertSame("Bearer realm=/t?...", redactHeader("www-authenticate", "Bearer realm=/t?k=1"));
        assertSame("text/plain\\x0a", redactHeader("Content-Type", "text/plain\n"));
    }

    void sizes() {
        CPPUNIT_ASSERT(parseSize("0") == 0u);
        CPPUNIT_ASSERT(parseSize("512") == 512u);
        CPPUNIT_ASSERT(parseSize("10K") == 10240u);
        CPPUNIT_ASSERT(parseSize("64M") == 64u << 20);
        CPPUNIT_ASSERT(parseSize("10G") == 10ull << 30);
        CPPUNIT_ASSERT(parseSize("1T") == 1ull << 40);
        for (const char* bad : {"", "K", "1k", "1KB", "1 K", "-1", "1.5G", "16777216T", "1P"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !parseSize(bad));
        }
        CPPUNIT_ASSERT(parseSize("16777215T"));
    }

    void durations() {
        CPPUNIT_ASSERT(parseDuration("0") == 0u);
        CPPUNIT_ASSERT(parseDuration("0s") == 0u);
        CPPUNIT_ASSERT(parseDuration("250ms") == 250u);
        CPPUNIT_ASSERT(parseDuration("30s") == 30'000u);
        CPPUNIT_ASSERT(parseDuration("5min") == 300'000u);
        CPPUNIT_ASSERT(parseDuration("5m") == 300'000u);
        CPPUNIT_ASSERT(parseDuration("24h") == 86'400'000u);
        CPPUNIT_ASSERT(parseDuration("7d") == 604'800'000u);
        for (const char* bad : {"", "5", "00", "s", "5 s", "-5s", "5S", "1.5s", "5sec",
                                "18446744073709551615s"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !parseDuration(bad));
        }
    }

    void unitsPrintWhatTheyRead() {
        assertSame("0", formatDuration(0));
        assertSame("250ms", formatDuration(250));
        assertSame("90s", formatDuration(90'000));
        assertSame("2min", formatDuration(120'000));
        assertSame("1d", formatDuration(86'400'000));
        assertSame("0", formatSize(0));
        assertSame("1025", formatSize(1025));
        assertSame("10G", formatSize(10ull << 30));
        for (std::uint64_t value : {1ull, 999ull, 1000ull, 61'000ull, 3'600'000ull, 1ull << 40}) {
            CPPUNIT_ASSERT(parseDuration(formatDuration(value)) == value);
            CPPUNIT_ASSERT(parseSize(formatSize(value)) == value);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TextTest);

}  // namespace ociproxy
