// Every fsync of a worker takes a minute, by strace: clients do not wait for it.
#include <string>

#include "integration/integration_test.h"
#include "integration/tampering.h"

namespace ociproxy::itest {

namespace {

// Longer than anything here may take.
const char* const kSlow = "inject=fsync,fdatasync:delay_enter=60000000";

class SlowDiskTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(SlowDiskTest);
    OCIPROXY_INTEGRATION_TEST(lastBytesWaitForTheDigestAlone);
    CPPUNIT_TEST_SUITE_END();

public:
    void lastBytesWaitForTheDigestAlone() {
        ProxySetup setup;
        setup.workers = 1;
        startProxy(setup);
        const std::string cached = randomBytes(100 * kKiB);
        const std::string before = up().addBlob("library/old", cached);
        assertServed(get(blob("library/old", before)), cached);
        awaitStored(before);

        Tampering slow(proxy().workers().at(0),
                       {"-f", "-e", "trace=fsync,fdatasync", "-e", kSlow});
        // In a repository that is new to the cache, and one that is not.
        for (const char* repository : {"library/new", "library/old"}) {
            const std::string content = randomBytes(3 * kMiB);
            const std::string digest = up().addBlob(repository, content);
            assertServed(get(blob(repository, digest)), content);
            CPPUNIT_ASSERT(!proxy().store().has(digest));
            // Nor does anybody else, whether the bytes are stored or still to be.
            assertServed(get(blob(repository, digest)), content);
            assertServed(get(blob("library/old", before)), cached);
        }
        await("two commits that wait", [&] { return slow.calls().size() >= 2; });
        slow.end();
        await("both are stored", [&] { return proxy().store().blobFiles().size() == 3; });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SlowDiskTest);

}  // namespace
}  // namespace ociproxy::itest
