// What happens to the cache behind the proxy's back: content that was cut, extended, linked or
// replaced is found when it is opened, and the request that finds it is served from upstream.
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/patience.h"
#include "ociproxy/base/fd.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

class DamageTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DamageTest);
    OCIPROXY_INTEGRATION_TEST(healsWhatAnOpenShows);
    OCIPROXY_INTEGRATION_TEST(healsManyChangesOfSize);
    OCIPROXY_INTEGRATION_TEST(healsDamagedMetadata);
    OCIPROXY_INTEGRATION_TEST(healsManifests);
    OCIPROXY_INTEGRATION_TEST(healsSmallContentThatIsToBeRemembered);
    OCIPROXY_INTEGRATION_TEST(alwaysFindsEveryFlip);
    OCIPROXY_INTEGRATION_TEST(firstFindsFlipsUntilItHasRead);
    OCIPROXY_INTEGRATION_TEST(partsOfDamagedContentAreNotServedWhole);
    OCIPROXY_INTEGRATION_TEST(partsAreServedAlsoWhileTheyAreVerified);
    OCIPROXY_INTEGRATION_TEST(damagedManifestIsFoundByItsTag);
    OCIPROXY_INTEGRATION_TEST(slowReadersHoldUpNobody);
    CPPUNIT_TEST_SUITE_END();

