#include "store/layout.h"

#include <set>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

const std::string kHex256(64, 'a');
const std::string kHex512 = std::string(126, 'b') + "07";

Digest digestNamed(const std::string& text) {
    std::optional<Digest> digest = Digest::parse(text);
    CPPUNIT_ASSERT(digest);
    return *digest;
}

}  // namespace

class StoreLayoutTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreLayoutTest);
    CPPUNIT_TEST(pathsAreThoseOfTheManual);
    CPPUNIT_TEST(everyAlgorithmHasItsOwnDirectory);
    CPPUNIT_TEST(repositoriesAreSeparatedByNul);
    CPPUNIT_TEST(hostileTagsStayInTheirDirectory);
    CPPUNIT_TEST(lineageIsReadBack);
    CPPUNIT_TEST(otherNamesHaveNoLineage);
    CPPUNIT_TEST(contentNames);
    CPPUNIT_TEST(scratchNamesAreRecognized);
    CPPUNIT_TEST(namesFitIntoDirectories);
    CPPUNIT_TEST(kindNames);
    CPPUNIT_TEST_SUITE_END();

public:
    void pathsAreThoseOfTheManual() {
        Digest digest = digestNamed("sha256:" + kHex256);
        CPPUNIT_ASSERT_EQUAL("blobs/sha256/aa/" + kHex256, contentPath(digest).text());
        CPPUNIT_ASSERT_EQUAL("meta/sha256/aa/" + kHex256 + ".json", metadataPath(digest).text());
        CPPUNIT_ASSERT_EQUAL("tmp/sha256-" + kHex256 + ".00000000000000ff",
                             temporaryPath(digest, 255).text());
        RepositoryKey where{"docker.io", "library/alpine"};
        std::string repository =
            "repos/" + sha256Hex(std::string("docker.io\0library/alpine", 24));
        CPPUNIT_ASSERT_EQUAL(repository, repositoryDirectory(where));
        CPPUNIT_ASSERT_EQUAL(repository + "/links/manifest-sha256-" + kHex256,
                             linkPath(where, ContentKind::kManifest, digest).text());
        CPPUNIT_ASSERT_EQUAL(repository + "/tags/" + sha256Hex("latest") + ".json",
                             tagPath(where, "latest").text());
    }

    void everyAlgorithmHasItsOwnDirectory() {
        CPPUNIT_ASSERT_EQUAL("blobs/sha512/bb/" + kHex512,
                             contentPath(digestNamed("sha512:" + kHex512)).text());
        std::string hex384(96, 'c');
        CPPUNIT_ASSERT_EQUAL("meta/sha384/cc/" + hex384 + ".json",
                             metadataPath(digestNamed("sha384:" + hex384)).text());
    }

    void repositoriesAreSeparatedByNul() {
        CPPUNIT_ASSERT(repositoryDirectory({"a.test", "b/c"}) !=
                       repositoryDirectory({"a.test/b", "c"}));
        CPPUNIT_ASSERT(repositoryDirectory({"a.test", "bc"}) !=
                       repositoryDirectory({"a.testb", "c"}));
    }

    void hostileTagsStayInTheirDirectory() {
        RepositoryKey where{"a.test", "b"};
        for (const std::string& tag : {std::string("../../../etc/passwd"), std::string("a/b"),
                                       std::string("."), std::string(), std::string(1, '\0')}) {
            StorePath path = tagPath(where, tag);
            CPPUNIT_ASSERT_EQUAL(repositoryDirectory(where) + "/tags", path.directory);
            CPPUNIT_ASSERT_EQUAL(sha256Hex(tag) + ".json", path.name);
        }
    }

    void lineageIsReadBack() {
        Digest digest = digestNamed("sha512:" + kHex512);
        for (std::uint64_t lineage : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0},
                                      std::uint64_t{0x0123456789abcdef}}) {
            std::optional<std::uint64_t> read = lineageOf(temporaryPath(digest, lineage).name);
            CPPUNIT_ASSERT(read);
            CPPUNIT_ASSERT_EQUAL(lineage, *read);
        }
    }

    void otherNamesHaveNoLineage() {
        std::string good = "sha256-" + kHex256 + ".0000000000000001";
        CPPUNIT_ASSERT(lineageOf(good));
        for (const std::string& name :
             {std::string(), std::string("."), std::string(".0000000000000001"),
              "sha256-" + kHex256, "sha256-" + kHex256 + ".1", good + "0", good + ".tmp",
              "sha256:" + kHex256 + ".0000000000000001", "md5-" + kHex256 + ".0000000000000001",
              "sha512-" + kHex256 + ".0000000000000001",
              "sha256-" + std::string(64, 'A') + ".0000000000000001",
              "sha256-" + kHex256 + ".000000000000000G", "x" + good}) {
            CPPUNIT_ASSERT_MESSAGE(name, !lineageOf(name));
        }
    }

    void contentNames() {
        CPPUNIT_ASSERT(isContentName(DigestAlgorithm::kSha256, "aa", kHex256));
        CPPUNIT_ASSERT(isContentName(DigestAlgorithm::kSha512, "bb", kHex512));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha256, "ab", kHex256));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha256, "a", kHex256));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha512, "aa", kHex256));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha256, "aa", kHex256 + "a"));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha256, "AA", std::string(64, 'A')));
        CPPUNIT_ASSERT(!isContentName(DigestAlgorithm::kSha256, "", ""));
    }

    void scratchNamesAreRecognized() {
        std::string name = scratchName("x.json");
        CPPUNIT_ASSERT(startsWith(name, ".x.json."));
        CPPUNIT_ASSERT(isScratchName(name));
        CPPUNIT_ASSERT(name != scratchName("x.json"));
        CPPUNIT_ASSERT(!isScratchName("x.json"));
        CPPUNIT_ASSERT(!isScratchName(".0123456789abcdef"));
        CPPUNIT_ASSERT(!isScratchName("..0123456789abcdef"));
        CPPUNIT_ASSERT(!isScratchName(".x.json.0123456789abcde"));
        CPPUNIT_ASSERT(!isScratchName(".x.json.0123456789abcdeF"));
        CPPUNIT_ASSERT(!isScratchName(".x-0123456789abcdef"));
        CPPUNIT_ASSERT(!isScratchName(""));
    }

    void namesFitIntoDirectories() {
        Digest digest = digestNamed("sha512:" + kHex512);
        std::string link = linkPath({"a.test", "b"}, ContentKind::kManifest, digest).name;
        CPPUNIT_ASSERT(scratchName(link).size() <= 255);
        CPPUNIT_ASSERT(scratchName(metadataPath(digest).name).size() <= 255);
        std::set<std::string> fanOut;
        for (unsigned i = 0; i < kFanOut; ++i) fanOut.insert(fanOutName(i));
        CPPUNIT_ASSERT_EQUAL(std::size_t{256}, fanOut.size());
        CPPUNIT_ASSERT_EQUAL(std::string("00"), *fanOut.begin());
        CPPUNIT_ASSERT_EQUAL(std::string("ff"), *fanOut.rbegin());
    }

    void kindNames() {
        CPPUNIT_ASSERT_EQUAL(std::string("blob"),
                             std::string(contentKindName(ContentKind::kBlob)));
        CPPUNIT_ASSERT_EQUAL(std::string("manifest"),
                             std::string(contentKindName(ContentKind::kManifest)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreLayoutTest);

}  // namespace ociproxy
