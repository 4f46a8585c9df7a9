#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <random>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/runner.h"
#include "support/store_fixture.h"
#include "support/traced_child.h"

namespace ociproxy {

namespace {

const std::string kText = "some content";
constexpr std::uint64_t kLineage = 0x2a;

// Different for every seed, of the given size.
std::string filler(std::uint64_t seed, std::size_t size) {
    std::mt19937_64 random(seed);
    std::string out;
    while (out.size() < size) out += std::to_string(random());
    out.resize(size);
    return out;
}

void append(ContentWriter& writer, const std::string& text) {
    writer.append(text.data(), text.size());
}

int codeOf(const std::function<void()>& action) {
    try {
        action();
    } catch (const SysError& error) {
        return error.code();
    }
    return 0;
}

// A file system of 1 MiB.
class TinyDisk {
public:
    explicit TinyDisk(const std::string& path) : path_(path) {
        if (::mkdir(path_.c_str(), 0700) != 0) throwErrno("mkdir " + path_);
        if (::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=1m,mode=0700") != 0) {
            skipTest("mounting is not permitted: " + errnoText(errno));
        }
    }
    ~TinyDisk() { ::umount2(path_.c_str(), MNT_DETACH); }
    TinyDisk(const TinyDisk&) = delete;
    TinyDisk& operator=(const TinyDisk&) = delete;

private:
    std::string path_;
};

}  // namespace

class StoreWriterTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreWriterTest);
    CPPUNIT_TEST(nothingIsVisibleBeforeCommit);
    CPPUNIT_TEST(pieceByPiece);
    CPPUNIT_TEST(emptyContent);
    CPPUNIT_TEST(everyAlgorithm);
    CPPUNIT_TEST(otherBytesDoNotMatch);
    CPPUNIT_TEST(anAbandonedFileIsRemoved);
    CPPUNIT_TEST(anotherOnesFileIsNotRemoved);
    CPPUNIT_TEST(aKeptFileStays);
    CPPUNIT_TEST(createBeginsAnew);
    CPPUNIT_TEST(createDoesNotFollowWhatIsPlanted);
    CPPUNIT_TEST(temporariesAreReadWhileTheyGrow);
    CPPUNIT_TEST(plantedTemporariesAreNotRead);
    CPPUNIT_TEST(modesDoNotDependOnTheUmask);
    CPPUNIT_TEST(adoptKeepsExactlyThePrefix);
    CPPUNIT_TEST(adoptHashesThePrefix);
    CPPUNIT_TEST(adoptRefuses);
    CPPUNIT_TEST(adoptRefusesAnotherUsersFile);
    CPPUNIT_TEST(adoptAfterKill);
    CPPUNIT_TEST(commitMergesMetadata);
    CPPUNIT_TEST(commitReplacesMetadataOfAnotherSize);
    CPPUNIT_TEST(commitRecordsTheTrueSize);
    CPPUNIT_TEST(commitAgainIsHarmless);
    CPPUNIT_TEST(commitRefusesAReplacedFile);
    CPPUNIT_TEST(commitRefusesAChangedFile);
    CPPUNIT_TEST(commitNeedsVerification);
    CPPUNIT_TEST(reserveKeepsTheSize);
    CPPUNIT_TEST(reservingTooMuchIsTold);
    CPPUNIT_TEST(fullDisk);
    CPPUNIT_TEST(manyProcessesCommitTheSame);
    CPPUNIT_TEST(killedAtEverySystemCall);
    CPPUNIT_TEST(killedAtRandomMoments);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { fixture_ = std::make_unique<StoreFixture>(); }
    void tearDown() override { fixture_.reset(); }

    void nothingIsVisibleBeforeCommit() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, writer->size());
        CPPUNIT_ASSERT(exists(temporary()));
        append(*writer, kText);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kText.size()}, writer->size());
        CPPUNIT_ASSERT(writer->matches());
        CPPUNIT_ASSERT(filesBelow(fixture_->file("blobs")).empty());
        CPPUNIT_ASSERT(filesBelow(fixture_->file("meta")).empty());
        writer->commit(blobInfo(kText.size()));
        CPPUNIT_ASSERT_EQUAL(kText, readFile(blob()));
        CPPUNIT_ASSERT(!exists(temporary()));
        writer.reset();
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        assertClean();
    }

    void pieceByPiece() {
        std::string text = filler(1, 3 << 20);
        std::unique_ptr<ContentWriter> writer = store().create(sha256(text), kLineage);
        std::mt19937 random(2);
        for (std::size_t at = 0; at < text.size();) {
            std::size_t size = std::min<std::size_t>(random() % 100000, text.size() - at);
            writer->append(text.data() + at, size);
            at += size;
        }
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(text.size()));
        CPPUNIT_ASSERT(contentOf(*store().open(sha256(text), ContentKind::kBlob)) == text);
    }

    void emptyContent() {
        Digest digest = fixture_->put("");
        std::optional<StoredContent> content = store().open(digest, ContentKind::kBlob);
        CPPUNIT_ASSERT(content);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, content->info.size);
    }

    void everyAlgorithm() {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                          DigestAlgorithm::kSha512}) {
            Digest digest = digestOf(algorithm, kText);
            std::unique_ptr<ContentWriter> writer = store().create(digest, kLineage);
            append(*writer, kText);
            CPPUNIT_ASSERT(writer->matches());
            writer->commit(blobInfo(kText.size()));
            CPPUNIT_ASSERT_EQUAL(kText, contentOf(*store().open(digest, ContentKind::kBlob)));
            CPPUNIT_ASSERT_EQUAL(kText, readFile(fixture_->file(blobFile(digest))));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, store().measure().files);
        assertClean();
    }

    void otherBytesDoNotMatch() {
        for (const std::string& text : {std::string(), kText + "x", kText.substr(1),
                                        std::string("Some content")}) {
            std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
            append(*writer, text);
            CPPUNIT_ASSERT(!writer->matches());
        }
        // The digest of the same bytes, but by another algorithm's name.
        std::unique_ptr<ContentWriter> writer =
            store().create(digestOf(DigestAlgorithm::kSha512, "other"), kLineage);
        append(*writer, kText);
        CPPUNIT_ASSERT(!writer->matches());
        writer.reset();
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        assertClean();
    }

    void anAbandonedFileIsRemoved() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, kText);
        CPPUNIT_ASSERT(exists(temporary()));
        writer.reset();
        CPPUNIT_ASSERT(!exists(temporary()));
    }

    void anotherOnesFileIsNotRemoved() {
        std::unique_ptr<ContentWriter> first = store().create(digest_, kLineage);
        std::unique_ptr<ContentWriter> second = store().create(digest_, kLineage);
        append(*second, kText);
        first.reset();
        CPPUNIT_ASSERT(exists(temporary()));
        CPPUNIT_ASSERT(second->matches());
        second->commit(blobInfo(kText.size()));
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

    void aKeptFileStays() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, "some");
        writer->keep();
        writer.reset();
        CPPUNIT_ASSERT_EQUAL(std::string("some"), readFile(temporary()));
    }

    void createBeginsAnew() {
        {
            std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
            append(*writer, "what was there before");
            writer->keep();
        }
        Fd reader = store().openTemporary(digest_, kLineage);
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        CPPUNIT_ASSERT_EQUAL(std::string(), readFile(temporary()));
        // Who follows the old one still reads it.
        CPPUNIT_ASSERT_EQUAL(std::string("what was there before"),
                             readAll(reader.get(), 100, "temporary file"));
        append(*writer, kText);
        CPPUNIT_ASSERT(writer->matches());
    }

    void createDoesNotFollowWhatIsPlanted() {
        std::string victim = fixture_->root.file("victim");
        writeFile(victim, "precious");
        std::filesystem::create_symlink(victim, temporary());
        fixtureWrite();
        CPPUNIT_ASSERT_EQUAL(std::string("precious"), readFile(victim));
        std::filesystem::create_hard_link(victim, temporary());
        fixtureWrite();
        CPPUNIT_ASSERT_EQUAL(std::string("precious"), readFile(victim));
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(temporary().c_str(), 0600));
        fixtureWrite();
        std::filesystem::create_directory(temporary());
        CPPUNIT_ASSERT_THROW(store().create(digest_, kLineage), SysError);
        std::filesystem::remove(temporary());
        std::filesystem::remove_all(fixture_->file("tmp"));
        std::filesystem::create_directory(fixture_->root.file("elsewhere"));
        std::filesystem::create_symlink(fixture_->root.file("elsewhere"), fixture_->file("tmp"));
        CPPUNIT_ASSERT_THROW(store().create(digest_, kLineage), SysError);
        CPPUNIT_ASSERT(namesIn(fixture_->root.file("elsewhere")).empty());
    }

    void temporariesAreReadWhileTheyGrow() {
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage));
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage + 1));
        CPPUNIT_ASSERT(!store().openTemporary(sha256("other"), kLineage));
        Fd reader = store().openTemporary(digest_, kLineage);
        CPPUNIT_ASSERT(reader);
        append(*writer, "some ");
        CPPUNIT_ASSERT_EQUAL(std::string("some "), readAll(reader.get(), 100, "temporary file"));
        append(*writer, "content");
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(kText.size()));
        // The same file, under whichever name.
        CPPUNIT_ASSERT_EQUAL(kText, readAll(reader.get(), 100, "temporary file"));
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage));
    }

    void plantedTemporariesAreNotRead() {
        writeFile(fixture_->root.file("elsewhere"), kText);
        std::filesystem::create_symlink(fixture_->root.file("elsewhere"), temporary());
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage));
        std::filesystem::remove(temporary());
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(temporary().c_str(), 0600));
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage));
        std::filesystem::remove(temporary());
        std::filesystem::create_directory(temporary());
        CPPUNIT_ASSERT(!store().openTemporary(digest_, kLineage));
    }

    void modesDoNotDependOnTheUmask() {
        for (mode_t mask : {mode_t{0}, mode_t{0777}}) {
            mode_t old = ::umask(mask);
            std::unique_ptr<ContentWriter> writer =
                store().create(digestOf(DigestAlgorithm::kSha512, kText), kLineage);
            append(*writer, kText);
            CPPUNIT_ASSERT(writer->matches());
            writer->commit(blobInfo(kText.size()));
            ::umask(old);
            for (const std::string& file : filesBelow(fixture_->file("blobs"))) {
                CPPUNIT_ASSERT_EQUAL(mode_t{0600}, statusOfFile(file).st_mode & 07777);
            }
            CPPUNIT_ASSERT_EQUAL(mode_t{0700},
                                 statusOfFile(fixture_->file("blobs/sha512")).st_mode & 07777);
            std::filesystem::remove_all(fixture_->file("blobs/sha512"));
        }
    }

    void adoptKeepsExactlyThePrefix() {
        for (std::uint64_t bytes : {0u, 1u, 4u, 12u}) {
            leave(kText.substr(0, static_cast<std::size_t>(bytes)) + "unannounced");
            std::unique_ptr<ContentWriter> writer = store().adopt(digest_, kLineage, bytes);
            CPPUNIT_ASSERT(writer);
            CPPUNIT_ASSERT_EQUAL(bytes, writer->size());
            CPPUNIT_ASSERT_EQUAL(kText.substr(0, static_cast<std::size_t>(bytes)),
                                 readFile(temporary()));
            append(*writer, kText.substr(static_cast<std::size_t>(bytes)));
            CPPUNIT_ASSERT(writer->matches());
            writer->commit(blobInfo(kText.size()));
            CPPUNIT_ASSERT_EQUAL(kText, contentOf(*store().open(digest_, ContentKind::kBlob)));
        }
        // More than one step of reading.
        std::string text = filler(3, 1000001);
        Digest digest = sha256(text);
        {
            std::unique_ptr<ContentWriter> writer = store().create(digest, kLineage);
            append(*writer, text.substr(0, 900000));
            writer->keep();
        }
        std::unique_ptr<ContentWriter> writer = store().adopt(digest, kLineage, 800000);
        append(*writer, text.substr(800000));
        CPPUNIT_ASSERT(writer->matches());
        assertAdoptedDies();
    }

    void adoptHashesThePrefix() {
        leave("SOME content");
        std::unique_ptr<ContentWriter> writer = store().adopt(digest_, kLineage, 5);
        append(*writer, "content");
        CPPUNIT_ASSERT(!writer->matches());
    }

    void adoptRefuses() {
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, 0));  // gone
        leave("some");
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, 5));  // shorter
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, ~std::uint64_t{0}));
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage + 1, 4));
        CPPUNIT_ASSERT_EQUAL(std::string("some"), readFile(temporary()));
        CPPUNIT_ASSERT(store().adopt(digest_, kLineage, 4));
        std::string elsewhere = fixture_->root.file("elsewhere");
        writeFile(elsewhere, "precious content");
        std::filesystem::create_symlink(elsewhere, temporary());
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, 4));
        CPPUNIT_ASSERT_EQUAL(std::string("precious content"), readFile(elsewhere));
        std::filesystem::remove(temporary());
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(temporary().c_str(), 0600));
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, 0));
    }

    void adoptRefusesAnotherUsersFile() {
        leave("some");
        giveAway(temporary());
        CPPUNIT_ASSERT(!store().adopt(digest_, kLineage, 4));
    }

    void adoptAfterKill() {
        std::string text = filler(4, 300000);
        Digest digest = sha256(text);
        WordPipe written;
        Child owner([&] {
            std::unique_ptr<ContentWriter> writer = store().create(digest, kLineage);
            writer->reserve(text.size());
            append(*writer, text.substr(0, 200000));
            written.send();
            append(*writer, "bytes that were never announced");
            for (;;) ::pause();
        });
        CPPUNIT_ASSERT(written.receive());
        owner.kill();
        owner.wait();
        std::unique_ptr<ContentWriter> writer = store().adopt(digest, kLineage, 200000);
        CPPUNIT_ASSERT(writer);
        append(*writer, text.substr(200000));
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(text.size()));
        CPPUNIT_ASSERT(contentOf(*store().open(digest, ContentKind::kBlob)) == text);
        assertClean();
    }

    void commitMergesMetadata() {
        ContentInfo first = blobInfo(kText.size());
        first.isPublic = true;
        storeContent(store(), kText, first, 1);
        ContentInfo second = manifestInfo(kText.size());
        second.origin = "other.test";
        second.blobType = "text/plain";
        second.fetchedAt = 1800000000;
        storeContent(store(), kText, second, 2);
        ContentInfo info = *store().info(digest_);
        CPPUNIT_ASSERT(info.isPublic);
        CPPUNIT_ASSERT_EQUAL(*first.blobType, *info.blobType);
        CPPUNIT_ASSERT_EQUAL(*second.manifestType, *info.manifestType);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test"), info.origin);
        CPPUNIT_ASSERT_EQUAL(second.fetchedAt, info.fetchedAt);
    }

    void commitReplacesMetadataOfAnotherSize() {
        ContentInfo wrong = manifestInfo(1);
        wrong.isPublic = true;
        storeContent(store(), kText, wrong, 1);
        writeFile(fixture_->file(metadataFile(digest_)),
                  "{\"size\":13,\"public\":true,\"manifestType\":\"a/b\"}");
        fixture_->put(kText);
        ContentInfo info = *store().info(digest_);
        CPPUNIT_ASSERT(!info.isPublic);
        CPPUNIT_ASSERT(!info.manifestType);
    }

    void commitRecordsTheTrueSize() {
        storeContent(store(), kText, blobInfo(0), 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kText.size()}, store().info(digest_)->size);
    }

    void commitAgainIsHarmless() {
        fixture_->put(kText);
        std::optional<StoredContent> old = store().open(digest_, ContentKind::kBlob);
        fixture_->put(kText);
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*old));
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*store().open(digest_, ContentKind::kBlob)));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, store().measure().files);
    }

    void commitRefusesAReplacedFile() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, kText);
        CPPUNIT_ASSERT(writer->matches());
        std::filesystem::remove(temporary());
        writeFile(temporary(), "EVIL content");
        CPPUNIT_ASSERT_THROW(writer->commit(blobInfo(kText.size())), SysError);
        writer.reset();
        CPPUNIT_ASSERT(exists(temporary()));
        CPPUNIT_ASSERT(!exists(blob()));
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
    }

    void commitRefusesAChangedFile() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, kText);
        CPPUNIT_ASSERT(writer->matches());
        CPPUNIT_ASSERT_EQUAL(0, ::truncate(temporary().c_str(), 5));
        CPPUNIT_ASSERT_THROW(writer->commit(blobInfo(kText.size())), SysError);
        writer.reset();
        CPPUNIT_ASSERT(!exists(blob()));
        assertClean();
    }

    void commitNeedsVerification() {
        for (bool asked : {false, true}) {
            Child child([&] {
                Fd null(::open("/dev/null", O_WRONLY));
                ::dup2(null.get(), STDERR_FILENO);
                std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
                append(*writer, "other");
                if (asked) (void)writer->matches();
                writer->commit(blobInfo(5));
            });
            int status = child.wait();
            CPPUNIT_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
        CPPUNIT_ASSERT(!exists(blob()));
    }

    void reserveKeepsTheSize() {
        std::string text = filler(5, 100000);
        Digest digest = sha256(text);
        std::unique_ptr<ContentWriter> writer = store().create(digest, kLineage);
        writer->reserve(0);
        writer->reserve(8 << 20);
        std::string file = fixture_->file(temporaryFile(digest, kLineage));
        CPPUNIT_ASSERT_EQUAL(off_t{0}, statusOfFile(file).st_size);
        bool reserves = statusOfFile(file).st_blocks > 0;
        append(*writer, text);
        writer->reserve(50);
        CPPUNIT_ASSERT_EQUAL(off_t{100000}, statusOfFile(file).st_size);
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(text.size()));
        struct stat status = statusOfFile(fixture_->file(blobFile(digest)));
        CPPUNIT_ASSERT_EQUAL(off_t{100000}, status.st_size);
        // What was too much is given back.
        if (reserves) CPPUNIT_ASSERT(status.st_blocks * 512 < (1 << 20));
    }

    void reservingTooMuchIsTold() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        CPPUNIT_ASSERT_EQUAL(EFBIG, codeOf([&] { writer->reserve(~std::uint64_t{0}); }));
        append(*writer, kText);  // no harm done
        CPPUNIT_ASSERT(writer->matches());
    }

    void fullDisk() {
        TinyDisk disk(fixture_->root.file("tiny"));
        std::string cache = fixture_->root.file("tiny/cache");
        Fd lock = Store::prepare(cache, Millis{0});
        Store::Options options;
        options.directory = cache;
        Store tiny(options);
        std::string text = filler(6, 2 << 20);
        std::unique_ptr<ContentWriter> writer = tiny.create(sha256(text), kLineage);
        CPPUNIT_ASSERT_EQUAL(ENOSPC, codeOf([&] { writer->reserve(text.size()); }));
        CPPUNIT_ASSERT_EQUAL(ENOSPC, codeOf([&] { append(*writer, text); }));
        CPPUNIT_ASSERT(!writer->matches());
        // Full: not even metadata, links and tags; all say so, none leaves anything.
        std::unique_ptr<ContentWriter> small = tiny.create(digest_, kLineage);
        CPPUNIT_ASSERT_EQUAL(ENOSPC, codeOf([&] { append(*small, kText); }));
        RepositoryKey where{"up.test", "r"};
        CPPUNIT_ASSERT_EQUAL(
            ENOSPC, codeOf([&] { tiny.putLink(where, ContentKind::kBlob, digest_, true); }));
        CPPUNIT_ASSERT(!tiny.link(where, ContentKind::kBlob, digest_));
        small.reset();
        writer.reset();
        assertClean(cache);
        // Room again.
        tiny.putLink(where, ContentKind::kBlob, digest_, true);
        storeContent(tiny, kText, blobInfo(kText.size()), 7);
        CPPUNIT_ASSERT(tiny.open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(damagedBlobs(cache).empty());
    }

    void manyProcessesCommitTheSame() {
        constexpr int kRounds = 15;
        constexpr std::uint64_t kProcesses = 4;
        WordPipe start;
        WordPipe done;
        std::vector<std::unique_ptr<Child>> children;
        for (std::uint64_t i = 0; i < kProcesses; ++i) {
            children.push_back(std::make_unique<Child>([&, i] {
                std::unique_ptr<Store> own = fixture_->another();
                for (std::uint64_t round = 0; start.receive(); ++round) {
                    if (round == kRounds) return;
                    std::string text = filler(round, 20000);
                    storeContent(*own, text, i % 2 == 0 ? blobInfo(20000) : manifestInfo(20000),
                                 round * kProcesses + i);
                    done.send();
                    // The next byte may be meant for another.
                    if (!gate_[i].receive()) return;
                }
            }));
        }
        for (std::uint64_t round = 0; round < kRounds; ++round) {
            start.send(std::string(kProcesses, 'x'));
            for (std::uint64_t i = 0; i < kProcesses; ++i) CPPUNIT_ASSERT(done.receive());
            Digest digest = sha256(filler(round, 20000));
            CPPUNIT_ASSERT(store().open(digest, ContentKind::kBlob));
            CPPUNIT_ASSERT(store().open(digest, ContentKind::kManifest));
            for (WordPipe& gate : gate_) gate.send();
        }
        start.send(std::string(kProcesses, 'x'));
        for (std::unique_ptr<Child>& child : children) CPPUNIT_ASSERT(child->succeeded());
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kRounds}, store().measure().files);
        assertClean();
    }

    void killedAtEverySystemCall() {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        unsigned stops = 0;
        bool finished = false;
        for (unsigned killAt = 1; !finished; ++killAt) {
            std::string text = filler(killAt, 70000);
            Digest digest = sha256(text);
            RepositoryKey where{"up.test", cat("r", killAt)};
            TracedChild child([] {}, [&] {
                store().putLink(where, ContentKind::kBlob, digest, true);
                storeContent(store(), text, blobInfo(text.size()), killAt);
            });
            for (stops = 0; stops < killAt && child.next(); ++stops) {
            }
            finished = stops < killAt;
            CPPUNIT_ASSERT(!finished || child.succeeded());
            child.kill();
            checkAfterKill(text, digest, finished);
        }
        // Opening, writing, three syncs of files and more, each before and after.
        CPPUNIT_ASSERT(stops > 60);
    }

    void killedAtRandomMoments() {
        constexpr unsigned kRounds = 60;
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        std::mt19937_64 random(random64());
        std::size_t acknowledged = 0;
        std::size_t visible = 0;
        for (unsigned round = 0; round < kRounds; ++round) {
            WordPipe committed;
            Child child([&] {
                for (std::uint64_t i = 0;; ++i) commitOne(committed, round, i);
            });
            std::string lines;
            for (std::uint64_t n = random() % 4; n > 0; --n) {
                lines += committed.receiveLine() + '\n';
            }
            spin(std::chrono::nanoseconds(random() % 8000000));
            child.kill();
            CPPUNIT_ASSERT(WIFSIGNALED(child.wait()));
            lines += committed.receiveAll();
            acknowledged += checkAcknowledged(lines);
            store().reapTemporary({}, Millis{0});
            assertClean();
            visible += checkAndClear();
        }
        // It was not always too early.
        CPPUNIT_ASSERT(acknowledged > 0);
        CPPUNIT_ASSERT(visible >= acknowledged);
    }