public:
    void healsWhatAnOpenShows() {
        startProxy();
        const std::function<void(const std::string&)> damages[] = {
            [](const std::string& file) { fs::resize_file(file, 0); },
            [](const std::string& file) { fs::resize_file(file, 1000); },
            [](const std::string& file) { fs::resize_file(file, kMiB); },
            [](const std::string& file) {
                fs::remove(file);
                fs::create_symlink("/etc/passwd", file);
            },
            [](const std::string& file) { fs::create_hard_link(file, file + ".other"); },
            [](const std::string& file) {
                fs::remove(file);
                CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(file.c_str(), 0600));
            },
            [](const std::string& file) {
                fs::remove(file);
                fs::create_directory(file);
                fs::create_directory(file + "/inner");
            },
            [](const std::string& file) { giveToNobody(file); },
        };
        for (std::size_t size : {std::size_t{0}, 5 * kKiB, 300 * kKiB}) {
            for (const auto& damage : damages) healsFrom(randomBytes(size), damage);
        }
    }

    void healsManyChangesOfSize() {
        startProxy();
        const std::string bytes = randomBytes(20 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        for (unsigned round = 0; round < 100; ++round) {
            // Also the very smallest ones, both ways.
            const std::size_t size = round % 2 == 0 ? bytes.size() - 1 - round * 200
                                                    : bytes.size() + 1 + round * 200;
            fs::resize_file(proxy().store().blobPath(digest), size);
            assertServed(get(blob("a", digest)), bytes);
            awaitStored(digest);
            CPPUNIT_ASSERT_EQUAL(std::size_t{round + 2}, up().blobGets(digest));
        }
        await("every one is logged", [&] {
            return countOf(proxy().log(), "bytes instead of 20480") == 100;
        });
    }

    void healsDamagedMetadata() {
        startProxy();
        const std::string bytes = randomBytes(5 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        const std::string hex = digest.substr(7);
        const std::string metadata = cat(proxy().store().directory(), "/meta/sha256/",
                                         hex.substr(0, 2), "/", hex, ".json");
        const std::string file = proxy().store().blobPath(digest);
        std::size_t gets = 0;
        ino_t last = 0;
        for (const char* text : {"", "{}", "{\"size\":1}", "\xff\xff"}) {
            assertServed(get(blob("a", digest)), bytes);
            CPPUNIT_ASSERT_EQUAL(++gets, up().blobGets(digest));
            await("it is stored anew", [&] { return isStoredAnew(file, last); });
            last = inodeOf(file);
            writeFile(metadata, text);
        }
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(++gets, up().blobGets(digest));
        await("it is stored anew", [&] { return isStoredAnew(file, last); });
    }

    void healsManifests() {
        startProxy();
        const std::string bytes = imageManifest(randomBytes(100), {randomBytes(100)});
        const std::string digest = up().addManifest("a", bytes, kManifestType, "latest");
        for (unsigned round = 1; round < 4; ++round) {
            const std::string target = manifest("a", round % 2 == 0 ? "latest" : digest);
            assertServed(get(target), bytes);
            awaitStored(digest);
            const std::size_t gets = up().count([](const Received& request) {
                return request.method == "GET" &&
                       request.path.find("/manifests/") != std::string::npos;
            });
            CPPUNIT_ASSERT_EQUAL(std::size_t{round}, gets);
            fs::resize_file(proxy().store().blobPath(digest), 3);
        }
        assertServed(get(manifest("a", digest)), bytes);
        awaitStored(digest);
    }

    // Without verify_on_read, too: what a worker is to hold in memory is hashed once.
    void healsSmallContentThatIsToBeRemembered() {
        startProxy({1, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        for (unsigned round = 0; round < 10; ++round) {
            const std::string bytes = randomBytes(10 * kKiB);
            const std::string digest = stored(bytes);
            flip(digest, round);
            assertServed(get(blob("a", digest)), bytes);
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digest));
            awaitStored(digest);
        }
    }

    void alwaysFindsEveryFlip() {
        startProxy({2, "scrub_rate = off\nverify_on_read = always\n", "", "",
                    TempRoot::Place::kMemory});
        for (unsigned round = 0; round < 100; ++round) {
            const std::size_t size = round % 2 == 0 ? 20 * kKiB : 200 * kKiB;
            const std::string bytes = randomBytes(size);
            const std::string digest = stored(bytes);
            assertServed(get(blob("a", digest)), bytes);
            flip(digest, round * 7919 % size, Stamp::kNew);
            const Response response = get(blob("a", digest));
            if (size <= kHoldBack) assertServed(response, bytes);
            else assertNotServed(response);
            assertServed(get(blob("a", digest)), bytes);
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digest));
            awaitStored(digest);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{100}, quarantined());
    }

    void firstFindsFlipsUntilItHasRead() {
        startProxy({1, "scrub_rate = off\nverify_on_read = first\n", "", "",
                    TempRoot::Place::kMemory});
        const std::string bytes = randomBytes(300 * kKiB);
        const std::string digest = stored(bytes);
        const std::string other = randomBytes(300 * kKiB);
        const std::string otherDigest = stored(other);
        // Who has just fetched it may have read it already: other processes have not.
        restart();
        flip(digest, 100 * kKiB);
        assertNotServed(get(blob("a", digest)));
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        assertServed(get(blob("a", digest)), bytes);
        // A HEAD reads nothing, and so it is no first read.
        CPPUNIT_ASSERT_EQUAL(200, head(blob("a", otherDigest)).status);
        flip(otherDigest, 100 * kKiB);
        assertNotServed(get(blob("a", otherDigest)));
        // What was read once is trusted: the price of its speed.
        flip(digest, 100 * kKiB);
        const Response response = get(blob("a", digest));
        CPPUNIT_ASSERT(response.complete() && response.body != bytes);
        fs::remove(proxy().store().blobPath(digest));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, quarantined());
    }

    void partsOfDamagedContentAreNotServedWhole() {
        startProxy({2, "scrub_rate = off\nverify_on_read = always\n", "", "",
                    TempRoot::Place::kMemory});
        for (const char* range : {"bytes=0-9", "bytes=-5", "bytes=100-150000", "bytes=0-9,20-29",
                                  "bytes=200000-200009,0-9"}) {
            const std::string bytes = randomBytes(300 * kKiB);
            const std::string digest = stored(bytes);
            flip(digest, 250 * kKiB);  // in none of them but one
            assertNotServed(get(blob("a", digest), {{"Range", range}}));
            const Response whole = get(blob("a", digest));
            assertServed(whole, bytes);
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digest));
            awaitStored(digest);
        }
    }

    void partsAreServedAlsoWhileTheyAreVerified() {
        startProxy({2, "scrub_rate = off\nverify_on_read = always\n", "", "",
                    TempRoot::Place::kMemory});
        const std::string bytes = randomBytes(3 * kMiB);
        const std::string digest = stored(bytes);
        const Response part = get(blob("a", digest), {{"Range", "bytes=1000000-1999999"}});
        CPPUNIT_ASSERT_EQUAL(206, part.status);
        CPPUNIT_ASSERT(part.complete() && part.body == bytes.substr(1000000, 1000000));
        assertLacks(part.header("Cache-Status"), "unverified");
        const Response parts = get(blob("a", digest), {{"Range", "bytes=2000000-2000009,0-9"}});
        CPPUNIT_ASSERT_EQUAL(206, parts.status);
        CPPUNIT_ASSERT(parts.complete());
        assertContains(parts.body, bytes.substr(2000000, 10));
        assertContains(parts.body, bytes.substr(0, 10));
        CPPUNIT_ASSERT_EQUAL(416, get(blob("a", digest), {{"Range", "bytes=9999999-"}}).status);
        CPPUNIT_ASSERT_EQUAL(304, get(blob("a", digest),
                                      {{"If-None-Match", cat('"', digest, '"')}}).status);
        CPPUNIT_ASSERT_EQUAL(std::string("3145728"),
                             head(blob("a", digest)).header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest));
    }

    void damagedManifestIsFoundByItsTag() {
        startProxy({2, "scrub_rate = off\nverify_on_read = first\n", "", "",
                    TempRoot::Place::kMemory});
        const std::string bytes = imageManifest(randomBytes(100), {randomBytes(100)});
        const std::string digest = up().addManifest("a", bytes, kManifestType, "latest");
        assertServed(get(manifest("a", "latest")), bytes);
        awaitStored(digest);
        restart();
        flip(digest, 10);
        assertServed(get(manifest("a", "latest")), bytes);
        awaitStored(digest);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, quarantined());
    }

    // Hashing goes on at the speed of the disk; no thread of it waits for a client.
    void slowReadersHoldUpNobody() {
        startProxy({1, "scrub_rate = off\nverify_on_read = always\n", "", "",
                    TempRoot::Place::kMemory});
        const std::string bytes = randomBytes(20 * kMiB);
        const std::string digest = stored(bytes);
        std::vector<std::unique_ptr<TestClient>> slow;
        for (unsigned i = 0; i < 8; ++i) {
            slow.push_back(std::make_unique<TestClient>(proxy().port()));
            slow.back()->send("GET", blob("a", digest));
            CPPUNIT_ASSERT_EQUAL(200, slow.back()->readHead().status);
        }
        assertServed(get(blob("a", digest)), bytes);
        slow.clear();
        assertServed(get(blob("a", digest)), bytes);
    }

