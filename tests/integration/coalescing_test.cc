// One upstream download for many clients in many workers, and what each of them gets.
#include <atomic>
#include <map>

#include "integration/stopped_fill_test.h"

namespace ociproxy::itest {

namespace {

constexpr unsigned kClients = 64;

}  // namespace

class CoalescingTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(CoalescingTest);
    OCIPROXY_INTEGRATION_TEST(case39_fiftyParallelGetsAreOneFetch);
    OCIPROXY_INTEGRATION_TEST(clientsFollowAtOnce);
    OCIPROXY_INTEGRATION_TEST(clientsFollowByDefault);
    OCIPROXY_INTEGRATION_TEST(clientsNeverFollow);
    OCIPROXY_INTEGRATION_TEST(connectionsSpreadOverWorkers);
    OCIPROXY_INTEGRATION_TEST(wrongDigestWithFollowers);
    OCIPROXY_INTEGRATION_TEST(wrongDigestOfASmallBodyIs502ForAll);
    OCIPROXY_INTEGRATION_TEST(hitsAreServedWhileFillsHang);
    OCIPROXY_INTEGRATION_TEST(manifestsAreFetchedOnceToo);
    CPPUNIT_TEST_SUITE_END();

public:
    void case39_fiftyParallelGetsAreOneFetch() {
        startProxy({4, "", "", ""});
        prepare({100 * kKiB, 50 * kKiB, -1, {}});
        std::atomic<unsigned> sent{0};
        std::atomic<unsigned> collapsed{0};
        std::atomic<unsigned> hits{0};
        Crowd crowd(50, [&](unsigned) {
            TestClient client(proxy().port());
            client.send("GET", target_);
            ++sent;
            const Response response = client.read();
            assertServed(response, bytes_);
            const std::string status = response.header("Cache-Status");
            if (status.find("collapsed") != std::string::npos) ++collapsed;
            if (status.find("hit") != std::string::npos) ++hits;
        });
        await("50 requests are sent", [&] { return sent == 50; });
        awaitRequests(50);
        gate_->open();
        crowd.join();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
        // A request that was handed over may be looked at after the end of the fill.
        CPPUNIT_ASSERT_EQUAL(49u, collapsed + hits);
        CPPUNIT_ASSERT(collapsed > hits);
    }

    void clientsFollowAtOnce() { assertAllServed("follow_after = 0s\n", kClients); }

    void clientsFollowByDefault() { assertAllServed("", kClients); }

    // Only the client that started the fill streams; for the others no header comes
    // before the commit.
    void clientsNeverFollow() { assertAllServed("follow_after = never\n", 1); }

    void connectionsSpreadOverWorkers() {
        startProxy({4, "", "", ""});
        std::vector<TestClient> clients;
        std::map<pid_t, unsigned> share;
        for (unsigned i = 0; i < kClients; ++i) {
            clients.emplace_back(proxy().port());
            ++share[proxy().workerOf(clients.back())];
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, share.size());
        for (const std::pair<const pid_t, unsigned>& worker : share) {
            CPPUNIT_ASSERT_MESSAGE(cat(worker.second, " of ", kClients),
                                   worker.second >= 6 && worker.second <= 32);
        }
    }

    void wrongDigestWithFollowers() {
        for (const char* followAfter : {"follow_after = 0s\n", "follow_after = never\n"}) {
            startProxy({2, followAfter, "", ""});
            prepare({kMiB, kMiB / 2, -1, kMiB - 1});
            Crowd crowd(16, [&](unsigned) { assertNotServed(get(target_)); });
            awaitRequests(16);
            gate_->open();
            crowd.join();
            CPPUNIT_ASSERT(!proxy().store().has(digest_));
            CPPUNIT_ASSERT_MESSAGE(cat(up().blobGets(digest_), " fetches"),
                                   up().blobGets(digest_) <= 4);
            awaitNoTempFiles();
        }
    }

    void wrongDigestOfASmallBodyIs502ForAll() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({kHoldBack, kHoldBack / 2, -1, 7});
        Crowd crowd(16, [&](unsigned) { assertError(get(target_), 502, "UNAVAILABLE"); });
        awaitRequests(16);
        gate_->open();
        crowd.join();
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
    }

    void hitsAreServedWhileFillsHang() {
        startProxy({1, "", "", ""});
        const std::string cached = randomBytes(5000);
        const std::string hit = blob("a", up().addBlob("a", cached));
        assertServed(get(hit), cached);
        prepare({});
        std::vector<TestClient> waiting;
        for (int i = 0; i < 100; ++i) {
            waiting.emplace_back(proxy().port());
            waiting.back().send("GET", target_);
        }
        gate_->awaitArrivals(1);
        for (int i = 0; i < 20; ++i) assertServed(get(hit), cached);
        gate_->open();
        awaitStored(digest_);
    }

    void manifestsAreFetchedOnceToo() {
        startProxy({4, "", "", ""});
        const std::string manifestBytes = imageManifest("config", {"layer"});
        const std::string digest =
            up().addManifest("a", manifestBytes, kManifestType, "latest");
        Behaviour stop;
        stop.method = "GET";
        stop.beforeHead = gate_ = std::make_shared<Gate>();
        up().behave(manifestPath("a", digest), stop);
        Crowd crowd(32, [&](unsigned index) {
            const Response response = get(manifest("a", index % 2 == 0 ? digest : "latest"));
            assertServed(response, manifestBytes);
        });
        awaitRequests(32);
        gate_->open();
        crowd.join();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", manifestPath("a", digest)));
    }

private:
    // Many clients in four workers while the upstream stops: `heads` of them get a
    // head before it goes on, and all of them the right bytes of one download.
    void assertAllServed(const std::string& followAfter, unsigned heads) {
        startProxy({4, followAfter, "", ""});
        prepare({});
        std::atomic<unsigned> headsSeen{0};
        Crowd crowd(kClients, [&](unsigned) {
            TestClient client(proxy().port());
            client.forgetBodies();
            client.send("GET", target_);
            Response response = client.readHead();
            ++headsSeen;
            client.finish(&response);
            assertServedDigest(response, kLarge, digest_);
        });
        awaitRequests(kClients);
        await(cat(heads, " heads"), [&] { return headsSeen >= heads; });
        const bool more = eventually([&] { return headsSeen > heads; }, kSilence);
        gate_->open();
        crowd.join();
        CPPUNIT_ASSERT_MESSAGE("heads before the commit", !more);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
        awaitStored(digest_);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CoalescingTest);

}  // namespace ociproxy::itest
