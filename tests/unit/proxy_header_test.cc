#include "front/proxy_header.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

using Status = ProxyHeaderParser::Status;

const std::string kBehind = "GET / HTTP/1.1\r\n";
const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
// 192.0.2.1:5000 to 198.51.100.2:443.
const std::string kBlock4("\xc0\x00\x02\x01\xc6\x33\x64\x02\x13\x88\x01\xbb", 12);
// [2001:db8::1]:5000 to [2001:db8::2]:443.
const std::string kBlock6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x13\x88\x01\xbb", 36);

// "ADDRESS PORT SIZE", "- SIZE" without an address, "incomplete" or "refused".
std::string describe(const ProxyHeaderParser& parser, Status status) {
    if (status == Status::kIncomplete) return "incomplete";
    if (status == Status::kRefused) return "refused";
    const std::string size = std::to_string(parser.consumed());
    if (!parser.client()) return "- " + size;
    return cat(parser.client()->address.text(), " ", parser.client()->port, " ", size);
}

std::string parsed(const std::string& bytes) {
    ProxyHeaderParser parser;
    return describe(parser, parser.advance(bytes));
}

// The same bytes one by one, and at how many the end was known.
std::string parsedSlowly(const std::string& bytes, std::size_t* needed = nullptr) {
    ProxyHeaderParser parser;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        const Status status = parser.advance(std::string_view(bytes).substr(0, size));
        if (needed) *needed = size;
        if (status != Status::kIncomplete) return describe(parser, status);
    }
    return "incomplete";
}

void assertParsed(const std::string& wanted, const std::string& bytes) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(logEscape(bytes), wanted, parsed(bytes));
    CPPUNIT_ASSERT_EQUAL_MESSAGE(logEscape(bytes), wanted, parsedSlowly(bytes));
}

// A good header, however it is cut, whatever follows; what it lacks is waited for.
void assertHeader(const std::string& client, const std::string& header) {
    const std::string wanted = cat(client, " ", header.size());
    assertParsed(wanted, header);
    assertParsed(wanted, header + kBehind);
    for (std::size_t size = 0; size < header.size(); ++size) {
        CPPUNIT_ASSERT_EQUAL(std::string("incomplete"), parsed(header.substr(0, size)));
    }
}

void assertRefused(const std::string& bytes) { assertParsed("refused", bytes); }

// After how many bytes this is refused.
std::size_t refusedAfter(const std::string& bytes) {
    std::size_t needed = 0;
    CPPUNIT_ASSERT_EQUAL(std::string("refused"), parsedSlowly(bytes, &needed));
    return needed;
}

std::string two(std::size_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

// A header of version 2.
std::string binary(unsigned command, unsigned family, const std::string& block) {
    return cat(kSignature, static_cast<char>(command), static_cast<char>(family),
               two(block.size()), block);
}

std::string extension(unsigned type, const std::string& value) {
    return cat(static_cast<char>(type), two(value.size()), value);
}

}  // namespace

class ProxyHeaderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProxyHeaderTest);
    CPPUNIT_TEST(lines);
    CPPUNIT_TEST(unknownLines);
    CPPUNIT_TEST(lineGrammar);
    CPPUNIT_TEST(lineAddresses);
    CPPUNIT_TEST(linePorts);
    CPPUNIT_TEST(lineLength);
    CPPUNIT_TEST(binaryAddresses);
    CPPUNIT_TEST(binaryWithoutAddress);
    CPPUNIT_TEST(localSaysNothing);
    CPPUNIT_TEST(binaryGrammar);
    CPPUNIT_TEST(binaryLength);
    CPPUNIT_TEST(extensionsAreSkipped);
    CPPUNIT_TEST(extensionsHaveToFit);
    CPPUNIT_TEST(checksumIsVerified);
    CPPUNIT_TEST(otherProtocolsAreRefusedAtOnce);
    CPPUNIT_TEST(everySignatureByteCounts);
    CPPUNIT_TEST_SUITE_END();