private:
    Store& store() { return *fixture_->store; }
    std::string blob() const { return fixture_->file(blobFile(digest_)); }
    std::string temporary() const { return fixture_->file(temporaryFile(digest_, kLineage)); }

    // What an owner that died leaves behind.
    void leave(const std::string& text) {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, text);
        writer->keep();
    }

    void fixtureWrite() {
        std::unique_ptr<ContentWriter> writer = store().create(digest_, kLineage);
        append(*writer, kText);
        CPPUNIT_ASSERT(S_ISREG(statusOfFile(temporary()).st_mode));
        CPPUNIT_ASSERT_EQUAL(nlink_t{1}, statusOfFile(temporary()).st_nlink);
    }

    // An adopted file belongs to its new writer.
    void assertAdoptedDies() {
        leave("some");
        CPPUNIT_ASSERT(store().adopt(digest_, kLineage, 4));
        CPPUNIT_ASSERT(!exists(temporary()));
    }

    // Neither temporary files nor left-overs of small ones.
    void assertClean() { assertClean(fixture_->cache); }

    static void assertClean(const std::string& cache) {
        CPPUNIT_ASSERT(namesIn(cache + "/tmp").empty());
        for (const std::string& file : filesBelow(cache)) {
            CPPUNIT_ASSERT_MESSAGE(file, std::filesystem::path(file).filename().string()[0] != '.');
        }
    }

    void checkAfterKill(const std::string& text, const Digest& digest, bool acknowledged) {
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        std::optional<StoredContent> content = store().open(digest, ContentKind::kBlob);
        CPPUNIT_ASSERT(content || !acknowledged);
        if (content) CPPUNIT_ASSERT(contentOf(*content) == text);
        // It never stands without the metadata and the link that were to come first.
        CPPUNIT_ASSERT_EQUAL(content.has_value(), exists(fixture_->file(blobFile(digest))));
        store().reapTemporary({}, Millis{0});
        assertClean();
        storeContent(store(), text, blobInfo(text.size()), 1);
        CPPUNIT_ASSERT(contentOf(*store().open(digest, ContentKind::kBlob)) == text);
        checkAndClear();
    }

    // Everything visible is whole and, having come after its metadata, is served. Removes
    // it, lest each check take longer than the one before, and says how many it was.
    std::size_t checkAndClear() {
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        std::vector<std::string> files = filesBelow(fixture_->file("blobs"));
        for (const std::string& file : files) {
            std::string name = std::filesystem::path(file).filename();
            CPPUNIT_ASSERT(store().open(*Digest::parse("sha256:" + name), ContentKind::kBlob));
            std::filesystem::remove(file);
        }
        return files.size();
    }

    void commitOne(WordPipe& committed, std::uint64_t round, std::uint64_t i) {
        std::string text = filler(round * 1000 + i, (i * 7919) % 200000);
        Digest digest = sha256(text);
        RepositoryKey where{"up.test", cat("r", i % 3)};
        store().putLink(where, ContentKind::kBlob, digest, true);
        storeContent(store(), text, blobInfo(text.size()), i);
        store().putTag(where, "latest", TagEntry{digest, "", text.size(), 1, {}});
        committed.send(digest.text() + '\n');
    }

    // What was announced as committed is there, whatever came then.
    std::size_t checkAcknowledged(const std::string& lines) {
        std::size_t count = 0;
        for (std::string_view line : split(lines, '\n')) {
            if (line.empty()) continue;
            std::optional<Digest> digest = Digest::parse(line);
            CPPUNIT_ASSERT(digest);
            CPPUNIT_ASSERT(store().open(*digest, ContentKind::kBlob));
            ++count;
        }
        return count;
    }

    // For a time, but without giving the processor away as sleeping would.
    static void spin(std::chrono::nanoseconds time) {
        TimePoint end = now() + time;
        while (now() < end) {
        }
    }

    std::unique_ptr<StoreFixture> fixture_;
    const Digest digest_ = sha256(kText);
    WordPipe gate_[4];
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreWriterTest);

}  // namespace ociproxy
