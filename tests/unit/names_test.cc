#include "ociproxy/registry/names.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

const std::string kHex(64, 'a');

ReferenceError errorOf(const std::string& text) {
    ReferenceError error{};
    CPPUNIT_ASSERT_MESSAGE(text, !parseReference(text, &error));
    return error;
}

std::string hostPort(const std::string& text) {
    std::optional<HostPort> parsed = parseHostPort(text);
    return parsed ? parsed->text() : "refused";
}

}  // namespace

class NamesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(NamesTest);
    CPPUNIT_TEST(case20_upperCaseIsRefused);
    CPPUNIT_TEST(case21_invalidNamesAreRefused);
    CPPUNIT_TEST(case22_validNamesAreAccepted);
    CPPUNIT_TEST(case23_nameLength);
    CPPUNIT_TEST(case24_tags);
    CPPUNIT_TEST(case24_referencesWithAColonAreDigests);
    CPPUNIT_TEST(case25_digestsAsReferences);
    CPPUNIT_TEST(case26_sha512AsReference);
    CPPUNIT_TEST(case27_unknownAlgorithmIsForeign);
    CPPUNIT_TEST(hostsAndPorts);
    CPPUNIT_TEST(case212_oddHostsAreRefusedOrCanonical);
    CPPUNIT_TEST(hostsHaveLengthLimits);
    CPPUNIT_TEST(hostLikeComponents);
    CPPUNIT_TEST(publicHostNames);
    CPPUNIT_TEST(case31_numbersAndLocalNamesAreNotPublicHostNames);
    CPPUNIT_TEST(case6_namesOfDockerHubAreOne);
    CPPUNIT_TEST_SUITE_END();

