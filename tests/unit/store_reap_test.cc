#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr Millis kHour{3600 * 1000};
const std::string kRandom = "0123456789abcdef";

}  // namespace

class StoreReapTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreReapTest);
    CPPUNIT_TEST(anEmptyStoreMeasuresNothing);
    CPPUNIT_TEST(measuresContentOfAllAlgorithms);
    CPPUNIT_TEST(measuresOnlyWhatIsOurs);
    CPPUNIT_TEST(plantedDirectoriesAreNotWalked);
    CPPUNIT_TEST(idleTemporariesAreReaped);
    CPPUNIT_TEST(whatIsInUseStays);
    CPPUNIT_TEST(whatIsYoungStays);
    CPPUNIT_TEST(foreignFilesStay);
    CPPUNIT_TEST(plantedNamesAreNotFollowed);
    CPPUNIT_TEST(leftOversOfSmallFilesAreReaped);
    CPPUNIT_TEST(filesFromTheFutureAge);
    CPPUNIT_TEST(reapingSparesContentLinksAndTags);
    CPPUNIT_TEST(otherUsersFilesStay);
    CPPUNIT_TEST(aReapedWriterCannotCommit);
    CPPUNIT_TEST(smallFilesSurviveAnEagerReaper);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { fixture_ = std::make_unique<StoreFixture>(); }
    void tearDown() override { fixture_.reset(); }

    void anEmptyStoreMeasuresNothing() { assertUsage(0, 0); }

    void measuresContentOfAllAlgorithms() {
        fixture_->put("12345");
        fixture_->put("");
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha384, DigestAlgorithm::kSha512}) {
            std::unique_ptr<ContentWriter> writer =
                store().create(digestOf(algorithm, "1234567"), 1);
            writer->append("1234567", 7);
            CPPUNIT_ASSERT(writer->matches());
            writer->commit(blobInfo(7));
        }
        assertUsage(4, 19);
    }

    void measuresOnlyWhatIsOurs() {
        Digest digest = fixture_->put("12345");
        std::string hex(64, 'a');
        writeFile(fixture_->file("blobs/foreign"), "foreign");
        writeFile(fixture_->file("blobs/sha256/foreign"), "foreign");
        writeFile(fixture_->file("blobs/sha256/aa/foreign"), "foreign");
        writeFile(fixture_->file("blobs/sha256/ab/" + hex), "in the wrong place");
        writeFile(fixture_->file("blobs/sha256/aa/" + hex + "a"), "too long");
        std::filesystem::create_directory(fixture_->file("blobs/sha256/aa/" + hex));
        std::filesystem::create_directories(fixture_->file("blobs/md5/aa"));
        writeFile(fixture_->file("blobs/md5/aa/" + hex), "unknown");
        std::string other = "b" + std::string(63, 'a');
        std::filesystem::create_symlink(fixture_->file(blobFile(digest)),
                                        fixture_->file("blobs/sha256/ba/" + other));
        std::unique_ptr<ContentWriter> writer = store().create(sha256("x"), 1);
        writer->append("unfinished", 10);
        assertUsage(1, 5);
        CPPUNIT_ASSERT(exists(fixture_->file("blobs/foreign")));
    }

    void plantedDirectoriesAreNotWalked() {
        Digest digest = fixture_->put("12345");
        std::string fanOut =
            std::filesystem::path(fixture_->file(blobFile(digest))).parent_path();
        std::filesystem::rename(fanOut, fixture_->root.file("moved"));
        std::filesystem::create_symlink(fixture_->root.file("moved"), fanOut);
        assertUsage(0, 0);
        std::string temporaries = fixture_->root.file("temporaries");
        std::filesystem::create_directory(temporaries);
        writeFile(temporaries + '/' + temporaryName("x", 1), "");
        std::filesystem::remove_all(fixture_->file("tmp"));
        std::filesystem::create_symlink(temporaries, fixture_->file("tmp"));
        std::filesystem::create_symlink(temporaries, fixture_->file("meta/linked"));
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT(!namesIn(temporaries).empty());
    }

    void idleTemporariesAreReaped() {
        keep("a", 1, -7200);
        keep("b", 2, -7200);
        CPPUNIT_ASSERT_EQUAL(2u, store().reapTemporary({}, kHour));
        CPPUNIT_ASSERT(namesIn(fixture_->file("tmp")).empty());
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, kHour));
        keep("a", 3, 0);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapTemporary({}, Millis{0}));
    }

    void whatIsInUseStays() {
        keep("a", 1, -7200);
        keep("a", 2, -7200);
        keep("a", ~std::uint64_t{0}, -7200);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapTemporary({1, ~std::uint64_t{0}}, kHour));
        CPPUNIT_ASSERT(store().openTemporary(sha256("a"), 1));
        CPPUNIT_ASSERT(!store().openTemporary(sha256("a"), 2));
        CPPUNIT_ASSERT(store().openTemporary(sha256("a"), ~std::uint64_t{0}));
    }

    void whatIsYoungStays() {
        keep("a", 1, -3500);
        keep("b", 2, -3700);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapTemporary({}, kHour));
        CPPUNIT_ASSERT(store().openTemporary(sha256("a"), 1));
        // Adopting is as good as writing.
        keep("c", 3, -3700);
        std::unique_ptr<ContentWriter> writer = store().adopt(sha256("c"), 3, 1);
        CPPUNIT_ASSERT(writer);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, kHour));
    }

    void foreignFilesStay() {
        std::vector<std::string> files = {
            "tmp/foreign", "tmp/.hidden", "tmp/" + temporaryName("a", 1) + ".bak",
            "tmp/md5-00.0000000000000001", "meta/foreign", "repos/foreign", "foreign",
            "meta/sha256/00/x.json", "repos/.git", "tmp/.x." + kRandom,
            "blobs/sha256/00/.x." + kRandom, "quarantine/.x." + kRandom};
        for (const std::string& file : files) {
            writeFile(fixture_->file(file), "");
            setTimes(fixture_->file(file), -7200, -7200);
        }
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        for (const std::string& file : files) {
            CPPUNIT_ASSERT_MESSAGE(file, exists(fixture_->file(file)));
        }
    }

    void plantedNamesAreNotFollowed() {
        std::string victim = fixture_->root.file("victim");
        writeFile(victim, "precious");
        std::string planted = fixture_->file("tmp/" + temporaryName("a", 1));
        std::filesystem::create_symlink(victim, planted);
        std::filesystem::create_directory(fixture_->file("tmp/" + temporaryName("b", 2)));
        std::string fifo = fixture_->file("tmp/" + temporaryName("c", 3));
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(fifo.c_str(), 0600));
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT_EQUAL(std::string("precious"), readFile(victim));
        CPPUNIT_ASSERT(exists(planted));
    }

    void leftOversOfSmallFilesAreReaped() {
        store().putTag({"up.test", "r"}, "latest", TagEntry{sha256("a"), "", 1, 1, {}});
        store().putLink({"up.test", "r"}, ContentKind::kBlob, sha256("a"), false);
        std::string repository = "repos/" + namesIn(fixture_->file("repos")).at(0);
        std::vector<std::string> files = {
            ".version." + kRandom, "meta/sha256/00/.x.json." + kRandom,
            repository + "/.name." + kRandom, repository + "/links/.blob-x." + kRandom,
            repository + "/tags/.x.json." + kRandom};
        for (const std::string& file : files) writeFile(fixture_->file(file), "");
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, kHour));
        for (const std::string& file : files) setTimes(fixture_->file(file), -7200, -7200);
        CPPUNIT_ASSERT_EQUAL(5u, store().reapTemporary({}, kHour));
        for (const std::string& file : files) CPPUNIT_ASSERT(!exists(fixture_->file(file)));
        CPPUNIT_ASSERT(store().tag({"up.test", "r"}, "latest"));
    }

    void filesFromTheFutureAge() {
        keep("a", 1, 86400 * 365);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT_EQUAL(1u, store().reapTemporary({}, Millis{0}));
    }

    void reapingSparesContentLinksAndTags() {
        RepositoryKey where{"up.test", "r"};
        Digest digest = fixture_->put("12345");
        store().putLink(where, ContentKind::kBlob, digest, true);
        store().putTag(where, "latest", TagEntry{digest, "", 1, 1, {}});
        for (const std::string& file : filesBelow(fixture_->cache)) setTimes(file, -7200, -7200);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT(store().open(digest, ContentKind::kBlob));
        CPPUNIT_ASSERT(store().link(where, ContentKind::kBlob, digest));
        CPPUNIT_ASSERT(store().tag(where, "latest"));
        CPPUNIT_ASSERT_EQUAL(std::string("1\n"), readFile(fixture_->file("version")));
    }

    void otherUsersFilesStay() {
        keep("a", 1, -7200);
        giveAway(fixture_->file(temporaryFile(sha256("a"), 1)));
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        Digest digest = fixture_->put("12345");
        giveAway(fixture_->file(blobFile(digest)));
        assertUsage(0, 0);
    }

    void aReapedWriterCannotCommit() {
        std::unique_ptr<ContentWriter> writer = store().create(sha256("a"), 1);
        writer->append("a", 1);
        CPPUNIT_ASSERT(writer->matches());
        CPPUNIT_ASSERT_EQUAL(1u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT_THROW(writer->commit(blobInfo(1)), SysError);
        CPPUNIT_ASSERT(!store().open(sha256("a"), ContentKind::kBlob));
    }

    // Its files may be taken away at every moment: it has to make them again. With a
    // reaper that gives no time at all, a few in a row may be lost; that is reported.
    void smallFilesSurviveAnEagerReaper() {
        RepositoryKey where{"up.test", "r"};
        WordPipe started;
        Child reaper([&] {
            started.send();
            for (;;) store().reapTemporary({}, Millis{0});
        });
        CPPUNIT_ASSERT(started.receive());
        unsigned written = 0;
        for (unsigned i = 0; i < 200; ++i) {
            try {
                store().putTag(where, "latest", TagEntry{sha256("a"), "", i, 1, {}});
                ++written;
                CPPUNIT_ASSERT_EQUAL(std::uint64_t{i}, store().tag(where, "latest")->size);
            } catch (const SysError& error) {
                CPPUNIT_ASSERT_EQUAL(ENOENT, error.code());
            }
        }
        CPPUNIT_ASSERT(written > 150);
    }

private:
    Store& store() { return *fixture_->store; }

    static std::string temporaryName(const std::string& content, std::uint64_t lineage) {
        return temporaryFile(sha256(content), lineage).substr(4);
    }

    // A temporary file that its writer left behind, written to `written` seconds from now.
    void keep(const std::string& content, std::uint64_t lineage, std::int64_t written) {
        std::unique_ptr<ContentWriter> writer = store().create(sha256(content), lineage);
        writer->append(content.data(), content.size());
        writer->keep();
        setTimes(fixture_->file(temporaryFile(sha256(content), lineage)), 0, written);
    }

    void assertUsage(std::uint64_t files, std::uint64_t bytes) {
        Store::Usage usage = store().measure();
        CPPUNIT_ASSERT_EQUAL(files, usage.files);
        CPPUNIT_ASSERT_EQUAL(bytes, usage.bytes);
    }

    std::unique_ptr<StoreFixture> fixture_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreReapTest);

}  // namespace ociproxy
