// A cache that cannot be written to or read costs no client anything: what is not stored
// goes past it.
#include <filesystem>

#include <sys/mount.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "support/runner.h"

namespace ociproxy::itest {

class StoreTroubleTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(StoreTroubleTest);
    OCIPROXY_INTEGRATION_TEST(case57_blobThatDoesNotFit);
    OCIPROXY_INTEGRATION_TEST(case57_diskFullInMidBody);
    OCIPROXY_INTEGRATION_TEST(diskFullUnderARange);
    OCIPROXY_INTEGRATION_TEST(manifestsAndTagsOnAFullDisk);
    OCIPROXY_INTEGRATION_TEST(wrongContentIsNotPassed);
    OCIPROXY_INTEGRATION_TEST(readOnlyAndBack);
    OCIPROXY_INTEGRATION_TEST(removedWhileServing);
    CPPUNIT_TEST_SUITE_END();

public:
    void tearDown() override {
        IntegrationTest::tearDown();
        if (mounted_.empty()) return;
        uncover();
        ::umount2(mounted_.c_str(), MNT_DETACH);
        std::error_code ignored;
        std::filesystem::remove_all(std::filesystem::path(mounted_).parent_path(), ignored);
        mounted_.clear();
    }

    void case57_blobThatDoesNotFit() {
        startOnSmallDisk();
        const std::string bytes = randomBytes(5 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        for (int i = 0; i < 3; ++i) {
            const Response response = get(blob("a", digest));
            assertServed(response, bytes);
            assertContains(response.header("Cache-Status"), "stored=?0; detail=store-trouble");
        }
        CPPUNIT_ASSERT(!proxy().store().has(digest));
        expectOneLineAWorker();
        expectSmallIsStored();
    }

    // Without a length it shows only while it is written.
    void case57_diskFullInMidBody() {
        startOnSmallDisk();
        const std::string bytes = randomBytes(5 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        Behaviour chunked;
        chunked.chunked = true;
        up().behave(blobPath("a", digest), chunked);
        Crowd crowd(16, [&](unsigned) { assertServed(get(blob("a", digest)), bytes); });
        crowd.join();
        CPPUNIT_ASSERT(!proxy().store().has(digest));
        // Somebody's bytes came from the file until it was forsaken.
        CPPUNIT_ASSERT(up().count([](const Received& request) {
            return request.fields.get("Range") != "";
        }) > 0);
        expectOneLineAWorker();
        expectSmallIsStored();
    }

    void diskFullUnderARange() {
        startOnSmallDisk();
        const std::string bytes = randomBytes(5 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        for (const char* range : {"bytes=4000000-4000999", "bytes=0-999"}) {
            const Response part = get(blob("a", digest), {{"Range", range}});
            CPPUNIT_ASSERT_EQUAL(206, part.status);
            CPPUNIT_ASSERT(part.body == bytes.substr(range[6] == '4' ? 4'000'000 : 0, 1000));
            assertContains(part.header("Cache-Status"), "detail=unverified");
        }
        const Response rest = get(blob("a", digest), {{"Range", "bytes=1000000-"}});
        CPPUNIT_ASSERT_EQUAL(206, rest.status);
        CPPUNIT_ASSERT(rest.complete() && rest.body == bytes.substr(1'000'000));
    }

    void manifestsAndTagsOnAFullDisk() {
        startOnSmallDisk();
        fillDisk();
        const std::string bytes = imageManifest(up().addBlob("a", "{}"), {});
        const std::string digest = up().addManifest("a", bytes, kManifestType, "latest");
        for (int i = 0; i < 2; ++i) {
            for (const std::string& reference : {std::string("latest"), digest}) {
                const Response response = get(manifest("a", reference));
                assertServed(response, bytes);
                CPPUNIT_ASSERT_EQUAL(std::string(kManifestType), response.header("Content-Type"));
                CPPUNIT_ASSERT_EQUAL(digest, response.header("Docker-Content-Digest"));
                CPPUNIT_ASSERT_EQUAL(200, head(manifest("a", reference)).status);
            }
        }
        Crowd crowd(16, [&](unsigned) { assertServed(get(manifest("a", "latest")), bytes); });
        crowd.join();
        assertError(get(manifest("a", "nothing")), 404, "MANIFEST_UNKNOWN");
        emptyDisk();
    }

    void wrongContentIsNotPassed() {
        startOnSmallDisk();
        fillDisk();
        for (const std::size_t size : {kKiB, 5 * kMiB}) {
            const std::string digest = up().addBlob("a", randomBytes(size));
            up().addFile(blobPath("a", digest), randomBytes(size));
            assertNotServed(get(blob("a", digest)));
        }
        emptyDisk();
    }

    void readOnlyAndBack() {
        startOnSmallDisk();
        const std::string before = randomBytes(10 * kKiB);
        const std::string stored = up().addBlob("a", before);
        assertServed(get(blob("a", stored)), before);
        cover();
        const std::string bytes = randomBytes(100 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(200, head(blob("b", up().addBlob("b", bytes))).status);
        assertServed(get(blob("a", stored)), before);
        uncover();
        await("it is stored again", [&] {
            assertServed(get(blob("a", digest)), bytes);
            return proxy().store().has(digest);
        });
    }

    void removedWhileServing() {
        startProxy();
        const std::string before = randomBytes(100 * kKiB);
        const std::string stored = up().addBlob("a", before);
        assertServed(get(blob("a", stored)), before);
        for (const auto& entry : std::filesystem::directory_iterator(proxy().store().directory())) {
            std::filesystem::remove_all(entry);
        }
        Crowd crowd(8, [&](unsigned) { assertServed(get(blob("a", stored)), before); });
        crowd.join();
        const std::string bytes = imageManifest(stored, {});
        up().addManifest("a", bytes, kManifestType, "latest");
        assertServed(get(manifest("a", "latest")), bytes);
    }

private:
    void startOnSmallDisk() {
        // It is the disk that says no, not the bound that the proxy would keep by itself.
        makeProxy({2, "cache_max_size = off\ncache_min_free = off\n", "", "",
                   TempRoot::Place::kMemory});
        const std::string directory = proxy().store().directory();
        std::filesystem::create_directories(directory);
        if (::mount("ociproxy-test", directory.c_str(), "tmpfs", 0, "size=2m,mode=0700") != 0) {
            skipTest("a tmpfs cannot be mounted");
        }
        mounted_ = directory;
        proxy().start();
    }

    // What is written to is a file system that cannot be written to. (The cache as a whole
    // cannot be remounted so: its lock is open for writing.)
    void cover() {
        for (const char* part : {"/tmp", "/repos"}) {
            CPPUNIT_ASSERT_EQUAL(0, ::mount("ociproxy-test", (mounted_ + part).c_str(), "tmpfs",
                                            MS_RDONLY, "size=2m,mode=0700"));
        }
    }
    void uncover() {
        for (const char* part : {"/tmp", "/repos"}) ::umount2((mounted_ + part).c_str(), MNT_DETACH);
    }

    std::string ballast() const { return mounted_ + "/ballast"; }
    void fillDisk() {
        const Fd file(::open(ballast().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        const std::string block(4096, 'x');
        while (::write(file.get(), block.data(), block.size()) > 0) continue;
    }
    void emptyDisk() { ::unlink(ballast().c_str()); }

    // The same trouble many times, and each of two workers may say so once.
    void expectOneLineAWorker() {
        const std::size_t lines = countOf(proxy().log(), "the cache fails");
        CPPUNIT_ASSERT(lines >= 1 && lines <= 2);
    }

    void expectSmallIsStored() {
        const std::string bytes = randomBytes(100 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
    }

    std::string mounted_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoreTroubleTest);

}  // namespace ociproxy::itest
