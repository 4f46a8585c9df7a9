#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

const RepositoryKey kWhere{"up.test", "library/alpine"};
const char kType[] = "application/vnd.oci.image.index.v1+json";

std::string tagFile(const RepositoryKey& where, const std::string& tag) {
    return cat("repos/", sha256Hex(where.upstream + '\0' + where.repository), "/tags/",
               sha256Hex(tag), ".json");
}

void assertSame(const TagEntry& a, const TagEntry& b) {
    CPPUNIT_ASSERT(a.digest == b.digest);
    CPPUNIT_ASSERT_EQUAL(a.mediaType, b.mediaType);
    CPPUNIT_ASSERT_EQUAL(a.size, b.size);
    CPPUNIT_ASSERT_EQUAL(a.checkedAt, b.checkedAt);
    CPPUNIT_ASSERT(a.next == b.next);
}

}  // namespace

class StoreTagsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreTagsTest);
    CPPUNIT_TEST(absentUntilPut);
    CPPUNIT_TEST(everyFieldIsKept);
    CPPUNIT_TEST(theLastOneCounts);
    CPPUNIT_TEST(repositoriesAndTagsAreSeparate);
    CPPUNIT_TEST(hostileNamesStayInside);
    CPPUNIT_TEST(droppedIsAbsent);
    CPPUNIT_TEST(theFileIsThatOfTheManual);
    CPPUNIT_TEST(whatDoesNotParseIsAbsent);
    CPPUNIT_TEST(oddBytesNeverSpoilTheFile);
    CPPUNIT_TEST(plantedThingsAreAbsent);
    CPPUNIT_TEST(anotherUsersFileIsAbsent);
    CPPUNIT_TEST(readersSeeOldOrNew);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { fixture_ = std::make_unique<StoreFixture>(); }
    void tearDown() override { fixture_.reset(); }

    void absentUntilPut() {
        CPPUNIT_ASSERT(!store().tag(kWhere, "latest"));
        store().putTag(kWhere, "latest", entry_);
        CPPUNIT_ASSERT(store().tag(kWhere, "latest"));
        CPPUNIT_ASSERT(fixture_->another()->tag(kWhere, "latest"));
    }

    void everyFieldIsKept() {
        store().putTag(kWhere, "plain", entry_);
        assertSame(entry_, *store().tag(kWhere, "plain"));
        TagEntry full{digestOf(DigestAlgorithm::kSha512, "a"), "", ~std::uint64_t{0}, -5,
                      digestOf(DigestAlgorithm::kSha384, "b")};
        store().putTag(kWhere, "full", full);
        assertSame(full, *store().tag(kWhere, "full"));
    }

    void theLastOneCounts() {
        store().putTag(kWhere, "latest", entry_);
        TagEntry later = entry_;
        later.next = sha256("next");
        later.checkedAt += 60;
        store().putTag(kWhere, "latest", later);
        assertSame(later, *store().tag(kWhere, "latest"));
        store().putTag(kWhere, "latest", entry_);
        CPPUNIT_ASSERT(!store().tag(kWhere, "latest")->next);
    }

    void repositoriesAndTagsAreSeparate() {
        store().putTag(kWhere, "latest", entry_);
        CPPUNIT_ASSERT(!store().tag(kWhere, "Latest"));
        CPPUNIT_ASSERT(!store().tag({"up.test", "library/alpin"}, "elatest"));
        CPPUNIT_ASSERT(!store().tag({"other.test", "library/alpine"}, "latest"));
    }

    void hostileNamesStayInside() {
        std::size_t before = namesIn(fixture_->root.path()).size();
        for (const std::string& name : {std::string("../../../../escaped"), std::string("/x"),
                                        std::string("a/b"), std::string(".."),
                                        std::string(4000, 'x')}) {
            RepositoryKey where{name, name};
            store().putTag(where, name, entry_);
            assertSame(entry_, *store().tag(where, name));
        }
        CPPUNIT_ASSERT_EQUAL(before, namesIn(fixture_->root.path()).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, namesIn(fixture_->file("repos")).size());
    }

    void droppedIsAbsent() {
        store().dropTag(kWhere, "latest");
        store().putTag(kWhere, "latest", entry_);
        store().putTag(kWhere, "edge", entry_);
        store().dropTag(kWhere, "latest");
        CPPUNIT_ASSERT(!store().tag(kWhere, "latest"));
        CPPUNIT_ASSERT(store().tag(kWhere, "edge"));
        CPPUNIT_ASSERT(fixture_->logLines().empty());
    }

    void theFileIsThatOfTheManual() {
        TagEntry entry = entry_;
        entry.next = sha256("next");
        store().putTag(kWhere, "latest", entry);
        CPPUNIT_ASSERT_EQUAL(cat("{\"checked\":1700000000,\"digest\":\"", entry.digest.text(),
                                 "\",\"mediaType\":\"", kType, "\",\"next\":\"",
                                 entry.next->text(), "\",\"size\":1234,\"tag\":\"latest\"}\n"),
                             readFile(fixture_->file(tagFile(kWhere, "latest"))));
    }

    void whatDoesNotParseIsAbsent() {
        store().putTag(kWhere, "latest", entry_);
        std::string file = fixture_->file(tagFile(kWhere, "latest"));
        std::string digest = cat("\"digest\":\"", entry_.digest.text(), '"');
        std::string rest = ",\"mediaType\":\"t\",\"size\":1,\"checked\":1";
        for (const std::string& text :
             {std::string(), std::string("null"), std::string("[]"), "{" + digest + "}",
              "{" + digest + rest, "{" + digest + rest + "}}",
              "{\"digest\":\"sha256:abc\"" + rest + "}", "{\"digest\":7" + rest + "}",
              "{" + digest + ",\"mediaType\":\"t\",\"size\":-1,\"checked\":1}",
              "{" + digest + ",\"mediaType\":\"t\",\"size\":\"1\",\"checked\":1}",
              "{" + digest + ",\"mediaType\":null,\"size\":1,\"checked\":1}",
              "{" + digest + ",\"mediaType\":\"t\",\"size\":1,\"checked\":99999999999999999999.5}",
              "{" + digest + rest + ",\"x\":\"" + std::string(64 * 1024, 'x') + "\"}"}) {
            writeFile(file, text);
            CPPUNIT_ASSERT_MESSAGE(text.substr(0, 60), !store().tag(kWhere, "latest"));
        }
        // What is odd in `next` only costs that; unknown fields are for later versions.
        writeFile(file, "{" + digest + rest + ",\"next\":\"sha256:no\",\"new\":[1]}");
        std::optional<TagEntry> entry = store().tag(kWhere, "latest");
        CPPUNIT_ASSERT(entry);
        CPPUNIT_ASSERT(!entry->next);
    }

    void oddBytesNeverSpoilTheFile() {
        TagEntry entry = entry_;
        entry.mediaType = std::string("a\"\\\n\0\xff\xc3(\x7f/b", 11);
        store().putTag(kWhere, "latest", entry);
        CPPUNIT_ASSERT_EQUAL("a\"\\" + std::string(4, '?') + '(' + '?' + "/b",
                             store().tag(kWhere, "latest")->mediaType);
    }

    void plantedThingsAreAbsent() {
        store().putTag(kWhere, "latest", entry_);
        std::string file = fixture_->file(tagFile(kWhere, "latest"));
        std::string elsewhere = fixture_->root.file("elsewhere");
        std::filesystem::rename(file, elsewhere);
        CPPUNIT_ASSERT_EQUAL(0, ::symlink(elsewhere.c_str(), file.c_str()));
        CPPUNIT_ASSERT(!store().tag(kWhere, "latest"));
        store().putTag(kWhere, "latest", entry_);
        CPPUNIT_ASSERT(store().tag(kWhere, "latest"));
        CPPUNIT_ASSERT(S_ISREG(statusOfFile(file).st_mode));
    }

    void anotherUsersFileIsAbsent() {
        store().putTag(kWhere, "latest", entry_);
        giveAway(fixture_->file(tagFile(kWhere, "latest")));
        CPPUNIT_ASSERT(!store().tag(kWhere, "latest"));
    }

    void readersSeeOldOrNew() {
        store().putTag(kWhere, "latest", entry_);
        Child writer([&] {
            std::unique_ptr<Store> own = fixture_->another();
            for (unsigned i = 0; i < 300; ++i) {
                TagEntry entry = entry_;
                entry.size = i;
                entry.mediaType = std::string(i, 'x');
                own->putTag(kWhere, "latest", entry);
            }
        });
        bool first = true;
        for (unsigned seen = 0; seen < 299;) {
            std::optional<TagEntry> entry = store().tag(kWhere, "latest");
            CPPUNIT_ASSERT(entry);
            if (first && entry->mediaType == kType) continue;
            first = false;
            CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(entry->size), entry->mediaType.size());
            CPPUNIT_ASSERT(entry->size >= seen);
            seen = static_cast<unsigned>(entry->size);
        }
        CPPUNIT_ASSERT(writer.succeeded());
    }

private:
    Store& store() { return *fixture_->store; }

    std::unique_ptr<StoreFixture> fixture_;
    const TagEntry entry_{sha256("content"), kType, 1234, 1700000000, std::nullopt};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreTagsTest);

}  // namespace ociproxy
