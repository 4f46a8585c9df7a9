#include "ociproxy/base/digest.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

const char kEmpty256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const char kBraces256[] = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const char kEmpty512[] =
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
const char kBraces512[] =
    "27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
    "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd";
const char kAbc384[] =
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7";

std::string hexOf(DigestAlgorithm algorithm, std::string_view data) {
    return digestOf(algorithm, data).hex();
}

}  // namespace

class DigestTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(DigestTest);
    CPPUNIT_TEST(knownAnswers);
    CPPUNIT_TEST(piecesGiveTheSameAsTheWhole);
    CPPUNIT_TEST(hashersMove);
    CPPUNIT_TEST(case25_onlyLowerCaseHexOfTheRightLengthParses);
    CPPUNIT_TEST(case26_sha512Parses);
    CPPUNIT_TEST(case27_unknownAlgorithmsDoNotParse);
    CPPUNIT_TEST(whatParsesPrintsTheSame);
    CPPUNIT_TEST(comparison);
    CPPUNIT_TEST(bytesAndHex);
    CPPUNIT_TEST(randomValuesDiffer);
    CPPUNIT_TEST_SUITE_END();

public:
    void knownAnswers() {
        CPPUNIT_ASSERT_EQUAL(std::string(kEmpty256), hexOf(DigestAlgorithm::kSha256, ""));
        CPPUNIT_ASSERT_EQUAL(std::string(kBraces256), hexOf(DigestAlgorithm::kSha256, "{}"));
        CPPUNIT_ASSERT_EQUAL(std::string(kEmpty512), hexOf(DigestAlgorithm::kSha512, ""));
        CPPUNIT_ASSERT_EQUAL(std::string(kBraces512), hexOf(DigestAlgorithm::kSha512, "{}"));
        CPPUNIT_ASSERT_EQUAL(std::string(kAbc384), hexOf(DigestAlgorithm::kSha384, "abc"));
        CPPUNIT_ASSERT_EQUAL(std::string(kBraces256), sha256Hex("{}"));
    }

    void piecesGiveTheSameAsTheWhole() {
        std::string data(100'003, 'a');
        for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i % 251);
        for (std::size_t step : {1u, 63u, 64u, 65u, 4096u}) {
            Hasher hasher(DigestAlgorithm::kSha512);
            for (std::size_t at = 0; at < data.size(); at += step) {
                hasher.update(&data[at], std::min(step, data.size() - at));
            }
            CPPUNIT_ASSERT(digestOf(DigestAlgorithm::kSha512, data) == hasher.finish());
        }
    }

    void hashersMove() {
        Hasher a(DigestAlgorithm::kSha256);
        a.update("{", 1);
        Hasher b(std::move(a));
        b.update("}", 1);
        Hasher c(DigestAlgorithm::kSha512);
        c = std::move(b);
        CPPUNIT_ASSERT_EQUAL(std::string("sha256:") + kBraces256, c.finish().text());
    }

    void case25_onlyLowerCaseHexOfTheRightLengthParses() {
        std::string hex(64, 'a');
        CPPUNIT_ASSERT(Digest::parse("sha256:" + hex));
        const std::string bad[] = {
            "sha256:" + hex.substr(1), "sha256:" + hex + "a", "sha256:" + std::string(64, 'A'),
            "SHA256:" + hex, "sha256:" + hex.substr(1) + "g", "sha256:" + hex.substr(1) + "/",
            "sha256" + hex, hex, "sha256:", ":" + hex, "", "sha256::" + hex.substr(1),
            " sha256:" + hex, "sha256:" + hex + "\n", "sha256:" + hex.substr(1) + '\0',
            "sha384:" + hex, "sha512:" + hex, "sha256-" + hex};
        for (const std::string& text : bad) {
            CPPUNIT_ASSERT_MESSAGE(text, !Digest::parse(text));
        }
    }

    void case26_sha512Parses() {
        std::optional<Digest> digest = Digest::parse(std::string("sha512:") + kEmpty512);
        CPPUNIT_ASSERT(digest);
        CPPUNIT_ASSERT(digest->algorithm() == DigestAlgorithm::kSha512);
        CPPUNIT_ASSERT_EQUAL(std::string(kEmpty512), digest->hex());
        CPPUNIT_ASSERT(!Digest::parse("sha512:" + std::string(127, '0')));
        CPPUNIT_ASSERT(!Digest::parse("sha512:" + std::string(129, '0')));
    }

    void case27_unknownAlgorithmsDoNotParse() {
        CPPUNIT_ASSERT(
            !Digest::parse("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"));
        CPPUNIT_ASSERT(!Digest::parse("blake3:" + std::string(64, '0')));
        CPPUNIT_ASSERT(!Digest::parse("md5:" + std::string(32, '0')));
        CPPUNIT_ASSERT(!Digest::parse("sha1:" + std::string(40, '0')));
        CPPUNIT_ASSERT(!parseAlgorithm("sha25"));
        CPPUNIT_ASSERT(!parseAlgorithm(""));
    }

    void whatParsesPrintsTheSame() {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                          DigestAlgorithm::kSha512}) {
            std::string text = std::string(algorithmName(algorithm)) + ":" +
                               std::string(hexLength(algorithm), '7');
            std::optional<Digest> digest = Digest::parse(text);
            CPPUNIT_ASSERT_MESSAGE(text, digest);
            CPPUNIT_ASSERT_EQUAL(text, digest->text());
            CPPUNIT_ASSERT(parseAlgorithm(digest->algorithmText()) == algorithm);
        }
    }

    void comparison() {
        Digest a = *Digest::parse("sha256:" + std::string(64, '0'));
        Digest b = *Digest::parse("sha256:" + std::string(64, '1'));
        Digest c = *Digest::parse("sha384:" + std::string(96, '0'));
        CPPUNIT_ASSERT(a == a && a != b && a < b && b < c && !(c < a) && !(a < a));
    }

    void bytesAndHex() {
        Sha256 raw = sha256Of("{}");
        Digest digest = Digest::fromBytes(DigestAlgorithm::kSha256, raw.data());
        CPPUNIT_ASSERT_EQUAL(std::string(kBraces256), digest.hex());
        CPPUNIT_ASSERT(Digest::parse(digest.text()) == digest);
    }

    void randomValuesDiffer() {
        std::set<std::string> seen;
        for (int i = 0; i < 100; ++i) seen.insert(randomHex(16));
        CPPUNIT_ASSERT_EQUAL(std::size_t{100}, seen.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{32}, seen.begin()->size());
        CPPUNIT_ASSERT_EQUAL(std::string(), randomHex(0));
        CPPUNIT_ASSERT(random64() != random64());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DigestTest);

}  // namespace ociproxy