public:
    void lines() {
        assertHeader("192.0.2.1 5000", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n");
        assertHeader("2001:db8::1 65535", "PROXY TCP6 2001:db8::1 ::2 65535 0\r\n");
        assertHeader("192.0.2.1 0", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 0 1\r\n");
    }

    void unknownLines() {
        assertHeader("-", "PROXY UNKNOWN\r\n");
        assertHeader("-", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n");
        assertHeader("-", "PROXY UNKNOWN  what ever\r\n");
        assertRefused("PROXY UNKNOWNS\r\n");
        assertRefused("PROXY unknown\r\n");
    }

    void lineGrammar() {
        for (const char* bad :
             {"PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 5000\r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443 \r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443 1\r\n",
              "PROXY  TCP4 192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY TCP4 192.0.2.1  198.51.100.2 5000 443\r\n",
              "PROXY\tTCP4 192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY TCP4\t192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY TCP5 192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY UDP4 192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY tcp4 192.0.2.1 198.51.100.2 5000 443\r\n",
              "proxy TCP4 192.0.2.1 198.51.100.2 5000 443\r\n",
              " PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 50\r00 443\r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\x7f\r\n",
              "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\xc3\r\n"}) {
            assertRefused(bad);
        }
        assertRefused(std::string("PROXY TCP4 192.0.2.1\0 198.51.100.2 5000 443\r\n", 46));
    }

    void lineAddresses() {
        const std::string good4 = "192.0.2.1";
        for (const char* bad : {"", "192.0.2", "192.0.2.1.1", "192.0.2.256", "192.0.2.01",
                                "0x7f.0.0.1", "::1", "::ffff:192.0.2.1", "[::1]", "host",
                                "192.0.2.-1", "192.0.2.1%eth0"}) {
            assertRefused(cat("PROXY TCP4 ", bad, " ", good4, " 5000 443\r\n"));
            assertRefused(cat("PROXY TCP4 ", good4, " ", bad, " 5000 443\r\n"));
        }
        for (const char* bad : {"", "192.0.2.1", "[::1]", ":::1", "1:2:3:4:5:6:7", "::g",
                                "1::2::3", "fe80::1%eth0", "12345::"}) {
            assertRefused(cat("PROXY TCP6 ", bad, " ::1 5000 443\r\n"));
            assertRefused(cat("PROXY TCP6 ::1 ", bad, " 5000 443\r\n"));
        }
    }

    void linePorts() {
        for (const char* bad : {"", "-1", "+1", "65536", "00", "01", "0x1", "1e3", "100000",
                                "18446744073709551617", "http"}) {
            assertRefused(cat("PROXY TCP4 192.0.2.1 192.0.2.2 ", bad, " 443\r\n"));
            assertRefused(cat("PROXY TCP4 192.0.2.1 192.0.2.2 5000 ", bad, "\r\n"));
        }
    }

    void lineLength() {
        const std::string start = "PROXY UNKNOWN ";
        const std::size_t room = 107 - start.size() - 2;
        assertHeader("-", start + std::string(room, 'x') + "\r\n");
        assertRefused(start + std::string(room + 1, 'x') + "\r\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{107}, refusedAfter(start + std::string(1000, 'x')));
        CPPUNIT_ASSERT_EQUAL(std::size_t{107}, refusedAfter(start + std::string(room + 1, 'x') +
                                                            "\r\n"));
    }

    void binaryAddresses() {
        assertHeader("192.0.2.1 5000", binary(0x21, 0x11, kBlock4));
        assertHeader("2001:db8::1 5000", binary(0x21, 0x21, kBlock6));
        const std::string mapped = std::string(10, '\0') + "\xff\xff" + "\xc0" +
                                   std::string("\0\2\1", 3) + std::string(16, '\0') +
                                   std::string("\0\1\0\2", 4);
        assertHeader("192.0.2.1 1", binary(0x21, 0x21, mapped));
    }

    void binaryWithoutAddress() {
        assertHeader("-", binary(0x21, 0x31, std::string(216, 'a')));
        assertHeader("-", binary(0x21, 0x00, ""));
        assertHeader("-", binary(0x21, 0x00, "whatever this is"));
    }

    void localSaysNothing() {
        assertHeader("-", binary(0x20, 0x00, ""));
        assertHeader("-", binary(0x20, 0x11, kBlock4));
        assertHeader("-", binary(0x20, 0xff, "no addresses"));
    }

    void binaryGrammar() {
        for (unsigned command = 0; command < 256; ++command) {
            if (command == 0x20 || command == 0x21) continue;
            const std::string header = binary(command, 0x11, kBlock4);
            CPPUNIT_ASSERT_EQUAL(std::size_t{13}, refusedAfter(header));
            CPPUNIT_ASSERT_EQUAL(std::string("refused"), parsed(header));
        }
        for (unsigned family = 0; family < 256; ++family) {
            if (family == 0 || family == 0x11 || family == 0x21 || family == 0x31) continue;
            const std::string header = binary(0x21, family, std::string(216, 'a'));
            CPPUNIT_ASSERT_EQUAL(std::size_t{14}, refusedAfter(header));
            CPPUNIT_ASSERT_EQUAL(std::string("refused"), parsed(header));
        }
    }

    void binaryLength() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{16},
                             refusedAfter(binary(0x21, 0x11, kBlock4.substr(1))));
        CPPUNIT_ASSERT_EQUAL(std::size_t{16},
                             refusedAfter(binary(0x21, 0x21, kBlock6.substr(1))));
        assertRefused(binary(0x21, 0x31, std::string(215, 'a')));
        assertHeader("-", binary(0x20, 0x00, std::string(4080, 'a')));
        CPPUNIT_ASSERT_EQUAL(std::size_t{16},
                             refusedAfter(binary(0x20, 0x00, std::string(4081, 'a'))));
        CPPUNIT_ASSERT_EQUAL(std::size_t{16},
                             refusedAfter(binary(0x21, 0x11, std::string(65535, 'a'))));
    }

    void extensionsAreSkipped() {
        const std::string block = kBlock4 + extension(0x01, "h2") + extension(0x04, "") +
                                  extension(0xea, std::string(300, 'x'));
        assertHeader("192.0.2.1 5000", binary(0x21, 0x11, block));
        assertHeader("2001:db8::1 5000", binary(0x21, 0x21, kBlock6 + extension(0x02, "host")));
        assertHeader("-", binary(0x21, 0x31, std::string(216, 'a') + extension(0x02, "host")));
    }

    void extensionsHaveToFit() {
        const std::string good = extension(0x02, "host");
        for (std::size_t size = 1; size < good.size(); ++size) {
            assertRefused(binary(0x21, 0x11, kBlock4 + good.substr(0, size)));
        }
        assertRefused(binary(0x21, 0x11, kBlock4 + good + std::string("\x02\xff\xff", 3)));
    }

    // The sum was computed by another program.
    void checksumIsVerified() {
        const auto with = [](const std::string& sum) {
            return binary(0x21, 0x11, kBlock4 + extension(0x01, "h2") + extension(0x03, sum));
        };
        const std::string right("\xc4\xe2\x2a\x07", 4);
        assertHeader("192.0.2.1 5000", with(right));
        for (std::size_t i = 0; i < right.size(); ++i) {
            std::string wrong = right;
            wrong[i] = static_cast<char>(wrong[i] ^ 1);
            assertRefused(with(wrong));
        }
        assertRefused(with(right.substr(1)));
        assertRefused(with(""));
        std::string other = with(right);
        other[17] = static_cast<char>(other[17] ^ 1);
        assertRefused(other);
        assertRefused(binary(0x21, 0x11, kBlock4 + extension(0x01, "h2") + extension(0x03, right) +
                                             extension(0x03, right)));
    }

    void otherProtocolsAreRefusedAtOnce() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, refusedAfter("GET / HTTP/1.1\r\n"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, refusedAfter("PUT / HTTP/1.1\r\n"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, refusedAfter("\x16\x03\x01"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, refusedAfter("\r\nGET / HTTP/1.1\r\n"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, refusedAfter("PROXY\r\n"));
    }

    void everySignatureByteCounts() {
        const std::string header = binary(0x21, 0x11, kBlock4);
        for (std::size_t i = 0; i < 12; ++i) {
            std::string wrong = header;
            wrong[i] = static_cast<char>(wrong[i] ^ 0x20);
            CPPUNIT_ASSERT_EQUAL(i + 1, refusedAfter(wrong));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProxyHeaderTest);

}  // namespace ociproxy
