// Finding damage that no open shows: by hand (verification.h) and in the background (scrub.h).
#include "ociproxy/store/verification.h"

#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/store/scrub.h"
#include "ociproxy/store/throttle.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr unsigned kMany = 100;

// Changes one bit, and neither size nor times.
void flipBit(const std::string& file, std::uint64_t at) {
    const struct stat before = statusOfFile(file);
    Fd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    char byte = 0;
    CPPUNIT_ASSERT_EQUAL(std::size_t{1}, preadAll(fd.get(), &byte, 1, at, file));
    byte = static_cast<char>(byte ^ (1 << (at % 8)));
    pwriteAll(fd.get(), &byte, 1, at, file);
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    CPPUNIT_ASSERT_EQUAL(0, ::futimens(fd.get(), times));
}

std::string contentNumber(unsigned number) {
    std::string text = cat("content ", number, ' ');
    while (text.size() < 300u + number * 100) text += text;
    return text;
}

}  // namespace

class StoreVerifyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreVerifyTest);
    CPPUNIT_TEST(whatIsInOrderIsCounted);
    CPPUNIT_TEST(everyFlipIsFound);
    CPPUNIT_TEST(everyKindOfDamageIsFound);
    CPPUNIT_TEST(damageOfNobodyElseIsFoundByItsOwner);
    CPPUNIT_TEST(nothingChangesWithoutRepair);
    CPPUNIT_TEST(repairSetsAside);
    CPPUNIT_TEST(foreignNamesAreLeftAlone);
    CPPUNIT_TEST(orphansAreRemovedOnceTheyAreOld);
    CPPUNIT_TEST(readingIsNoUse);
    CPPUNIT_TEST(largeContentIsReadWhole);
    CPPUNIT_TEST(thereMayBeNoStore);
    CPPUNIT_TEST(progressReachesTheEnd);
    CPPUNIT_TEST(throttleKeepsTheRate);
    CPPUNIT_TEST(scrubFindsEveryFlip);
    CPPUNIT_TEST(scrubGoesOnWhereItStood);
    CPPUNIT_TEST(scrubRestsBetweenRounds);
    CPPUNIT_TEST(scrubStartsAnewAfterABadCursor);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        options_ = VerifyOptions();
        options_.directory = fixture_->cache;
        options_.found = [this](const std::string& line) { lines_.push_back(line); };
        options_.progress = [this](std::uint64_t bytes, std::uint64_t total) {
            bytes_ = bytes;
            total_ = total;
        };
        lines_.clear();
    }
    void tearDown() override { fixture_.reset(); }

    void whatIsInOrderIsCounted() {
        fixture_->put("one");
        fixture_->put("three", ContentKind::kManifest);
        fixture_->put("");
        const VerifyReport report = verify();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, report.files);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, report.bytes);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0},
                             report.damaged + report.orphans + report.foreign + report.removed);
        CPPUNIT_ASSERT(lines_.empty());
    }

    void everyFlipIsFound() {
        const std::set<std::string> flipped = flipMany();
        const VerifyReport report = verify();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMany}, report.damaged);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2 * kMany}, report.files);
        std::set<std::string> found;
        for (const std::string& line : lines_) found.insert(line.substr(0, line.find(' ')));
        CPPUNIT_ASSERT(found == flipped);
    }

    void everyKindOfDamageIsFound() {
        const std::string other = fixture_->root.file("other");
        const std::function<void(const std::string&)> damages[] = {
            [](const std::string& file) { std::filesystem::resize_file(file, 3); },
            [](const std::string& file) { std::filesystem::resize_file(file, 3000); },
            [](const std::string& file) {
                std::filesystem::remove(file);
                std::filesystem::create_symlink("/etc/passwd", file);
            },
            [](const std::string& file) {
                std::filesystem::remove(file);
                CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(file.c_str(), 0600));
            },
            [](const std::string& file) {
                std::filesystem::remove(file);
                std::filesystem::create_directory(file);
            },
            [&](const std::string& file) { std::filesystem::create_hard_link(file, other); },
            [this](const std::string& file) {
                const std::string hex = std::filesystem::path(file).filename();
                std::filesystem::remove(fixture_->file(
                    cat("meta/sha256/", hex.substr(0, 2), '/', hex, ".json")));
            },
        };
        unsigned number = 0;
        for (const auto& damage : damages) {
            damage(fixture_->file(blobFile(fixture_->put(contentNumber(number++)))));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{number}, verify().damaged);
        options_.repair = true;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{number}, verify().damaged);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, verify().damaged);
        CPPUNIT_ASSERT_EQUAL(std::size_t{number}, namesIn(fixture_->file("quarantine")).size());
    }

    void damageOfNobodyElseIsFoundByItsOwner() {
        giveAway(fixture_->file(blobFile(fixture_->put("x"))));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, verify().damaged);
        CPPUNIT_ASSERT_MESSAGE(lines_.at(0), lines_[0].find("of ours") != std::string::npos);
    }

    void nothingChangesWithoutRepair() {
        flipMany();
        const std::vector<std::string> before = filesBelow(fixture_->cache);
        verify();
        CPPUNIT_ASSERT(before == filesBelow(fixture_->cache));
    }

    void repairSetsAside() {
        const std::set<std::string> flipped = flipMany();
        options_.repair = true;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMany}, verify().damaged);
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        for (const std::string& digest : flipped) {
            CPPUNIT_ASSERT(!fixture_->store->open(*Digest::parse(digest), ContentKind::kBlob));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, verify().damaged);
        CPPUNIT_ASSERT_EQUAL(std::size_t{kMany}, namesIn(fixture_->file("quarantine")).size());
    }

    void foreignNamesAreLeftAlone() {
        for (const char* name : {"blobs/x", "blobs/sha256/zz", "blobs/sha256/00/x",
                                 "blobs/sha256/00/00", "blobs/sha256/.00"}) {
            writeFile(fixture_->file(name), "x");
        }
        options_.repair = true;
        const VerifyReport report = verify();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, report.foreign);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, report.damaged);
        CPPUNIT_ASSERT(exists(fixture_->file("blobs/sha256/00/x")));
        CPPUNIT_ASSERT(namesIn(fixture_->file("quarantine")).empty());
    }

    void orphansAreRemovedOnceTheyAreOld() {
        const Digest young = fixture_->put("young");
        const Digest old = fixture_->put("old");
        for (const Digest& digest : {young, old}) {
            std::filesystem::remove(fixture_->file(blobFile(digest)));
        }
        setTimes(fixture_->file(metadataFile(old)), -7200, -7200);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, verify().orphans);
        CPPUNIT_ASSERT(exists(fixture_->file(metadataFile(old))));
        options_.repair = true;
        const VerifyReport report = verify();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, report.removed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, report.damaged);
        CPPUNIT_ASSERT(exists(fixture_->file(metadataFile(young))));
        CPPUNIT_ASSERT(!exists(fixture_->file(metadataFile(old))));
    }

    void readingIsNoUse() {
        const std::string file = fixture_->file(blobFile(fixture_->put("x")));
        setTimes(file, -7200, -7200);
        const struct stat before = statusOfFile(file);
        verify();
        Scrub scrub(scrubOptions());
        oneRound(scrub);
        const struct stat after = statusOfFile(file);
        CPPUNIT_ASSERT_EQUAL(before.st_atim.tv_sec, after.st_atim.tv_sec);
        CPPUNIT_ASSERT_EQUAL(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    }

    // On a disk, where pages may be there or not.
    void largeContentIsReadWhole() {
        StoreFixture onDisk;
        const std::string text(5 * 1024 * 1024 + 17, 'x');
        const Digest digest = onDisk.put(text);
        options_.directory = onDisk.cache;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{text.size()}, verify().bytes);
        CPPUNIT_ASSERT_EQUAL(text.size(), bytes_);
        flipBit(onDisk.file(blobFile(digest)), text.size() - 1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, verify().damaged);
    }

    void thereMayBeNoStore() {
        options_.directory = fixture_->root.file("elsewhere");
        CPPUNIT_ASSERT(!verifyStore(options_));
        CPPUNIT_ASSERT(!exists(options_.directory));
        std::filesystem::create_directory(options_.directory);
        CPPUNIT_ASSERT(!verifyStore(options_));
        writeFile(options_.directory + "/version", "99\n");
        CPPUNIT_ASSERT_THROW(verifyStore(options_), Error);
    }

    void progressReachesTheEnd() {
        for (unsigned i = 0; i < 5; ++i) fixture_->put(contentNumber(i));
        verify();
        CPPUNIT_ASSERT(total_ > 0);
        CPPUNIT_ASSERT_EQUAL(total_, bytes_);
    }

    void throttleKeepsTheRate() {
        Millis slept{0};
        Throttle throttle(1000, [&](Millis time) { slept += time; });
        for (int i = 0; i < 10; ++i) throttle.spend(100);
        // As the clock hardly moves, each pays also for those before it.
        CPPUNIT_ASSERT(slept >= Millis{1000} && slept <= Millis{5500});
        Throttle free(0, [](Millis) { CPPUNIT_FAIL("slept"); });
        free.spend(1ull << 60);
    }

    void scrubFindsEveryFlip() {
        flipMany();
        Scrub scrub(scrubOptions());
        oneRound(scrub);
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMany}, fixture_->damaged.load());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMany}, fixture_->generation.load());
        CPPUNIT_ASSERT(verified_.load() > 0);
        std::size_t lines = 0;
        for (const std::string& line : fixture_->logLines()) {
            if (line.find("does not hash to its name") != std::string::npos) ++lines;
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{kMany}, lines);
    }

    void scrubGoesOnWhereItStood() {
        for (unsigned i = 0; i < 50; ++i) fixture_->put(contentNumber(i));
        Scrub::Options options = scrubOptions();
        options.saveEvery = Millis{0};
        std::uint64_t first = 0;
        {
            Scrub scrub(options);
            for (unsigned i = 0; i < 128; ++i) CPPUNIT_ASSERT(scrub.work() == Millis{0});
            first = verified_.load();
        }
        CPPUNIT_ASSERT(first > 0);
        Scrub scrub(options);
        oneRound(scrub);
        CPPUNIT_ASSERT_EQUAL(fixture_->store->measure().bytes, verified_.load());
        CPPUNIT_ASSERT(first < verified_.load());
    }

    void scrubRestsBetweenRounds() {
        fixture_->put("x");
        Scrub::Options options = scrubOptions();
        {
            Scrub scrub(options);
            oneRound(scrub);
            CPPUNIT_ASSERT(scrub.work() == Millis{60'000});
        }
        Scrub again(options);
        CPPUNIT_ASSERT(again.work() > Millis{0});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, verified_.load());
        options.roundSeconds = 0;
        Scrub restless(options);
        CPPUNIT_ASSERT(restless.work() == Millis{0});
    }

    void scrubStartsAnewAfterABadCursor() {
        fixture_->put("x");
        for (const char* text : {"", "{", "{\"begun\":99999999999,\"place\":99999}"}) {
            writeFile(fixture_->file("scrub"), text);
            verified_ = 0;
            Scrub scrub(scrubOptions());
            oneRound(scrub);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, verified_.load());
        }
    }

