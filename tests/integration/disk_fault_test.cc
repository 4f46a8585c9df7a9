// Disks that are full, broken or gone, and content that somebody has changed: every request
// is answered with the right bytes all the same, from the upstream if need be.
#include <filesystem>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/mounts.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

class DiskFaultTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DiskFaultTest);
    OCIPROXY_INTEGRATION_TEST(aFullDiskCostsNobodyAnything);      // pass-through
    OCIPROXY_INTEGRATION_TEST(aReadOnlyDiskCostsNobodyAnything);  // pass-through
    OCIPROXY_INTEGRATION_TEST(anErrorOfFsyncCostsNobodyAnything);
    OCIPROXY_INTEGRATION_TEST(aCacheMayBeRemovedWhileItServes);   // pass-through
    OCIPROXY_INTEGRATION_TEST(whatIsPlantedIsReplaced);           // quarantine
    OCIPROXY_INTEGRATION_TEST(aDiskThatCannotBeReadIsNotNeeded);  // quarantine, pass-through
    CPPUNIT_TEST_SUITE_END();

public:
    void tearDown() override {
        IntegrationTest::tearDown();  // the proxy ends before its disk
        disk_.reset();
        outer_.reset();
    }

    void aFullDiskCostsNobodyAnything() {
        onMemory("size=2m");
        for (std::size_t size : {3 * kMiB, 100 * kKiB, 5 * kMiB}) assertCrowdServed(size);
        for (int i = 0; i < 30; ++i) assertCrowdServed(128 * kKiB);
        CPPUNIT_ASSERT(disk_->remount("size=64m"));
        assertHeals();
    }

    void aReadOnlyDiskCostsNobodyAnything() {
        onMemory("size=64m");
        const std::string hit = randomBytes(kMiB);
        const std::string target = add(hit);
        assertServed(get(target), hit);
        awaitStored(digestText(hit));
        CPPUNIT_ASSERT(disk_->remount("ro"));
        for (int i = 0; i < 5; ++i) {
            assertServed(get(target), hit);
            assertCrowdServed(kMiB);
        }
        CPPUNIT_ASSERT(disk_->remount("rw"));
        assertHeals();
    }

    // The image promises more than the tmpfs below it has: writes succeed, and fsync tells.
    void anErrorOfFsyncCostsNobodyAnything() {
        onImage("size=12m", "64m");
        for (int i = 0; i < 12; ++i) assertCrowdServed(3 * kMiB);
    }

    void aCacheMayBeRemovedWhileItServes() {
        startProxy();
        const std::string before = randomBytes(kMiB);
        const std::string target = add(before);
        assertServed(get(target), before);
        awaitStored(digestText(before));
        for (const fs::directory_entry& entry :
             fs::directory_iterator(proxy().store().directory())) {
            fs::remove_all(entry.path());
        }
        assertServed(get(target), before);
        for (int i = 0; i < 3; ++i) assertCrowdServed(kMiB);
        assertHeals();
    }

    void whatIsPlantedIsReplaced() {
        startProxy();
        const std::string elsewhere = proxy().root().file("elsewhere");
        using Plant = std::function<void(const std::string&)>;
        const std::vector<std::pair<std::string, Plant>> plants = {
            {"link", [&](const std::string& path) { fs::create_symlink(elsewhere, path); }},
            {"fifo", [](const std::string& path) { ::mkfifo(path.c_str(), 0600); }},
            {"short", [](const std::string& path) { writeFile(path, "x"); }},
            {"long", [](const std::string& path) { writeFile(path, std::string(kMiB, 'x')); }},
            {"empty", [](const std::string& path) { writeFile(path, ""); }},
        };
        for (const auto& [name, plant] : plants) assertReplaced(elsewhere, plant);
        CPPUNIT_ASSERT_EQUAL(std::string("secret"), readFile(elsewhere));
    }

    // Whatever was stored: behind it, there is nothing any more.
    void aDiskThatCannotBeReadIsNotNeeded() {
        onImage("size=64m", "48m");
        const std::string bytes = randomBytes(2 * kMiB);
        const std::string target = add(bytes);
        assertServed(get(target), bytes);
        awaitStored(digestText(bytes));
        ::sync();
        CPPUNIT_ASSERT_EQUAL(0, ::truncate(image_.c_str(), 1 * kMiB));
        writeFile("/proc/sys/vm/drop_caches", "3");
        for (int i = 0; i < 3; ++i) {
            const Response response = get(target);
            if (!response.complete()) assertNotServed(response);  // it had begun
            else assertServed(response, bytes);
        }
        assertServed(get(target), bytes);
    }

private:
    void onMemory(const std::string& options) {
        makeProxy({2, "", "", ""});
        disk_.emplace(Mount::memory(proxy().store().directory(), options));
        startOnDisk();
    }

    void onImage(const std::string& outer, const std::string& size) {
        expectLeftOvers();  // a disk that fails keeps what it has
        makeProxy({2, "", "", ""});
        const std::string below = proxy().root().file("below");
        outer_.emplace(Mount::memory(below, outer));
        image_ = below + "/image";
        disk_.emplace(Mount::image(proxy().store().directory(), image_, size));
        fs::remove(proxy().store().directory() + "/lost+found");
        startOnDisk();
    }

    void startOnDisk() {
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(proxy().store().directory().c_str(), 0700));
        proxy().start();
    }

    std::string add(const std::string& bytes) { return blob("a", up().addBlob("a", bytes)); }

    // A new blob, for four at once.
    void assertCrowdServed(std::size_t size) {
        const std::string bytes = randomBytes(size);
        const std::string target = add(bytes);
        Crowd crowd(4, [&](unsigned) { assertServed(get(target), bytes); });
        crowd.join();
    }

    void assertReplaced(const std::string& elsewhere,
                        const std::function<void(const std::string&)>& plant) {
        writeFile(elsewhere, "secret");
        const std::string bytes = randomBytes(300 * kKiB);
        const std::string target = add(bytes);
        assertServed(get(target), bytes);
        awaitStored(digestText(bytes));
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());  // no descriptor is left of it
        const std::string path = proxy().store().blobPath(digestText(bytes));
        fs::remove(path);
        plant(path);
        proxy().start();
        assertServed(get(target), bytes);
        awaitStored(digestText(bytes));
        assertServed(get(target), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets(digestText(bytes)));
    }

    void assertHeals() {
        await("something is stored", [this] {
            const std::string bytes = randomBytes(100 * kKiB);
            assertServed(get(add(bytes)), bytes);
            return eventually([&] { return proxy().store().has(digestText(bytes)); },
                              milliseconds(500));
        });
    }

    std::string image_;
    std::optional<Mount> outer_;
    std::optional<Mount> disk_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DiskFaultTest);

}  // namespace ociproxy::itest
