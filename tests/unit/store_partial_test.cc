// What early ends of downloads leave behind (src/store/partial.h).
#include <csignal>
#include <filesystem>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr Millis kHour{3'600'000};
constexpr std::uint64_t kAll = UINT64_MAX;

}  // namespace

class StorePartialTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StorePartialTest);
    CPPUNIT_TEST(aKeptFileIsGoneOnWith);
    CPPUNIT_TEST(otherAlgorithmsAreKept);
    CPPUNIT_TEST(shortOnesAreNotKept);
    CPPUNIT_TEST(theLongerOneIsKept);
    CPPUNIT_TEST(reservedSpaceIsGivenBack);
    CPPUNIT_TEST(oneOfManyTakersGetsIt);
    CPPUNIT_TEST(aReplacedFileIsNotKept);
    CPPUNIT_TEST(filesOfTheDeadBecomePartials);
    CPPUNIT_TEST(filesOfTheStoppedDoNot);
    CPPUNIT_TEST(aFileInUseIsNotAdopted);
    CPPUNIT_TEST(theFileOfTheStoppedIsCopied);
    CPPUNIT_TEST(whatIsMissingIsNotCopied);
    CPPUNIT_TEST(theOldAreReaped);
    CPPUNIT_TEST(theOldestGoFirst);
    CPPUNIT_TEST(whatIsStoredNeedsNone);
    CPPUNIT_TEST(noneAreKept);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        content_ = std::string(3 * kMiB, 'x');
        digest_.emplace(sha256(content_));
    }
    void tearDown() override { fixture_.reset(); }

    void aKeptFileIsGoneOnWith() {
        leave(*digest_, 1, 2 * kMiB);
        CPPUNIT_ASSERT_EQUAL(partialName(*digest_), onlyTemporary());
        // As another process does, after a restart.
        const std::unique_ptr<Store> later = fixture_->another();
        std::unique_ptr<ContentWriter> writer = later->adoptPartial(*digest_, 9);
        CPPUNIT_ASSERT(writer && writer->size() == 2 * kMiB);
        CPPUNIT_ASSERT(later->openTemporary(*digest_, 9));
        writer->append(content_.data() + writer->size(), content_.size() - writer->size());
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(content_.size()));
        CPPUNIT_ASSERT(content_ == contentOf(*store().open(*digest_, ContentKind::kBlob)));
        CPPUNIT_ASSERT(namesIn(fixture_->file("tmp")).empty());
    }

    void otherAlgorithmsAreKept() {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha384, DigestAlgorithm::kSha512}) {
            const Digest digest = digestOf(algorithm, content_);
            leave(digest, 1, kMiB);
            std::unique_ptr<ContentWriter> writer = store().adoptPartial(digest, 2);
            writer->append(content_.data() + kMiB, content_.size() - kMiB);
            CPPUNIT_ASSERT(writer->matches());
        }
    }

    void shortOnesAreNotKept() {
        leave(*digest_, 1, kMiB - 1);
        CPPUNIT_ASSERT(namesIn(fixture_->file("tmp")).empty());
        CPPUNIT_ASSERT(!store().adoptPartial(*digest_, 2));
    }

    void theLongerOneIsKept() {
        leave(*digest_, 1, 2 * kMiB);
        leave(*digest_, 2, kMiB);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2 * kMiB}, store().adoptPartial(*digest_, 3)->size());
        leave(*digest_, 4, kMiB);
        leave(*digest_, 5, kMiB + 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB + 1}, store().adoptPartial(*digest_, 6)->size());
    }

    void reservedSpaceIsGivenBack() {
        std::unique_ptr<ContentWriter> writer = store().create(*digest_, 1);
        writer->reserve(64 * kMiB);
        writer->append(content_.data(), kMiB);
        writer->keepAsPartial();
        const struct stat status = statusOfFile(fixture_->file("tmp/" + partialName(*digest_)));
        CPPUNIT_ASSERT(static_cast<std::size_t>(status.st_blocks) * 512 < 2 * kMiB);
    }

    void oneOfManyTakersGetsIt() {
        leave(*digest_, 1, kMiB);
        std::unique_ptr<ContentWriter> first = store().adoptPartial(*digest_, 2);
        CPPUNIT_ASSERT(first && !fixture_->another()->adoptPartial(*digest_, 3));
    }

    void aReplacedFileIsNotKept() {
        std::unique_ptr<ContentWriter> fenced = store().create(*digest_, 1);
        fenced->append(content_.data(), kMiB);
        std::unique_ptr<ContentWriter> heir = store().create(*digest_, 1);
        fenced->keepAsPartial();
        fenced.reset();
        CPPUNIT_ASSERT(!store().adoptPartial(*digest_, 2));
        CPPUNIT_ASSERT(store().openTemporary(*digest_, 1));
    }

    void filesOfTheDeadBecomePartials() {
        std::unique_ptr<ContentWriter> writer = store().create(*digest_, 1);
        writer->append(content_.data(), kMiB);
        writer->keep();
        writer.reset();  // as a death closes it
        CPPUNIT_ASSERT_EQUAL(0u, store().keepPartials({1}, Millis{0}));
        CPPUNIT_ASSERT_EQUAL(0u, store().keepPartials({}, kHour));
        CPPUNIT_ASSERT_EQUAL(1u, store().keepPartials({}, Millis{0}));
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB}, store().adoptPartial(*digest_, 2)->size());
    }

    // Not even when nobody claims it any more: it may wake and write.
    void filesOfTheStoppedDoNot() {
        const pid_t child = ::fork();
        if (child == 0) {
            const std::unique_ptr<Store> theirs = fixture_->another();
            const std::unique_ptr<ContentWriter> writer = theirs->create(*digest_, 1);
            writer->append(content_.data(), kMiB);
            ::raise(SIGSTOP);
            ::_exit(0);
        }
        int status = 0;
        CPPUNIT_ASSERT(::waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        CPPUNIT_ASSERT_EQUAL(0u, store().keepPartials({}, Millis{0}));
        CPPUNIT_ASSERT(!store().adopt(*digest_, 1, kMiB));
        ::kill(child, SIGKILL);
        CPPUNIT_ASSERT(::waitpid(child, &status, 0) == child);
        CPPUNIT_ASSERT_EQUAL(1u, store().keepPartials({}, Millis{0}));
    }

    void aFileInUseIsNotAdopted() {
        std::unique_ptr<ContentWriter> writer = store().create(*digest_, 1);
        writer->append(content_.data(), kMiB);
        CPPUNIT_ASSERT(!store().adopt(*digest_, 1, kMiB));
        writer->append(content_.data(), 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB + 1}, writer->size());
    }

    void theFileOfTheStoppedIsCopied() {
        std::unique_ptr<ContentWriter> stopped = store().create(*digest_, 1);
        stopped->append(content_.data(), kMiB + 5);
        std::unique_ptr<ContentWriter> writer = store().copy(*digest_, 1, kMiB, 2);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB}, writer->size());
        stopped->append("wrong", 5);  // it wakes
        writer->append(content_.data() + kMiB, content_.size() - kMiB);
        stopped.reset();
        CPPUNIT_ASSERT(writer->matches());
        writer->commit(blobInfo(content_.size()));
        CPPUNIT_ASSERT(content_ == contentOf(*store().open(*digest_, ContentKind::kBlob)));
    }

    void whatIsMissingIsNotCopied() {
        CPPUNIT_ASSERT(!store().copy(*digest_, 1, 1, 2));
        std::unique_ptr<ContentWriter> stopped = store().create(*digest_, 1);
        stopped->append(content_.data(), 10);
        CPPUNIT_ASSERT(!store().copy(*digest_, 1, 11, 2));
        CPPUNIT_ASSERT(!store().openTemporary(*digest_, 2));
    }

    void theOldAreReaped() {
        leave(*digest_, 1, kMiB);
        age(*digest_, 7200);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapPartials(3 * kHour, kAll));
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(kHour, kAll));
        CPPUNIT_ASSERT(namesIn(fixture_->file("tmp")).empty());
    }

    void theOldestGoFirst() {
        const Digest old = sha256("old");
        const Digest young = sha256("young");
        leave(*digest_, 1, kMiB);
        leave(old, 2, kMiB);
        leave(young, 3, kMiB);
        age(old, 100);
        age(*digest_, 50);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapPartials(kHour, 4 * kMiB));
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(kHour, 2 * kMiB + kMiB / 2));
        CPPUNIT_ASSERT(!store().adoptPartial(old, 4));
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(kHour, kMiB + kMiB / 2));
        CPPUNIT_ASSERT_EQUAL(partialName(young), onlyTemporary());
    }

    void whatIsStoredNeedsNone() {
        leave(*digest_, 1, kMiB);
        storeContent(store(), content_, blobInfo(content_.size()), 2);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(kHour, kAll));
    }

    void noneAreKept() {
        leave(*digest_, 1, kMiB);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(kHour, 0));
        leave(*digest_, 2, kMiB);
        CPPUNIT_ASSERT_EQUAL(1u, store().reapPartials(Millis{0}, kAll));
    }

private:
    Store& store() { return *fixture_->store; }

    static std::string partialName(const Digest& digest) {
        return cat(digest.algorithmText(), '-', digest.hex(), ".partial");
    }
    std::string onlyTemporary() const {
        const std::vector<std::string> names = namesIn(fixture_->file("tmp"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, names.size());
        return names[0];
    }
    void leave(const Digest& digest, std::uint64_t lineage, std::size_t bytes) {
        std::unique_ptr<ContentWriter> writer = store().create(digest, lineage);
        writer->append(content_.data(), bytes);
        writer->keepAsPartial();
    }
    void age(const Digest& digest, int seconds) {
        struct timespec times[2] = {};
        ::clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= seconds;
        times[0].tv_nsec = UTIME_OMIT;
        const std::string path = fixture_->file("tmp/" + partialName(digest));
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, path.c_str(), times, 0));
    }

    std::unique_ptr<StoreFixture> fixture_;
    std::string content_;
    std::optional<Digest> digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StorePartialTest);

}  // namespace ociproxy
