#include "ociproxy/proc/janitor.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

namespace {

const Digest kDigest = digestOf(DigestAlgorithm::kSha256, "x");

}  // namespace

class JanitorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(JanitorTest);
    CPPUNIT_TEST(worksAtOnceAndThenInTurns);
    CPPUNIT_TEST(theFirstReapsWhatEarlierProcessesLeft);
    CPPUNIT_TEST(theFirstSparesWhatCameAfterTheLock);
    CPPUNIT_TEST(onlyTheFirstRunOfTheFirstReapsYoungFiles);
    CPPUNIT_TEST(whatIsClaimedIsSpared);
    CPPUNIT_TEST(longFilesOfTheDeadBecomePartials);
    CPPUNIT_TEST(noPartialsAreMadeIfNoneAreToBeKept);
    CPPUNIT_TEST(partialsTakeATenthOfTheCache);
    CPPUNIT_TEST(aFailureIsTriedAgainInItsTurn);
    CPPUNIT_TEST(looksWhetherTheCacheCanBeWritten);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        char dir[] = "/tmp/ociproxy-janitor-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(dir) != nullptr);
        dir_ = dir;
        lock_ = Store::prepare(dir_ + "/cache", Millis{0});
        store_ = std::make_unique<Store>(Store::Options{dir_ + "/cache", &log_});
        options_.store = store_.get();
        options_.shared = &shared_;
        options_.log = &log_;
        options_.checkEvery = Millis{60'000};
    }

    void tearDown() override {
        store_.reset();
        lock_.reset();
        std::filesystem::remove_all(dir_);
    }

    void worksAtOnceAndThenInTurns() {
        Janitor janitor(options_);
        TimePoint at = now();
        CPPUNIT_ASSERT(janitor.work(at) == at + Millis{10'000});
        CPPUNIT_ASSERT(janitor.work(at + Millis{5'000}) == at + Millis{10'000});
        CPPUNIT_ASSERT(janitor.work(at + Millis{55'000}) == at + Millis{60'000});
    }

    void theFirstReapsWhatEarlierProcessesLeft() {
        leaveTemporary(7);
        age(7, 1);
        Janitor janitor(afterStart());
        janitor.work(options_.earlier);
        CPPUNIT_ASSERT(!isThere(7));
    }

    void theFirstSparesWhatCameAfterTheLock() {
        leaveTemporary(7);
        Janitor janitor(afterStart());
        janitor.work(options_.earlier + Millis{5'000});
        CPPUNIT_ASSERT(isThere(7));
    }

    void onlyTheFirstRunOfTheFirstReapsYoungFiles() {
        Janitor janitor(afterStart());
        janitor.work(options_.earlier);
        leaveTemporary(7);
        age(7, 30);
        janitor.work(options_.earlier + Millis{10'000});
        CPPUNIT_ASSERT(isThere(7));
        age(7, 61);
        janitor.work(options_.earlier + Millis{20'000});
        CPPUNIT_ASSERT(!isThere(7));
    }

    void whatIsClaimedIsSpared() {
        ClaimTable::Result claim = shared_.claims().claim(
            claimKey({"fill", "key"}), shared_.workers().raise(0), Sha256{});
        leaveTemporary(claim.lineage);
        leaveTemporary(claim.lineage + 1);
        age(claim.lineage, 61);
        age(claim.lineage + 1, 61);
        Janitor(options_).work(now());
        CPPUNIT_ASSERT(isThere(claim.lineage));
        CPPUNIT_ASSERT(!isThere(claim.lineage + 1));
    }

    void longFilesOfTheDeadBecomePartials() {
        leaveTemporary(7, std::string(1024 * 1024, 'x'));
        age(7, 1);
        Janitor(afterStart()).work(options_.earlier);
        CPPUNIT_ASSERT(!isThere(7));
        CPPUNIT_ASSERT(store_->adoptPartial(kDigest, 8));
    }

    void noPartialsAreMadeIfNoneAreToBeKept() {
        options_.partialMaxAge = Millis{0};
        leaveTemporary(7, std::string(1024 * 1024, 'x'));
        age(7, 61);
        Janitor(options_).work(now());
        CPPUNIT_ASSERT(!isThere(7));
        CPPUNIT_ASSERT(!store_->adoptPartial(kDigest, 8));
    }

    void partialsTakeATenthOfTheCache() {
        for (std::uint64_t mebibytes : {11, 9}) {
            leaveTemporary(7, std::string(1024 * 1024, 'x'));
            age(7, 61);
            shared_.budget().setLimit(mebibytes * 1024 * 1024, 0);
            Janitor(options_).work(now());
            CPPUNIT_ASSERT_EQUAL(mebibytes == 11, store_->adoptPartial(kDigest, 8) != nullptr);
        }
    }

    void aFailureIsTriedAgainInItsTurn() {
        std::filesystem::rename(dir_ + "/cache", dir_ + "/gone");
        Janitor janitor(options_);
        TimePoint at = now();
        CPPUNIT_ASSERT(janitor.work(at) > at);
        std::filesystem::rename(dir_ + "/gone", dir_ + "/cache");
        leaveTemporary(7);
        age(7, 61);
        janitor.work(at + Millis{60'000});
        CPPUNIT_ASSERT(!isThere(7));
    }

    void looksWhetherTheCacheCanBeWritten() {
        Janitor janitor(options_);
        TimePoint at = now();
        janitor.work(at);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shared_.counters().get(Gauge::kStoreWritable));
        CPPUNIT_ASSERT(std::filesystem::is_empty(dir_ + "/cache/tmp"));
        std::filesystem::rename(dir_ + "/cache/tmp", dir_ + "/tmp");
        Fd(::open((dir_ + "/cache/tmp").c_str(), O_CREAT | O_WRONLY, 0600));
        CPPUNIT_ASSERT_THROW(store_->checkWritable(), SysError);
        janitor.work(at + Millis{59'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shared_.counters().get(Gauge::kStoreWritable));
        janitor.work(at + Millis{60'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, shared_.counters().get(Gauge::kStoreWritable));
        std::filesystem::remove(dir_ + "/cache/tmp");
        janitor.work(at + Millis{120'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shared_.counters().get(Gauge::kStoreWritable));
    }

private:
    const Janitor::Options& afterStart() {
        options_.allEarlierGone = true;
        options_.earlier = now();
        return options_;
    }

    void leaveTemporary(std::uint64_t lineage, const std::string& content = "x") {
        std::unique_ptr<ContentWriter> writer = store_->create(kDigest, lineage);
        writer->append(content.data(), content.size());
        writer->keep();
    }

    bool isThere(std::uint64_t lineage) { return store_->openTemporary(kDigest, lineage).valid(); }

    void age(std::uint64_t lineage, int seconds) {
        Fd file = store_->openTemporary(kDigest, lineage);
        timespec times[2]{};
        times[0].tv_sec = times[1].tv_sec = wallSeconds() - seconds;
        CPPUNIT_ASSERT_EQUAL(0, ::futimens(file.get(), times));
    }

    std::string dir_;
    Log log_{"off", LogLevel::kError};
    SharedState shared_{SharedState::Options{64, 16}};
    Fd lock_;
    std::unique_ptr<Store> store_;
    Janitor::Options options_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(JanitorTest);

}  // namespace ociproxy