public:
    void case20_upperCaseIsRefused() {
        CPPUNIT_ASSERT(!isRepository("A") && !isRepository("a/B") && !isRepository("aB"));
    }

    void case21_invalidNamesAreRefused() {
        const std::string bad[] = {
            "a..b", "a___b", "-a", "a-", "a//b", ".", "..", "a/../b", "a._b", "", "/", "/a", "a/",
            "_a", "a_", "a.", ".a", "a_.b", "a-.b", "a-_b", "foo_-bar", "a b", "a:b", "a%2fb",
            "a\\b", "\xc3\xa9", std::string("a\0b", 3), std::string("a\0", 2), "a@b", "a/./b"};
        for (const std::string& name : bad) {
            CPPUNIT_ASSERT_MESSAGE(name, !isRepository(name));
        }
        CPPUNIT_ASSERT(!isRepositoryComponent("a/b") && !isRepositoryComponent(""));
    }

    void case22_validNamesAreAccepted() {
        for (const char* name : {"a--b", "a__b", "a.b", "a_b", "xn--80ak6aa92e/b", "0/1/2/3/4/5",
                                 "a---b", "library/alpine", "a", "a.b_c-d__e/f",
                                 "manifests/tags"}) {
            CPPUNIT_ASSERT_MESSAGE(name, isRepository(name));
        }
        CPPUNIT_ASSERT(isRepository(kHex));
        CPPUNIT_ASSERT(isRepositoryComponent("a.b"));
    }

    void case23_nameLength() {
        CPPUNIT_ASSERT(isRepository(std::string(255, 'a')));
        CPPUNIT_ASSERT(!isRepository(std::string(256, 'a')));
        CPPUNIT_ASSERT(isRepository(std::string(127, 'a') + "/" + std::string(127, 'b')));
    }

    void case24_tags() {
        CPPUNIT_ASSERT(isTag(std::string(128, 'a')));
        CPPUNIT_ASSERT(!isTag(std::string(129, 'a')));
        CPPUNIT_ASSERT(isTag("_x") && isTag("A.B-c_d") && isTag("0") && isTag("sha256-" + kHex));
        CPPUNIT_ASSERT(isTag("sha256-" + kHex + ".sig"));
        for (const std::string& bad : {std::string(""), std::string(".x"), std::string("-x"),
                                       std::string("a b"), std::string("a/b"), std::string("a+b"),
                                       std::string("a@b"), std::string("a\0", 2),
                                       std::string("\xc3\xa9"), std::string(".")}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !isTag(bad));
            CPPUNIT_ASSERT(errorOf(bad) == ReferenceError::kTagInvalid);
        }
    }

    void case24_referencesWithAColonAreDigests() {
        for (const char* bad : {"a:", "a:b:c", "a:b", ":", "latest:"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, errorOf(bad) == ReferenceError::kDigestInvalid);
        }
        ReferenceError error{};
        std::optional<Reference> tag = parseReference("latest", &error);
        CPPUNIT_ASSERT(tag && !tag->isDigest());
        CPPUNIT_ASSERT_EQUAL(std::string("latest"), tag->tagName());
        CPPUNIT_ASSERT_EQUAL(std::string("latest"), tag->text());
    }

    void case25_digestsAsReferences() {
        ReferenceError error{};
        std::optional<Reference> good = parseReference("sha256:" + kHex, &error);
        CPPUNIT_ASSERT(good && good->isDigest());
        CPPUNIT_ASSERT_EQUAL(kHex, good->digest().hex());
        CPPUNIT_ASSERT_EQUAL("sha256:" + kHex, good->text());
        CPPUNIT_ASSERT(good->tagName().empty());
        for (const std::string& bad : {"sha256:" + kHex.substr(1), "sha256:" + kHex + "a",
                                       "sha256:" + std::string(64, 'A'), "SHA256:" + kHex}) {
            CPPUNIT_ASSERT_MESSAGE(bad, errorOf(bad) == ReferenceError::kDigestInvalid);
        }
    }

    void case26_sha512AsReference() {
        ReferenceError error{};
        std::optional<Reference> good = parseReference("sha512:" + kHex + kHex, &error);
        CPPUNIT_ASSERT(good && good->digest().algorithm() == DigestAlgorithm::kSha512);
    }

    void case27_unknownAlgorithmIsForeign() {
        const std::string value(32, 'a');
        for (const std::string& good :
             {"multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8" + std::string(),
              "sha3-256:" + kHex, "blake3:" + kHex, "x:" + value, "a.b_c+d-e:" + value,
              "x:" + std::string(254, 'A')}) {
            ReferenceError error{};
            const std::optional<Reference> foreign = parseReference(good, &error);
            CPPUNIT_ASSERT_MESSAGE(good, foreign && foreign->isForeign());
            CPPUNIT_ASSERT(!foreign->isDigest() && foreign->tagName().empty());
            CPPUNIT_ASSERT_EQUAL(good, foreign->text());
        }
        for (const std::string& bad :
             {"x:" + value.substr(1), "X:" + value, "+x:" + value, "x+:" + value, "x--y:" + value,
              "x:" + value + "/", "x:" + value + ":y", "x:" + std::string(255, 'a'), ":" + value}) {
            CPPUNIT_ASSERT_MESSAGE(bad, errorOf(bad) == ReferenceError::kDigestInvalid);
        }
    }

    void hostsAndPorts() {
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), hostPort("Docker.IO"));
        CPPUNIT_ASSERT_EQUAL(std::string("up.test:5000"), hostPort("up.test:5000"));
        CPPUNIT_ASSERT_EQUAL(std::string("localhost:65535"), hostPort("localhost:65535"));
        CPPUNIT_ASSERT_EQUAL(std::string("[::1]"), hostPort("[::1]"));
        CPPUNIT_ASSERT_EQUAL(std::string("[fd00::ab]:5000"), hostPort("[FD00::AB]:5000"));
        CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1:80"), hostPort("127.0.0.1:80"));
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{0}, parseHostPort("up.test")->port);
        CPPUNIT_ASSERT(*parseHostPort("A.b:1") == *parseHostPort("a.B:1"));
        for (const char* bad : {
                 "a:0", "a:65536", "a:", "a:1:2", "a:x", "a:-1", "a:000001", "", ":80", "[::1",
                 "[::1]80", "[::1]x80", "[::1]:", "[]", "[127.0.0.1]", "[::1%lo]", "::1", "me@a",
                 "a b", " a", "a/b", "a_b", "a..b", ".a", "-a", "a-", "a-.b", "\xc3\xa9.test",
                 "a%2eb", "[::1]]", "*.a"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, std::string("refused"), hostPort(bad));
        }
    }

    void case212_oddHostsAreRefusedOrCanonical() {
        CPPUNIT_ASSERT_EQUAL(std::string("refused"), hostPort("docker.io."));
        CPPUNIT_ASSERT_EQUAL(std::string("refused"), hostPort("docker.io%00"));
        CPPUNIT_ASSERT_EQUAL(std::string("refused"), hostPort(std::string("docker.io\0", 10)));
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), canonicalRegistry("docker.io."));
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), canonicalRegistry("docker.io:443"));
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), canonicalRegistry("DOCKER.io.:443"));
    }

    void hostsHaveLengthLimits() {
        std::string label63(63, 'a');
        CPPUNIT_ASSERT(parseHostPort(label63 + ".test"));
        CPPUNIT_ASSERT(!parseHostPort(label63 + "a.test"));
        std::string host = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'b');
        CPPUNIT_ASSERT_EQUAL(std::size_t{253}, host.size());
        CPPUNIT_ASSERT(parseHostPort(host + ":5000"));
        CPPUNIT_ASSERT(!parseHostPort(host + "b"));
    }

    void hostLikeComponents() {
        CPPUNIT_ASSERT(isHostLike("docker.io") && isHostLike("a:5000") && isHostLike("localhost"));
        CPPUNIT_ASSERT(isHostLike("127.0.0.1") && isHostLike("a."));
        CPPUNIT_ASSERT(!isHostLike("library") && !isHostLike("2130706433") && !isHostLike(""));
        CPPUNIT_ASSERT(!isHostLike("Library") && !isHostLike("localhosts"));
    }

    void publicHostNames() {
        for (const char* good : {"docker.io", "a.b.test", "xn--80ak6aa92e.com", "1.1.1.1.example",
                                 "mylocal.org", "localhost.org", "notinternal.net", "0x7f.io"}) {
            CPPUNIT_ASSERT_MESSAGE(good, isPublicHostName(good));
        }
    }

    void case31_numbersAndLocalNamesAreNotPublicHostNames() {
        for (const char* bad : {"127.0.0.1", "2130706433", "0x7f.1", "127.1", "169.254.169.254",
                                "017700000001", "a.0x7f", "a.0X7F", "a.0x", "1.2.3.4.5",
                                "localhost",
                                "registry", "a.local", "A.LOCAL", "a.internal", "a.localhost",
                                "home.arpa", "a.home.arpa", "a.onion", "[::1]", "::1", "a_b.test",
                                "a.test.", "a..test", "a.test:5000", "me@a.test", "a%2etest", ""}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !isPublicHostName(bad));
        }
    }

    void case6_namesOfDockerHubAreOne() {
        for (const char* name : {"docker.io", "index.docker.io", "registry-1.docker.io",
                                 "Registry-1.Docker.IO:443", "index.docker.io."}) {
            CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), canonicalRegistry(name));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io:5000"), canonicalRegistry("docker.io:5000"));
        CPPUNIT_ASSERT_EQUAL(std::string("hub.docker.io"), canonicalRegistry("hub.docker.io"));
        CPPUNIT_ASSERT_EQUAL(std::string("ghcr.io"), canonicalRegistry("GHCR.io:443"));
        CPPUNIT_ASSERT_EQUAL(std::string("corp"), canonicalRegistry("corp"));
        CPPUNIT_ASSERT_EQUAL(std::string("a:1443"), canonicalRegistry("a:1443"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(NamesTest);

}  // namespace ociproxy
