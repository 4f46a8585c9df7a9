// ociproxy purge and ociproxy verify, with and without a proxy on the cache, and the scrub.
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/patience.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

class StoreCommandTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(StoreCommandTest);
    OCIPROXY_INTEGRATION_TEST(verifyFindsEveryFlip);
    OCIPROXY_INTEGRATION_TEST(verifyRepairsBesideARunningProxy);
    OCIPROXY_INTEGRATION_TEST(verifySaysWhatItFound);
    OCIPROXY_INTEGRATION_TEST(repairedContentIsNotServedFromMemory);
    OCIPROXY_INTEGRATION_TEST(purgedContentIsFetchedAgain);
    OCIPROXY_INTEGRATION_TEST(purgedTagIsAskedForAgain);
    OCIPROXY_INTEGRATION_TEST(purgeUnderLoadHurtsNobody);
    OCIPROXY_INTEGRATION_TEST(withoutACacheThereIsNothingToDo);
    OCIPROXY_INTEGRATION_TEST(rootBecomesTheOwner);
    OCIPROXY_INTEGRATION_TEST(scrubFindsWhatIsDamaged);
    CPPUNIT_TEST_SUITE_END();

public:
    void verifyFindsEveryFlip() {
        startProxy({2, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        const std::vector<std::string> digests = storeMany(100);
        CPPUNIT_ASSERT_EQUAL(0, verify({}).status);
        std::size_t at = 0;
        for (const std::string& digest : digests) flip(digest, at += 7);
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        const Finished found = verify({});
        CPPUNIT_ASSERT_EQUAL(1, found.status);
        for (const std::string& digest : digests) assertContains(found.err, digest);
        assertContains(found.out, "verified 100 files");
        assertContains(found.out, "100 damaged");
        const Finished repaired = verify({"--repair"});
        CPPUNIT_ASSERT_EQUAL(0, repaired.status);
        assertContains(repaired.out, "100 damaged and set aside");
        CPPUNIT_ASSERT(proxy().store().blobFiles().empty());
        CPPUNIT_ASSERT_EQUAL(0, verify({}).status);
        proxy().start();
    }

    void verifyRepairsBesideARunningProxy() {
        startProxy({2, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        const std::vector<std::string> digests = storeMany(40);
        std::atomic<bool> done{false};
        Crowd crowd(3, [&](unsigned i) {
            for (unsigned round = i; !done; ++round) {
                const std::string bytes = randomBytes(10 * kKiB);
                const std::string digest = up().addBlob("load", bytes);
                assertServed(get(blob("load", digest)), bytes);
                assertServed(get(blob("load", digest)), bytes);
            }
        });
        for (unsigned round = 0; round < 5; ++round) {
            for (const std::string& digest : digests) {
                if (proxy().store().has(digest)) flip(digest, round);
            }
            const Finished found = verify({"--repair"});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(found.err, 0, found.status);
            for (const std::string& digest : digests) {
                CPPUNIT_ASSERT(!proxy().store().has(digest));
                assertServed(get(blob("a", digest)), *bytesOf(digest));
                awaitStored(digest);
            }
        }
        done = true;
        crowd.join();
        CPPUNIT_ASSERT_EQUAL(0, verify({}).status);
    }

    void verifySaysWhatItFound() {
        startProxy({1, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        const std::vector<std::string> digests = storeMany(3);
        flip(digests[0], 0);
        writeFile(proxy().store().directory() + "/blobs/sha256/00/foreign", "x");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        const Finished found = verify({"--json", "--rate=100M"});
        CPPUNIT_ASSERT_EQUAL(1, found.status);
        CPPUNIT_ASSERT_EQUAL(std::string("{\"files\":3,\"bytes\":15360,\"damaged\":1,"
                                         "\"orphans\":0,\"removed\":0,\"foreign\":1}\n"),
                             found.out);
        // No terminal, no bar.
        CPPUNIT_ASSERT_EQUAL(digests[0] + " does not hash to its name\n", found.err);
        fs::remove(proxy().store().directory() + "/blobs/sha256/00/foreign");
        CPPUNIT_ASSERT_EQUAL(0, verify({"--repair"}).status);
        proxy().start();
    }

    // Workers hold open what they have just served; no signal tells them.
    void repairedContentIsNotServedFromMemory() {
        startProxy({1, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        const std::string bytes = randomBytes(100 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        for (unsigned i = 0; i < 3; ++i) assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        for (unsigned i = 0; i < 3; ++i) assertServed(get(blob("a", digest)), bytes);
        flip(digest, 50 * kKiB);
        CPPUNIT_ASSERT_EQUAL(0, verify({"--repair"}).status);
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digest));
        awaitStored(digest);
    }

    void purgedContentIsFetchedAgain() {
        startProxy();
        const std::vector<std::string> digests = storeMany(2);
        for (const std::string& digest : digests) {
            assertServed(get(blob("a", digest)), *bytesOf(digest));
        }
        const Finished purged = run("purge", {digests[0]});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(purged.err, 0, purged.status);
        assertContains(purged.out, "1 files of 5120 bytes");
        CPPUNIT_ASSERT(!proxy().store().has(digests[0]));
        CPPUNIT_ASSERT_EQUAL(1, run("purge", {digests[0]}).status);
        for (const std::string& digest : digests) {
            assertServed(get(blob("a", digest)), *bytesOf(digest));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digests[0]));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digests[1]));
        awaitStored(digests[0]);
    }

    void purgedTagIsAskedForAgain() {
        startProxy();
        const std::string layer = randomBytes(5 * kKiB);
        const std::string config = randomBytes(100);
        const std::string image = imageManifest(config, {layer});
        const std::string layerDigest = up().addBlob("a", layer);
        const std::string configDigest = up().addBlob("a", config);
        const std::string digest = up().addManifest("a", image, kManifestType, "1.0");
        const auto pull = [&] {
            assertServed(get(manifest("a", "1.0")), image);
            assertServed(get(blob("a", layerDigest)), layer);
            assertServed(get(blob("a", configDigest)), config);
            for (const std::string& each : {digest, layerDigest, configDigest}) awaitStored(each);
        };
        pull();
        for (const std::string& word : {std::string("up.test/a:1.0"), std::string("up/a:1.0"),
                                        cat("up.test/a@", digest), std::string("up.test/a")}) {
            const Finished purged = run("purge", {word});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(purged.err, 0, purged.status);
            assertContains(purged.out, "removed 1 tags, 3 links, 3 files");
            for (const std::string& each : {digest, layerDigest, configDigest}) {
                CPPUNIT_ASSERT(!proxy().store().has(each));
            }
            up().forgetRequests();
            pull();
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets());
        }
        CPPUNIT_ASSERT_EQUAL(1, run("purge", {"up.test/b", "up.test/a:2"}).status);
        CPPUNIT_ASSERT_EQUAL(kUsage, run("purge", {"up.test/a", "nonsense"}).status);
        CPPUNIT_ASSERT(proxy().store().has(digest));
    }

    void purgeUnderLoadHurtsNobody() {
        startProxy();
        const std::vector<std::string> digests = storeMany(8);
        std::atomic<bool> done{false};
        Crowd crowd(4, [&](unsigned i) {
            for (unsigned round = i; !done; ++round) {
                const std::string& digest = digests[round % digests.size()];
                assertServed(get(blob("a", digest)), *bytesOf(digest));
            }
        });
        unsigned removed = 0;
        for (unsigned round = 0; round < 20; ++round) {
            const Finished purged = run("purge", {digests[round % digests.size()], "up.test/a"});
            if (purged.status == 0) ++removed;
            CPPUNIT_ASSERT_MESSAGE(purged.err, purged.status == 0 || purged.status == 1);
        }
        done = true;
        crowd.join();
        CPPUNIT_ASSERT(removed > 0);
        // What was running when its links were purged is as good as ever.
        for (const std::string& digest : digests) {
            assertServed(get(blob("a", digest)), *bytesOf(digest));
            awaitStored(digest);
        }
    }

    void withoutACacheThereIsNothingToDo() {
        startProxy();
        const std::string file = proxy().root().file("other.conf");
        const std::string absent = proxy().root().file("absent");
        writeFile(file, cat(userLine(), "cache_dir = ", absent, "\n"));
        CPPUNIT_ASSERT_EQUAL(kNoInput, runProxy({"verify", "-c", file}).status);
        CPPUNIT_ASSERT_EQUAL(kNoInput, runProxy({"purge", "-c", file, "a.test/b"}).status);
        CPPUNIT_ASSERT(!exists(absent));
    }

    // What a command of root's made could not be used by the proxy any more.
    void rootBecomesTheOwner() {
        if (::geteuid() != 0) skipTest("only root has the choice");
        startProxy();
        const std::string file = proxy().root().file("other.conf");
        writeFile(file, cat("user = nobody\ncache_dir = ", proxy().store().directory(), "\n"));
        const Finished refused = runProxy({"verify", "-c", file});
        CPPUNIT_ASSERT(refused.status != 0 && refused.status != 1);
        assertContains(refused.err, proxy().store().directory());
    }

    void scrubFindsWhatIsDamaged() {
        startProxy({2, "scrub_rate = off\n", "", "", TempRoot::Place::kMemory});
        const std::vector<std::string> digests = storeMany(20);
        for (const std::string& digest : digests) flip(digest, 100);
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration({2, "scrub_rate = 1G\n", "", "",
                                         TempRoot::Place::kMemory}));
        proxy().start();
        await("all is set aside", [&] { return proxy().store().blobFiles().empty(); });
        await("it is said", [&] {
            return countOf(proxy().log(), "does not hash to its name") == digests.size();
        });
        for (const std::string& digest : digests) {
            assertServed(get(blob("a", digest)), *bytesOf(digest));
            awaitStored(digest);
        }
    }

private:
    static constexpr int kUsage = 64;
    static constexpr int kNoInput = 66;

    Finished run(const std::string& command, const std::vector<std::string>& words) {
        std::vector<std::string> arguments{command, "-c", proxy().configurationFile()};
        arguments.insert(arguments.end(), words.begin(), words.end());
        return runProxy(arguments);
    }
    Finished verify(const std::vector<std::string>& words) { return run("verify", words); }

    std::vector<std::string> storeMany(unsigned count) {
        std::vector<std::string> digests;
        for (unsigned i = 0; i < count; ++i) {
            const std::string bytes = randomBytes(5 * kKiB);
            const std::string digest = up().addBlob("a", bytes);
            assertServed(get(blob("a", digest)), bytes);
            awaitStored(digest);
            bytes_[digest] = std::make_shared<const std::string>(bytes);
            digests.push_back(digest);
        }
        return digests;
    }
    std::shared_ptr<const std::string> bytesOf(const std::string& digest) const {
        return bytes_.at(digest);
    }

    // Of the file as it is; its times stay.
    void flip(const std::string& digest, std::size_t at) {
        const std::string file = proxy().store().blobPath(digest);
        const fs::file_time_type time = fs::last_write_time(file);
        std::string bytes = readFile(file);
        bytes.at(at) = static_cast<char>(bytes.at(at) ^ 0x10);
        writeFile(file, bytes);
        fs::last_write_time(file, time);
    }

    std::map<std::string, std::shared_ptr<const std::string>> bytes_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreCommandTest);

}  // namespace ociproxy::itest