private:
    enum class Stamp { kOld, kNew };

    void restart() {
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().start();
    }

    std::string stored(const std::string& bytes) {
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        return digest;
    }

    // One bit, as a disk does it: the times stay, unless what is held in memory is to end.
    void flip(const std::string& digest, std::size_t at, Stamp stamp = Stamp::kOld) {
        const std::string file = proxy().store().blobPath(digest);
        const fs::file_time_type time = fs::last_write_time(file);
        Fd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
        char byte = 0;
        preadAll(fd.get(), &byte, 1, at, file);
        byte = static_cast<char>(byte ^ 0x10);
        pwriteAll(fd.get(), &byte, 1, at, file);
        fd.reset();
        if (stamp == Stamp::kOld) fs::last_write_time(file, time);
    }

    static ino_t inodeOf(const std::string& file) {
        struct stat status = {};
        return ::lstat(file.c_str(), &status) == 0 ? status.st_ino : 0;
    }

    static bool isStoredAnew(const std::string& file, ino_t last) {
        const ino_t inode = inodeOf(file);
        return inode != 0 && inode != last;
    }

    static void giveToNobody(const std::string& file) {
        constexpr uid_t kNobody = 65534;
        if (::geteuid() == 0) CPPUNIT_ASSERT_EQUAL(0, ::chown(file.c_str(), kNobody, kNobody));
        else CPPUNIT_ASSERT_EQUAL(0, ::chmod(file.c_str(), 0));
    }

    // Serves it, damages it, serves it again from upstream, and then from the store.
    void healsFrom(const std::string& bytes,
                   const std::function<void(const std::string&)>& damage) {
        const std::string digest = up().addBlob("a", bytes);
        const std::string file = proxy().store().blobPath(digest);
        fs::remove_all(file);
        up().forgetRequests();
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        const std::size_t before = quarantined();
        damage(file);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        CPPUNIT_ASSERT(fs::is_regular_file(fs::symlink_status(file)));
        const bool healed = up().blobGets(digest) == 2;
        // Nothing was changed where there was nothing to be cut.
        CPPUNIT_ASSERT(healed || bytes.empty());
        if (healed) await("quarantine", [&] { return quarantined() == before + 1 || isRemoved(); });
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{healed ? 2u : 1u}, up().blobGets(digest));
        fs::remove(file + ".other");
    }

    std::size_t quarantined() const {
        const fs::path path = const_cast<DamageTest*>(this)->proxy().store().directory();
        std::size_t count = 0;
        for (const fs::directory_entry& entry : fs::directory_iterator(path / "quarantine")) {
            (void)entry;
            ++count;
        }
        return count;
    }

    // Landlock lets workers make neither links nor fifos, not even by a rename: they are
    // removed instead.
    bool isRemoved() { return countOf(proxy().log(), "it was removed, not moved") > 0; }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DamageTest);

}  // namespace ociproxy::itest
