#include <atomic>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/open_file.h"
#include "store/quarantine.h"
#include "store/tree.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

const std::string kText = "some content";

void makeSocket(const std::string& path) {
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    // Too long a path for a socket: bind where it lies.
    std::filesystem::path old = std::filesystem::current_path();
    std::filesystem::current_path(std::filesystem::path(path).parent_path());
    std::string name = std::filesystem::path(path).filename();
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int result = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    std::filesystem::current_path(old);
    if (result != 0) throwErrno("bind " + path);
}

std::int64_t accessAge(const std::string& path) {
    return wallSeconds() - statusOfFile(path).st_atim.tv_sec;
}

std::size_t openDescriptors() {
    return namesIn("/proc/self/fd").size();
}

}  // namespace

class StoreContentTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StoreContentTest);
    CPPUNIT_TEST(absenceIsAValue);
    CPPUNIT_TEST(committedContentIsServed);
    CPPUNIT_TEST(kindsAreSeparate);
    CPPUNIT_TEST(anotherInstanceSeesIt);
    CPPUNIT_TEST(contentWithoutMetadataIsAbsent);
    CPPUNIT_TEST(metadataWithoutContentIsAbsent);
    CPPUNIT_TEST(brokenMetadataIsAbsent);
    CPPUNIT_TEST(metadataIsThatOfTheManual);
    CPPUNIT_TEST(otherSizesAreAbsentAndLoggedOnce);
    CPPUNIT_TEST(otherSizesHealByFetching);
    CPPUNIT_TEST(plantedThingsAreAbsent);
    CPPUNIT_TEST(plantedThingsAreMovedAsTheyAre);
    CPPUNIT_TEST(furtherNamesAreSetAside);
    CPPUNIT_TEST(closedFileIsSetAside);
    CPPUNIT_TEST(badMetadataIsSetAside);
    CPPUNIT_TEST(whatCannotBeMovedIsRemoved);
    CPPUNIT_TEST(onlyWhatWasSeenIsSetAside);
    CPPUNIT_TEST(quarantineIsBounded);
    CPPUNIT_TEST(quarantineNamesAreOurs);
    CPPUNIT_TEST(plantedFanOutIsAbsent);
    CPPUNIT_TEST(anotherUsersFileIsAbsent);
    CPPUNIT_TEST(openContentSurvivesEviction);
    CPPUNIT_TEST(useIsMarkedOnceAMinute);
    CPPUNIT_TEST(infoIsNoUse);
    CPPUNIT_TEST(amendAdds);
    CPPUNIT_TEST(amendNeedsContent);
    CPPUNIT_TEST(amendmentsOfManyProcessesAreAllKept);
    CPPUNIT_TEST(removedDirectoryIsMadeAgain);
    CPPUNIT_TEST(removedDirectoryIsFoundAgainByReaders);
    CPPUNIT_TEST(emptiedDirectoryIsFilledAgain);
    CPPUNIT_TEST(removedDirectoryReplacedByALinkIsRefused);
    CPPUNIT_TEST(descriptorsAreCleanAndNotLeaked);
    CPPUNIT_TEST(stepwiseOpeningIsAsStrict);
    CPPUNIT_TEST(manyThreadsAtOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { fixture_ = std::make_unique<StoreFixture>(); }
    void tearDown() override { fixture_.reset(); }

    void absenceIsAValue() {
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!store().open(digestOf(DigestAlgorithm::kSha512, ""), ContentKind::kBlob));
        CPPUNIT_ASSERT(!store().info(digest_));
        CPPUNIT_ASSERT(fixture_->logLines().empty());
    }

    void committedContentIsServed() {
        ContentInfo info = manifestInfo(kText.size());
        info.isPublic = true;
        storeContent(store(), kText, info, 1);
        std::optional<StoredContent> content = store().open(digest_, ContentKind::kManifest);
        CPPUNIT_ASSERT(content);
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*content));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kText.size()}, content->info.size);
        CPPUNIT_ASSERT_EQUAL(*info.manifestType, *content->info.manifestType);
        CPPUNIT_ASSERT(!content->info.blobType);
        CPPUNIT_ASSERT_EQUAL(info.origin, content->info.origin);
        CPPUNIT_ASSERT_EQUAL(info.fetchedAt, content->info.fetchedAt);
        CPPUNIT_ASSERT(content->info.isPublic);
    }

    void kindsAreSeparate() {
        fixture_->put(kText, ContentKind::kBlob);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kManifest));
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(store().info(digest_)->servesAs(ContentKind::kBlob));
        CPPUNIT_ASSERT(!store().info(digest_)->servesAs(ContentKind::kManifest));
        CPPUNIT_ASSERT(!store().info(digest_)->isPublic);
    }

    void anotherInstanceSeesIt() {
        std::unique_ptr<Store> other = fixture_->another();
        fixture_->put(kText);
        CPPUNIT_ASSERT(other->open(digest_, ContentKind::kBlob));
    }

    void contentWithoutMetadataIsAbsent() {
        fixture_->put(kText);
        std::filesystem::remove(metadata());
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!store().info(digest_));
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

    void metadataWithoutContentIsAbsent() {
        fixture_->put(kText);
        std::filesystem::remove(blob());
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!store().info(digest_));
        CPPUNIT_ASSERT(!store().amend(digest_, manifestInfo(kText.size())));
    }

    void brokenMetadataIsAbsent() {
        fixture_->put(kText);
        std::string good = readFile(metadata());
        for (const std::string& text :
             {std::string(), good.substr(0, good.size() / 2), std::string("[]"),
              std::string("{\"blobType\":\"a/b\"}"),
              std::string("{\"blobType\":\"a/b\",\"size\":\"12\"}"),
              std::string("{\"blobType\":\"a/b\",\"size\":-12}"),
              std::string("{\"blobType\":\"a/b\",\"size\":12.0}"),
              std::string("{\"blobType\":\"a/b\",\"size\":true}"),
              std::string("{\"blobType\":12,\"size\":12}"),
              std::string("{\"blobType\":null,\"size\":12}"), std::string("{\"size\":12}"),
              std::string(good.size(), '\0'), std::string(60000, '{'),
              good + std::string(64 * 1024, ' ')}) {
            writeFile(metadata(), text);
            CPPUNIT_ASSERT_MESSAGE(text.substr(0, 40), !store().open(digest_, ContentKind::kBlob));
        }
        writeFile(metadata(), "{\"size\":12,\"blobType\":\"a/b\",\"public\":\"true\",\"new\":{}}");
        std::optional<StoredContent> content = store().open(digest_, ContentKind::kBlob);
        CPPUNIT_ASSERT(content);
        CPPUNIT_ASSERT(!content->info.isPublic);
        CPPUNIT_ASSERT_EQUAL(std::string(), content->info.origin);
    }

    void metadataIsThatOfTheManual() {
        fixture_->put(kText);
        CPPUNIT_ASSERT_EQUAL(
            std::string("{\"blobType\":\"application/octet-stream\",\"fetched\":1700000000,"
                        "\"origin\":\"up.test\",\"public\":false,\"size\":12}\n"),
            readFile(metadata()));
        CPPUNIT_ASSERT_EQUAL(mode_t{0600}, statusOfFile(metadata()).st_mode & 07777);
        CPPUNIT_ASSERT_EQUAL(mode_t{0600}, statusOfFile(blob()).st_mode & 07777);
    }

    void otherSizesAreAbsentAndLoggedOnce() {
        unsigned round = 0;
        for (off_t size : {off_t{0}, off_t{11}, off_t{13}, off_t{1 << 20}}) {
            fixture_->put(kText);
            CPPUNIT_ASSERT_EQUAL(0, ::truncate(blob().c_str(), size));
            for (int i = 0; i < 3; ++i) {
                CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
                CPPUNIT_ASSERT(!store().info(digest_));
                CPPUNIT_ASSERT(!store().amend(digest_, manifestInfo(kText.size())));
            }
            ++round;
            CPPUNIT_ASSERT_EQUAL(std::size_t{round}, fixture_->logLines().size());
            CPPUNIT_ASSERT_EQUAL(std::size_t{round}, namesIn(quarantine()).size());
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{round}, fixture_->damaged.load());
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{round}, fixture_->generation.load());
            CPPUNIT_ASSERT(!exists(blob()));
        }
        std::string line = fixture_->logLines()[0];
        for (const std::string& part :
             {std::string("warning"), digest_.text(), std::string("0 bytes instead of 12"),
              std::string("moved to quarantine/"), std::string("fetched again")}) {
            CPPUNIT_ASSERT_MESSAGE(line, line.find(part) != std::string::npos);
        }
    }

    void otherSizesHealByFetching() {
        fixture_->put(kText);
        CPPUNIT_ASSERT_EQUAL(0, ::truncate(blob().c_str(), 3));
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        fixture_->put(kText);
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*store().open(digest_, ContentKind::kBlob)));
    }

    void plantedThingsAreAbsent() {
        std::string elsewhere = fixture_->root.file("elsewhere");
        writeFile(elsewhere, kText);
        const std::function<void()> plants[] = {
            [&] { std::filesystem::create_symlink(elsewhere, blob()); },
            [&] { std::filesystem::create_symlink(blob(), blob()); },
            [&] { std::filesystem::create_symlink("missing", blob()); },
            [&] { std::filesystem::create_directory(blob()); },
            [&] { CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(blob().c_str(), 0600)); },
            [&] { makeSocket(blob()); },
            [&] { std::filesystem::create_symlink("/dev/zero", blob()); },
        };
        for (const std::function<void()>& plant : plants) {
            fixture_->put(kText);
            std::filesystem::remove(blob());
            plant();
            CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
            CPPUNIT_ASSERT(!store().info(digest_));
            // And the like in place of the metadata.
            std::filesystem::remove(blob());
            fixture_->put(kText);
            std::filesystem::remove(metadata());
            std::filesystem::create_directories(
                std::filesystem::path(metadata()).parent_path());
            CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(metadata().c_str(), 0600));
            CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
            std::filesystem::remove(metadata());
        }
        // Nothing but its kind speaks against an empty one.
        Digest empty = fixture_->put("");
        std::string emptyBlob = fixture_->file(blobFile(empty));
        std::filesystem::remove(emptyBlob);
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(emptyBlob.c_str(), 0600));
        CPPUNIT_ASSERT(!store().open(empty, ContentKind::kBlob));
        // All gives way to a new fill; what a link named is untouched.
        for (const std::function<void()>& plant : plants) {
            std::filesystem::remove_all(blob());
            plant();
            fixture_->put(kText);
            CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
            CPPUNIT_ASSERT(S_ISREG(statusOfFile(blob()).st_mode));
        }
        CPPUNIT_ASSERT_EQUAL(kText, readFile(elsewhere));
    }

    void plantedThingsAreMovedAsTheyAre() {
        std::string elsewhere = fixture_->root.file("elsewhere");
        writeFile(elsewhere, kText);
        const std::function<void()> plants[] = {
            [&] { std::filesystem::create_symlink(elsewhere, blob()); },
            [&] {
                std::filesystem::create_directory(blob());
                writeFile(blob() + "/inner", "x");
            },
            [&] { CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(blob().c_str(), 0600)); },
            [&] { makeSocket(blob()); },
        };
        for (const std::function<void()>& plant : plants) {
            fixture_->put(kText);
            std::filesystem::remove(blob());
            plant();
            const struct stat planted = statusOfFile(blob());
            CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
            const std::vector<std::string> names = namesIn(quarantine());
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, names.size());
            const std::string moved = cat(quarantine(), '/', names[0]);
            CPPUNIT_ASSERT(isSameFile(planted, statusOfFile(moved)));
            CPPUNIT_ASSERT(startsWith(names[0], cat("sha256-", digest_.hex(), ".")));
            std::filesystem::remove_all(moved);
        }
        CPPUNIT_ASSERT_EQUAL(kText, readFile(elsewhere));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, fixture_->damaged.load());
    }

    // Who has linked it can still write to what was verified.
    void furtherNamesAreSetAside() {
        fixture_->put(kText);
        const std::string other = fixture_->root.file("other");
        std::filesystem::create_hard_link(blob(), other);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!exists(blob()));
        CPPUNIT_ASSERT_EQUAL(kText, readFile(other));
        fixture_->put(kText);
        writeFile(other, "SOME CONTENT");
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*store().open(digest_, ContentKind::kBlob)));
    }

    // Nobody but root can read what has no mode.
    void closedFileIsSetAside() {
        if (::geteuid() == 0) skipTest("root may read all");
        fixture_->put(kText);
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(blob().c_str(), 0));
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!exists(blob()));
    }

    void badMetadataIsSetAside() {
        const std::function<void()> plants[] = {
            [&] { writeFile(metadata(), "{"); },
            [&] { std::filesystem::create_directory(metadata()); },
            [&] { std::filesystem::create_symlink("/dev/zero", metadata()); },
        };
        std::size_t round = 0;
        for (const std::function<void()>& plant : plants) {
            fixture_->put(kText);
            std::filesystem::remove(metadata());
            plant();
            for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
            ++round;
            CPPUNIT_ASSERT_EQUAL(round, namesIn(quarantine()).size());
            CPPUNIT_ASSERT_EQUAL(round, fixture_->logLines().size());
            CPPUNIT_ASSERT(exists(blob()));
        }
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

    // Without a quarantine the name is freed all the same.
    void whatCannotBeMovedIsRemoved() {
        fixture_->put(kText);
        std::filesystem::remove(quarantine());
        writeFile(quarantine(), "in the way");
        CPPUNIT_ASSERT_EQUAL(0, ::truncate(blob().c_str(), 3));
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(!exists(blob()));
        const std::string line = fixture_->logLines().at(0);
        CPPUNIT_ASSERT_MESSAGE(line, line.find("it was removed") != std::string::npos);
    }

    // A file that has just been fetched again is not that which was found damaged.
    void onlyWhatWasSeenIsSetAside() {
        fixture_->put(kText);
        const std::optional<StoredContent> old = store().open(digest_, ContentKind::kBlob);
        fixture_->put(kText);
        store().quarantine(digest_, *old->file, "is old");
        CPPUNIT_ASSERT(exists(blob()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, fixture_->damaged.load());
        const std::optional<StoredContent> fresh = store().open(digest_, ContentKind::kBlob);
        store().quarantine(digest_, *fresh->file, "does not hash to its name");
        CPPUNIT_ASSERT(!exists(blob()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, fixture_->damaged.load());
        store().quarantine(digest_, *fresh->file, "does not hash to its name");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, fixture_->damaged.load());
    }

    void quarantineIsBounded() {
        Tree tree(fixture_->cache);
        const auto plant = [&](std::int64_t at, char tail, std::size_t size) {
            const std::string name = cat("sha256-", digest_.hex(), '.', at, ".digest.",
                                         std::string(16, tail));
            writeFile(cat(quarantine(), '/', name), std::string(size, 'x'));
            return name;
        };
        const std::int64_t present = wallSeconds();
        const std::string newest = plant(present, '1', 100);
        const std::string second = plant(present - 10, '2', 100);
        const std::string third = plant(present - 20, '3', 100);
        plant(present - 2000, '4', 1);
        writeFile(quarantine() + "/foreign", "x");
        CPPUNIT_ASSERT_EQUAL(1u, trimQuarantine(tree, {10, 1000, 1000}));
        CPPUNIT_ASSERT_EQUAL(1u, trimQuarantine(tree, {10, 250, 1000}));
        CPPUNIT_ASSERT((std::vector<std::string>{"foreign", second, newest}) ==
                       namesIn(quarantine()));
        CPPUNIT_ASSERT_EQUAL(1u, trimQuarantine(tree, {1, 1000, 1000}));
        CPPUNIT_ASSERT((std::vector<std::string>{"foreign", newest}) ==
                       namesIn(quarantine()));
        CPPUNIT_ASSERT(!exists(cat(quarantine(), '/', third)));
    }

    void quarantineNamesAreOurs() {
        const std::string name = quarantineName(digest_, Damage::kSize);
        const std::optional<std::int64_t> at = quarantinedAt(name);
        CPPUNIT_ASSERT(at && *at <= wallSeconds() && *at > wallSeconds() - 60);
        for (const std::string& other :
             {name + "0", name.substr(1), std::string("a.1.size.") + std::string(16, '0'),
              std::string(), std::string("..."),
              cat("sha256-", digest_.hex(), ".x.size.", std::string(16, '0')),
              cat("sha256-", digest_.hex(), ".1.other.", std::string(16, '0'))}) {
            CPPUNIT_ASSERT_MESSAGE(other, !quarantinedAt(other));
        }
    }

    void plantedFanOutIsAbsent() {
        fixture_->put(kText);
        std::string fanOut = std::filesystem::path(blob()).parent_path();
        std::string moved = fixture_->root.file("moved");
        std::filesystem::rename(fanOut, moved);
        std::filesystem::create_symlink(moved, fanOut);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_THROW(fixture_->put(kText), SysError);
        // Also a link that stays below the cache.
        std::filesystem::remove(fanOut);
        std::filesystem::rename(moved, fixture_->file("blobs/inside"));
        std::filesystem::create_symlink("../inside", fanOut);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        std::filesystem::remove(fanOut);
        writeFile(fanOut, "");
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_THROW(fixture_->put(kText), SysError);
        CPPUNIT_ASSERT(namesIn(fixture_->file("tmp")).empty());
    }

    void anotherUsersFileIsAbsent() {
        fixture_->put(kText);
        giveAway(blob());
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        giveAway(metadata());
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

    void openContentSurvivesEviction() {
        fixture_->put(kText);
        std::optional<StoredContent> content = store().open(digest_, ContentKind::kBlob);
        std::filesystem::remove(blob());
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*content));
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_EQUAL(kText, contentOf(*content));
    }

    void useIsMarkedOnceAMinute() {
        fixture_->put(kText);
        setTimes(blob(), -7200, -7200);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kManifest));
        CPPUNIT_ASSERT(accessAge(blob()) >= 7200);  // it was of no use
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(accessAge(blob()) < 60);
        CPPUNIT_ASSERT(wallSeconds() - statusOfFile(blob()).st_mtim.tv_sec >= 7200);
        // Within the minute, and a clock that is slightly off: as it is.
        for (std::int64_t offset : {-20, 30}) {
            setTimes(blob(), offset, -7200);
            struct stat before = statusOfFile(blob());
            CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
            CPPUNIT_ASSERT_EQUAL(before.st_atim.tv_sec, statusOfFile(blob()).st_atim.tv_sec);
        }
        // Stamped by a clock that was years ahead: counts as now, and is made so.
        setTimes(blob(), 86400 * 3650, -7200);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(accessAge(blob()) >= 0);
    }

    void infoIsNoUse() {
        fixture_->put(kText);
        setTimes(blob(), -7200, -7200);
        CPPUNIT_ASSERT(store().info(digest_));
        CPPUNIT_ASSERT(accessAge(blob()) >= 7200);
    }

    void amendAdds() {
        fixture_->put(kText);
        ContentInfo addition;
        addition.isPublic = true;
        CPPUNIT_ASSERT(store().amend(digest_, addition));
        CPPUNIT_ASSERT(store().info(digest_)->isPublic);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kManifest));
        addition = manifestInfo(999);
        addition.origin = "other.test";
        addition.blobType = "text/plain";
        CPPUNIT_ASSERT(store().amend(digest_, addition));
        std::optional<ContentInfo> info = store().info(digest_);
        CPPUNIT_ASSERT(info->isPublic);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kText.size()}, info->size);
        CPPUNIT_ASSERT_EQUAL(std::string("application/octet-stream"), *info->blobType);
        CPPUNIT_ASSERT_EQUAL(*addition.manifestType, *info->manifestType);
        CPPUNIT_ASSERT_EQUAL(std::string("up.test"), info->origin);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kManifest));
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

    void amendNeedsContent() {
        CPPUNIT_ASSERT(!store().amend(digest_, blobInfo(kText.size())));
        CPPUNIT_ASSERT(!exists(metadata()));
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
    }

    void amendmentsOfManyProcessesAreAllKept() {
        constexpr int kRounds = 20;
        for (int round = 0; round < kRounds; ++round) fixture_->put(cat("content ", round));
        WordPipe start;
        const std::function<ContentInfo()> additions[] = {
            [] { return manifestInfo(0); },
            [] {
                ContentInfo info;
                info.isPublic = true;
                return info;
            },
            [] { return ContentInfo(); },
        };
        std::vector<std::unique_ptr<Child>> children;
        for (const std::function<ContentInfo()>& addition : additions) {
            children.push_back(std::make_unique<Child>([&] {
                if (!start.receive()) throw Error("no start");
                for (int round = 0; round < kRounds; ++round) {
                    store().amend(sha256(cat("content ", round)), addition());
                }
            }));
        }
        start.send("xxx");
        for (std::unique_ptr<Child>& child : children) CPPUNIT_ASSERT(child->succeeded());
        for (int round = 0; round < kRounds; ++round) {
            std::optional<ContentInfo> info = store().info(sha256(cat("content ", round)));
            CPPUNIT_ASSERT(info && info->isPublic && info->manifestType && info->blobType);
        }
    }

    void removedDirectoryIsMadeAgain() {
        std::unique_ptr<Store> other = fixture_->another();
        fixture_->put(kText);
        std::filesystem::remove_all(fixture_->cache);
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, store().measure().files);
        CPPUNIT_ASSERT_EQUAL(0u, store().reapTemporary({}, Millis{0}));
        CPPUNIT_ASSERT(!exists(fixture_->cache));  // reading makes nothing
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_EQUAL(std::string("1\n"), readFile(fixture_->file("version")));
        CPPUNIT_ASSERT_EQUAL(mode_t{0700}, statusOfFile(fixture_->cache).st_mode & 07777);
        // The others write into the same new one.
        RepositoryKey where{"up.test", "r"};
        other->putLink(where, ContentKind::kBlob, digest_, true);
        CPPUNIT_ASSERT(store().link(where, ContentKind::kBlob, digest_));
        std::filesystem::remove_all(fixture_->cache);
        other->putTag(where, "latest", TagEntry{digest_, "", 1, 1, {}});
        CPPUNIT_ASSERT(store().tag(where, "latest"));
    }

    void removedDirectoryIsFoundAgainByReaders() {
        std::unique_ptr<Store> other = fixture_->another();
        std::filesystem::remove_all(fixture_->cache);
        fixture_->put(kText);
        CPPUNIT_ASSERT(other->open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, other->measure().files);
    }

    void emptiedDirectoryIsFilledAgain() {
        fixture_->put(kText);
        std::unique_ptr<ContentWriter> writer = store().create(digest_, 5);
        writer->append(kText.data(), kText.size());
        for (const std::string& name : namesIn(fixture_->cache)) {
            std::filesystem::remove_all(fixture_->file(name));
        }
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(writer->matches());
        CPPUNIT_ASSERT_THROW(writer->commit(blobInfo(kText.size())), SysError);
        writer.reset();
        CPPUNIT_ASSERT(!store().open(digest_, ContentKind::kBlob));
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
        CPPUNIT_ASSERT(exists(fixture_->file("version")));
    }

    void removedDirectoryReplacedByALinkIsRefused() {
        std::filesystem::remove_all(fixture_->cache);
        std::string elsewhere = fixture_->root.file("elsewhere");
        std::filesystem::create_directory(elsewhere);
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(fixture_->root.path().c_str(), 01777));
        std::filesystem::create_symlink(elsewhere, fixture_->cache);
        CPPUNIT_ASSERT_THROW(fixture_->put(kText), SysError);
        CPPUNIT_ASSERT(namesIn(elsewhere).empty());
    }

    void descriptorsAreCleanAndNotLeaked() {
        fixture_->put(kText);
        std::size_t before = openDescriptors();
        {
            std::optional<StoredContent> content = store().open(digest_, ContentKind::kBlob);
            CPPUNIT_ASSERT(content);
            CPPUNIT_ASSERT_EQUAL(before + 1, openDescriptors());
            int fd = content->file->get();
            CPPUNIT_ASSERT((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            CPPUNIT_ASSERT_EQUAL(0, ::fcntl(fd, F_GETFL) & O_NONBLOCK);
            CPPUNIT_ASSERT_EQUAL(O_RDONLY, ::fcntl(fd, F_GETFL) & O_ACCMODE);
        }
        fixture_->put("more");
        store().amend(digest_, manifestInfo(0));
        store().putLink({"a", "b"}, ContentKind::kBlob, digest_, true);
        store().putTag({"a", "b"}, "c", TagEntry{digest_, "", 1, 1, {}});
        store().measure();
        store().reapTemporary({}, Millis{0});
        CPPUNIT_ASSERT_EQUAL(before, openDescriptors());
    }

    void stepwiseOpeningIsAsStrict() {
        fixture_->put(kText);
        std::filesystem::create_directory(fixture_->root.file("outside"));
        std::filesystem::create_symlink(fixture_->root.file("outside"), fixture_->file("out"));
        std::filesystem::create_symlink("blobs", fixture_->file("in"));
        Fd root(::open(fixture_->cache.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        for (auto open : {&openBeneath, &openStepwise}) {
            CPPUNIT_ASSERT(Fd(open(root.get(), blobFile(digest_), O_RDONLY)));
            CPPUNIT_ASSERT(Fd(open(root.get(), "version", O_RDONLY)));
            CPPUNIT_ASSERT(Fd(open(root.get(), ".", O_RDONLY | O_DIRECTORY)));
            for (const char* path : {"out", "out/x", "in/sha256", "../log", "blobs/../version",
                                     "missing", "version/x"}) {
                Fd fd(open(root.get(), path, O_RDONLY));
                CPPUNIT_ASSERT_MESSAGE(path, !fd || std::string(path) == "blobs/../version");
                CPPUNIT_ASSERT(fd || meansAbsent(errno));
            }
            CPPUNIT_ASSERT(!Fd(open(root.get(), "in/sha256/00", O_RDONLY)));
        }
    }

    // One instance, used by all; the directory is taken away once meanwhile.
    void manyThreadsAtOnce() {
        constexpr unsigned kThreads = 4;
        constexpr unsigned kRounds = 40;
        std::atomic<unsigned> ready{0};
        std::atomic<unsigned> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < kThreads; ++i) {
            threads.emplace_back([&, i] {
                for (++ready; ready < kThreads;) std::this_thread::yield();
                for (unsigned round = 0; round < kRounds; ++round) {
                    if (i == 0 && round == kRounds / 2) removeCache();
                    if (!useAll(round, i)) ++wrong;
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        CPPUNIT_ASSERT_EQUAL(0u, wrong.load());
        CPPUNIT_ASSERT(damagedBlobs(fixture_->cache).empty());
        fixture_->put(kText);
        CPPUNIT_ASSERT(store().open(digest_, ContentKind::kBlob));
    }

private:
    void removeCache() {
        std::error_code ignored;  // others make files in it at the same time
        std::filesystem::remove_all(fixture_->cache, ignored);
    }

    // False for an answer that is wrong; the disk may fail while it is taken away.
    bool useAll(unsigned round, unsigned thread) {
        std::string text = cat("content ", round % 10);
        RepositoryKey where{"up.test", cat("r", round % 3)};
        try {
            storeContent(store(), text, blobInfo(text.size()), round * 10 + thread);
            store().putLink(where, ContentKind::kBlob, sha256(text), thread == 0);
            store().putTag(where, "latest", TagEntry{sha256(text), "", 1, 1, {}});
            store().amend(sha256(text), manifestInfo(0));
            store().measure();
            store().tag(where, "latest");
            store().link(where, ContentKind::kBlob, sha256(text));
            std::optional<StoredContent> content = store().open(sha256(text), ContentKind::kBlob);
            return !content || contentOf(*content) == text;
        } catch (const SysError&) {
            return true;
        }
    }

    Store& store() { return *fixture_->store; }
    std::string blob() const { return fixture_->file(blobFile(digest_)); }
    std::string quarantine() const { return fixture_->file("quarantine"); }
    std::string metadata() const { return fixture_->file(metadataFile(digest_)); }

    std::unique_ptr<StoreFixture> fixture_;
    const Digest digest_ = sha256(kText);
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreContentTest);

}  // namespace ociproxy
