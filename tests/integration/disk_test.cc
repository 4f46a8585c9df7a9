// Trouble with the disk never costs a client its bytes, and passes with its cause.
#include <filesystem>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/mounts.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

class DiskTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DiskTest);
    OCIPROXY_INTEGRATION_TEST(hitsOutlastAReadOnlyDisk);
    OCIPROXY_INTEGRATION_TEST(foreignFilesAreLeftAlone);
    CPPUNIT_TEST_SUITE_END();

public:
    void tearDown() override {
        IntegrationTest::tearDown();  // the proxy ends before its disk
        disk_.reset();
        outer_.reset();
    }

    void hitsOutlastAReadOnlyDisk() {
        onMemory("size=64m");
        const std::string bytes = randomBytes(kMiB);
        const std::string target = add(bytes);
        assertServed(get(target), bytes);
        awaitStored(digestText(bytes));
        CPPUNIT_ASSERT(disk_->remount("ro"));
        for (int i = 0; i < 20; ++i) assertServed(get(target), bytes);
        CPPUNIT_ASSERT(disk_->remount("rw"));
        assertHeals();
    }

    void foreignFilesAreLeftAlone() {
        startProxy();
        assertHeals();
        const std::string shelf = fs::path(proxy().store().blobFiles().front()).parent_path();
        // No digest's names: the test for damage would otherwise take them for content.
        const std::vector<std::string> foreign = {
            proxy().store().directory() + "/meta/README", proxy().store().directory() + "/lost",
            proxy().store().directory() + "/repos/x"};
        for (const std::string& file : foreign) writeFile(file, "mine");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().start();
        assertHeals();
        for (const std::string& file : foreign) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(file, std::string("mine"), readFile(file));
        }
        CPPUNIT_ASSERT(exists(shelf));
    }

protected:
    // The cache on a tmpfs of its own.
    void onMemory(const std::string& options) {
        makeProxy({2, "", "", ""});
        disk_.emplace(Mount::memory(proxy().store().directory(), options));
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(proxy().store().directory().c_str(), 0700));
        proxy().start();
    }

    std::string add(const std::string& bytes) { return blob("a", up().addBlob("a", bytes)); }

    // A new blob is served, and stored, soon.
    void assertHeals() {
        await("something is stored", [this] {
            const std::string bytes = randomBytes(100 * kKiB);
            assertRightOrNone(get(add(bytes)), bytes);
            return eventually([&] { return proxy().store().has(digestText(bytes)); },
                              milliseconds(500));
        });
    }

    static void assertRightOrNone(const Response& response, const std::string& bytes) {
        if (response.complete() && response.status == 200) assertServed(response, bytes);
        else assertNotServed(response);
    }

    std::optional<Mount> outer_;
    std::optional<Mount> disk_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DiskTest);

}  // namespace ociproxy::itest
