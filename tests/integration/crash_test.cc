// kill -9 of all processes during fills, at random moments and at random bytes: every file
// under blobs/ hashes to its name and the next start serves. OCIPROXY_CRASH_ROUNDS rounds in all.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <thread>

#include "integration/integration_test.h"
#include "ociproxy/base/digest.h"

namespace ociproxy::itest {

namespace {

constexpr unsigned kTests = 4;  // so that no single test runs into the watchdog

unsigned roundsOfOneTest() {
    const char* text = std::getenv("OCIPROXY_CRASH_ROUNDS");
    const int wanted = text != nullptr ? std::atoi(text) : 0;
    const unsigned rounds =
        wanted > 0 ? static_cast<unsigned>(wanted) : (underSanitizer() ? 30 : 200);
    return (rounds + kTests - 1) / kTests;
}

using Micros = std::chrono::microseconds;
constexpr Micros kShortestWindow{500};
// Of so many rounds one is certain to cut a fill; the others are at random moments.
constexpr unsigned kStoppedEvery = 4;

}  // namespace

class CrashTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(CrashTest);
    OCIPROXY_INTEGRATION_TEST(killedDuringSmallFills);
    OCIPROXY_INTEGRATION_TEST(killedDuringFillsAroundTheHoldBack);
    OCIPROXY_INTEGRATION_TEST(killedDuringLargeFills);
    OCIPROXY_INTEGRATION_TEST(killedDuringManifestsAndBlobs);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        // Printed, so that a failure can be tried again with the same moments.
        const std::uint32_t seed = static_cast<std::uint32_t>(random64());
        std::cout << "crash seed " << seed << std::endl;
        random_.seed(seed);
    }

    void killedDuringSmallFills() { runRounds({1000, 20 * kKiB, 60 * kKiB}, false); }

    void killedDuringFillsAroundTheHoldBack() {
        runRounds({kHoldBack - 1, kHoldBack, kHoldBack + 1}, false);
    }

    void killedDuringLargeFills() { runRounds({kMiB, 700 * kKiB}, false); }

    void killedDuringManifestsAndBlobs() { runRounds({1000, 100 * kKiB}, true); }

private:
    struct Item {
        std::string target;
        std::string bytes;
        std::string digest;
    };

    void runRounds(const std::vector<std::size_t>& sizes, bool manifests) {
        startProxy({2, "", "", "", TempRoot::Place::kDisk});
        measure(sizes, manifests);
        for (unsigned round = 0; round < roundsOfOneTest(); ++round) {
            const std::vector<Item> items = makeItems(sizes, manifests);
            if (round % kStoppedEvery == 0) {
                killWhileStopped(items, items[random_() % sizes.size()]);
            } else {
                adapt(killAtSomeMoment(items));
            }
            CPPUNIT_ASSERT_MESSAGE("damaged files after a crash",
                                   proxy().store().damaged().empty());
            up().forgetRequests();
            proxy().start();
            const Item& any = items[random_() % items.size()];
            assertServed(get(any.target), any.bytes);
        }
    }

    std::vector<Item> makeItems(const std::vector<std::size_t>& sizes, bool manifests) {
        std::vector<Item> items;
        for (std::size_t size : sizes) {
            Item item;
            item.bytes = randomBytes(size);
            item.digest = up().addBlob("a", item.bytes);
            item.target = blob("a", item.digest);
            items.push_back(item);
        }
        if (manifests) {
            Item item;
            item.bytes = imageManifest(randomBytes(100), {items.front().bytes});
            item.digest = up().addManifest("a", item.bytes, kManifestType, "latest");
            item.target = manifest("a", "latest");
            items.push_back(item);
        }
        return items;
    }

    // How long an undisturbed round takes: the range of moments to kill at, to begin with.
    void measure(const std::vector<std::size_t>& sizes, bool manifests) {
        const std::vector<Item> items = makeItems(sizes, manifests);
        const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
        for (const Item& item : items) assertServed(get(item.target), item.bytes);
        window_ = std::max(kShortestWindow, std::chrono::duration_cast<Micros>(
                                                std::chrono::steady_clock::now() - begin));
    }

    // Towards a range of which about half lies within the fills, however fast they are
    // just now.
    void adapt(bool tooLate) {
        window_ = tooLate ? window_ * 2 / 3 : window_ * 3 / 2;
        window_ = std::max(window_, kShortestWindow);
    }

    // However fast the machine is, this fill is cut: its upstream stops at some byte and
    // goes on when all processes are dead.
    void killWhileStopped(const std::vector<Item>& items, const Item& stopped) {
        const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
        Behaviour stop;
        stop.inBody = gate;
        stop.gateAt = random_() % stopped.bytes.size();
        const std::string path = blobPath("a", stopped.digest);
        up().behave(path, stop);
        const bool allServed = killWhen(items, [&] { gate->awaitArrivals(1); });
        gate->open();
        up().behaveWell(path);
        CPPUNIT_ASSERT_MESSAGE(cat("stopped at byte ", stop.gateAt, " and served"), !allServed);
        CPPUNIT_ASSERT(!proxy().store().has(stopped.digest));
    }

    // Anywhere, also within a commit. True if it was too late.
    bool killAtSomeMoment(const std::vector<Item>& items) {
        return killWhen(items, [this] {
            std::this_thread::sleep_for(
                Micros(static_cast<Micros::rep>(random_()) % window_.count()));
        });
    }

    // True if all clients were served before the end. They read all the time: what waits
    // in a socket would hide how far the fills are.
    bool killWhen(const std::vector<Item>& items, const std::function<void()>& moment) {
        std::atomic<std::size_t> sent{0};
        std::atomic<std::size_t> served{0};
        Crowd crowd(static_cast<unsigned>(items.size()), [&](unsigned i) {
            TestClient client(proxy().port());
            client.send("GET", items[i].target);
            ++sent;
            const Response response = client.read();
            if (response.complete() && response.status == 200) {
                CPPUNIT_ASSERT(response.body == items[i].bytes);
                ++served;
            } else {
                assertNotServed(response);
            }
        });
        await("all requests are sent", [&] { return sent == items.size(); });
        moment();
        proxy().killAll();
        crowd.join();
        return served == items.size();
    }

    std::mt19937 random_;
    Micros window_ = kShortestWindow;
};

CPPUNIT_TEST_SUITE_REGISTRATION(CrashTest);

}  // namespace ociproxy::itest