private:
    VerifyReport verify() {
        lines_.clear();
        bytes_ = 0;
        const std::optional<VerifyReport> report = verifyStore(options_);
        CPPUNIT_ASSERT(report);
        return *report;
    }

    // Of twice as many every other one, anywhere in it; the digests.
    std::set<std::string> flipMany() {
        std::set<std::string> flipped;
        for (unsigned i = 0; i < 2 * kMany; ++i) {
            const std::string text = contentNumber(i);
            const Digest digest = fixture_->put(text);
            if (i % 2 == 0) continue;
            flipBit(fixture_->file(blobFile(digest)), i * 7919 % text.size());
            flipped.insert(digest.text());
        }
        return flipped;
    }

    Scrub::Options scrubOptions() {
        Scrub::Options options;
        options.store.directory = fixture_->cache;
        options.store.log = &fixture_->log;
        options.store.generation = &fixture_->generation;
        options.store.damaged = &fixture_->damaged;
        options.verified = &verified_;
        return options;
    }

    static void oneRound(Scrub& scrub) {
        for (unsigned i = 0; i < 4 * 256; ++i) {
            if (scrub.work() > Millis{0}) return;
        }
        CPPUNIT_FAIL("the round does not end");
    }

    std::unique_ptr<StoreFixture> fixture_;
    VerifyOptions options_;
    std::vector<std::string> lines_;
    std::uint64_t bytes_ = 0;
    std::uint64_t total_ = 0;
    std::atomic<std::uint64_t> verified_{0};
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreVerifyTest);

}  // namespace ociproxy
