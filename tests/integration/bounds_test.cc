// The disk kept in bounds: with the real janitor, and a working set three times larger
// than the cache.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <sys/stat.h>
#include <thread>

#include "integration/integration_test.h"
#include "integration/metrics_page.h"

namespace ociproxy::itest {

namespace {

constexpr std::uint64_t kBound = 4 * kMiB;
constexpr std::size_t kBlob = 128 * kKiB;
constexpr unsigned kBlobs = 3 * kBound / kBlob;
constexpr unsigned kClients = 4;

// What files below a directory take; those that go meanwhile count or do not.
std::uint64_t bytesBelow(const std::string& directory) {
    std::uint64_t sum = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
        struct stat status = {};
        if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
        sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return sum;
}

}  // namespace

class BoundsTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(BoundsTest);
    OCIPROXY_INTEGRATION_TEST(aWorkingSetThreeTimesLargerStaysInBounds);
    OCIPROXY_INTEGRATION_TEST(aBlobLargerThanTheCacheIsServed);
    OCIPROXY_INTEGRATION_TEST(aPinnedImageSurvives);
    OCIPROXY_INTEGRATION_TEST(aClientThatReadsKeepsWhatIsEvicted);
    OCIPROXY_INTEGRATION_TEST(eightWorkersWithATinyCache);
    OCIPROXY_INTEGRATION_TEST(aReloadChangesTheBound);
    CPPUNIT_TEST_SUITE_END();

public:
    void aWorkingSetThreeTimesLargerStaysInBounds() {
        addWorkingSet();
        start(2, kBound);
        std::atomic<bool> over{false};
        std::uint64_t most = 0;
        std::thread watch([&] {
            while (!over) most = std::max(most, used());
        });
        try {
            for (unsigned i = 0; i < 3 * kBlobs; ++i) ask(i % kBlobs);
        } catch (...) {
            over = true;
            watch.join();
            throw;
        }
        over = true;
        watch.join();
        // What is downloaded and committed while the janitor evicts comes on top.
        CPPUNIT_ASSERT_MESSAGE(cat("used ", most), most <= kBound + kBound / 2);
        CPPUNIT_ASSERT_MESSAGE(cat("used ", most), most > kBound / 2);
        settle(kBound);
        const ExpositionPage page = scrape(proxy());
        CPPUNIT_ASSERT_EQUAL(double(kBound), page.at("ociproxy_cache_limit_bytes"));
        CPPUNIT_ASSERT(page.at("ociproxy_evicted_files_total") >= kBlobs / 2);
        CPPUNIT_ASSERT(page.at("ociproxy_evicted_bytes_total") >= kBlobs / 2 * kBlob);
    }

    void aBlobLargerThanTheCacheIsServed() {
        const std::string bytes = randomBytes(kBound + kBound / 2);
        const std::string digest = up().addBlob("a", bytes);
        start(2, kBound);
        for (int i = 0; i < 2; ++i) assertServed(get(blob("a", digest)), bytes);
        settle(kBound);
    }

    void aPinnedImageSurvives() {
        const std::string layer = randomBytes(kBlob);
        const std::string config = randomBytes(100);
        const std::string image = imageManifest(config, {layer});
        up().addBlob("p", config);
        up().addBlob("p", layer);
        const std::string digest = up().addManifest("p", image, kManifestType, "3.19");
        addWorkingSet();
        start(2, kBound, "pin = up.test/p:3.*\n");
        assertServed(get(manifest("p", "3.19")), image);
        for (const std::string& bytes : {config, layer}) {
            assertServed(get(blob("p", digestText(bytes))), bytes);
            awaitStored(digestText(bytes));
        }
        request(2 * kBlobs);
        settle(kBound);
        up().stop();
        assertServed(get(manifest("p", digest)), image);
        assertServed(get(blob("p", digestText(config))), config);
        assertServed(get(blob("p", digestText(layer))), layer);
        CPPUNIT_ASSERT(eventually([this] {
            return scrape(proxy()).at("ociproxy_evicted_files_total") >= kBlobs / 2;
        }));
    }

    void aClientThatReadsKeepsWhatIsEvicted() {
        const std::string bytes = randomBytes(3 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        addWorkingSet();
        start(2, kBound);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        TestClient client(proxy().port());
        client.send("GET", blob("a", digest));
        Response response = client.readHead();
        client.readBody(&response, 1);
        request(2 * kBlobs);
        await("the eviction of what is read", [&] { return !proxy().store().has(digest); });
        client.finish(&response);
        assertServed(response, bytes);
    }

    void eightWorkersWithATinyCache() {
        addWorkingSet();
        start(8, kMiB);
        Crowd crowd(8, [this](unsigned index) {
            for (unsigned i = 0; i < kBlobs; ++i) ask((i * 7 + index * 5) % kBlobs);
        });
        crowd.join();
        settle(kMiB);
    }

    void aReloadChangesTheBound() {
        addWorkingSet();
        start(2, 16 * kMiB);
        request(kBlobs);
        CPPUNIT_ASSERT(used() > kBound);
        configure(2, kBound, "");
        proxy().reload();
        settle(kBound);
        for (unsigned i = 0; i < kBlobs; ++i) ask(i);
        settle(kBound);
    }

private:
    void configure(unsigned workers, std::uint64_t bound, const std::string& more) {
        proxy().configure(cat("workers = ", workers, "\nlog_level = debug\n",
                              "admin_listen = 127.0.0.1:0\ncache_max_size = ", bound,
                              "\ncache_min_free = off\n", more,
                              upstreamSection("up.test", up().url(), "aliases = up\n")));
    }

    void start(unsigned workers, std::uint64_t bound, const std::string& more = {}) {
        makeProxy({workers, "", "", ""});
        configure(workers, bound, more);
        proxy().start();
    }

    void addWorkingSet() {
        for (unsigned i = 0; i < kBlobs; ++i) {
            bytes_.push_back(randomBytes(kBlob));
            digests_.push_back(up().addBlob("a", bytes_.back()));
        }
    }

    void ask(unsigned index) { assertServed(get(blob("a", digests_[index])), bytes_[index]); }

    // So many requests of some clients that walk through the working set.
    void request(unsigned count) {
        Crowd crowd(kClients, [this, count](unsigned client) {
            for (unsigned i = client; i < count; i += kClients) ask(i % kBlobs);
        });
        crowd.join();
    }

    std::uint64_t used() const {
        const std::string& directory = proxy_().store().directory();
        return bytesBelow(directory + "/blobs") + bytesBelow(directory + "/tmp");
    }

    void settle(std::uint64_t bound) {
        await("a cache within its bound", [&] { return used() <= bound; });
    }

    ProxyProcess& proxy_() const { return const_cast<BoundsTest*>(this)->proxy(); }

    std::vector<std::string> bytes_;
    std::vector<std::string> digests_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(BoundsTest);

}  // namespace ociproxy::itest
