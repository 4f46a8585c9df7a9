// What workers suffer while others are served: death again and again, crashes, a stop that
// passes, the end of the service.
#include <atomic>
#include <csignal>

#include "integration/metrics_page.h"
#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"
#include "support/runner.h"

namespace ociproxy::itest {

class WorkerFaultTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(WorkerFaultTest);
    OCIPROXY_INTEGRATION_TEST(onlyConnectionsOfTheKilledAreCut);
    OCIPROXY_INTEGRATION_TEST(crashesAreSurvivedAndCounted);
    OCIPROXY_INTEGRATION_TEST(stopThatPassesIsNoDeath);
    OCIPROXY_INTEGRATION_TEST(repliesOutlastAQuit);
    CPPUNIT_TEST_SUITE_END();

public:
    void onlyConnectionsOfTheKilledAreCut() {
        startProxy({3, "", "", ""});
        makeHit(256 * kKiB);
        std::atomic<bool> over{false};
        std::atomic<unsigned> served{0};
        std::atomic<unsigned> cut{0};
        Crowd crowd(kClients, [&](unsigned) {
            while (!over) cut += loadUntilCut(over, &served);
        });
        const unsigned kills = underSanitizer() ? 3 : 10;
        for (unsigned kill = 0; kill < kills; ++kill) {
            const unsigned before = served;
            crowd.await("requests go on", [&] { return served > before + kClients; });
            await("three workers", [&] { return proxy().workers().size() == 3; });
            ::kill(proxy().workers()[kill % 3], SIGKILL);
        }
        const unsigned before = served;
        crowd.await("requests go on", [&] { return served > before + kClients; });
        over = true;
        crowd.join();
        CPPUNIT_ASSERT_MESSAGE(cat(cut.load(), " connections were cut"), cut <= kClients * kills);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void crashesAreSurvivedAndCounted() {
        if (underSanitizer()) skipTest("a sanitizer reports crashes as its findings");
        startProxy({2, "admin_listen = 127.0.0.1:0\n", "", ""});
        const ExpositionPage before = scrape(proxy());
        Tally tally;
        for (int signal : {SIGSEGV, SIGBUS, SIGABRT}) {
            await("two workers", [&] { return proxy().workers().size() == 2; });
            const pid_t victim = proxy().workers()[0];
            ::kill(victim, signal);
            await("its end", [victim] { return isGone(victim); });
            tally.request("local", get("/v2/"));
        }
        tally.add("ociproxy_worker_deaths_total{cause=\"crashed\"}", 2);
        tally.add("ociproxy_worker_deaths_total{cause=\"aborted\"}");
        tally.add("ociproxy_worker_starts_total", 3);
        tally.awaitExactly(proxy(), before);
    }

    // Shorter than what counts as hung: the fill is its own still, and nobody fetches twice.
    void stopThatPassesIsNoDeath() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response first = startFollowing(&starter, kMiB);
        const pid_t stopped = proxy().workerOf(starter);
        const std::vector<pid_t> before = proxy().workers();
        TestClient follower = proxy().connectToOther(stopped);
        ::kill(stopped, SIGSTOP);
        Response second = startFollowing(&follower, kMiB);
        gate_->open();
        ::kill(stopped, SIGCONT);
        starter.finish(&first);
        follower.finish(&second);
        assertServed(first, bytes_);
        assertServed(second, bytes_);
        CPPUNIT_ASSERT(before == proxy().workers());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    // Of more than sockets hold, so that they have not been sent when it comes.
    void repliesOutlastAQuit() {
        startProxy();
        makeHit(32 * kMiB);
        std::atomic<unsigned> reading{0};
        Gate readOn;
        Crowd crowd(kClients, [&](unsigned) {
            TestClient client(proxy().port());
            client.forgetBodies();
            Response response = startFollowing(&client, kMiB);
            ++reading;
            readOn.pass();
            client.finish(&response);
            assertServedDigest(response, bytes_.size(), digest_);
        });
        crowd.await("all are reading", [&] { return reading == kClients; });
        ::kill(proxy().master(), SIGQUIT);
        await("it drains", [&] {
            return proxy().log().find("received SIGQUIT while running") != std::string::npos;
        });
        readOn.open();
        crowd.join();
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
    }

private:
    static constexpr unsigned kClients = 4;

    void makeHit(std::size_t size) {
        bytes_ = randomBytes(size);
        digest_ = up().addBlob("a", bytes_);
        target_ = blob("a", digest_);
        assertServed(get(target_), bytes_);
        awaitStored(digest_);
    }

    // Requests on one connection; 1 if it was cut in or before a reply, else 0. What is
    // whole must be right.
    unsigned loadUntilCut(const std::atomic<bool>& over, std::atomic<unsigned>* served) {
        TestClient client(proxy().port());
        while (!over) {
            client.send("GET", target_);
            const Response response = client.read();
            if (!response.complete()) {
                assertNotServed(response);
                return 1;
            }
            assertServed(response, bytes_);
            ++*served;
        }
        return 0;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WorkerFaultTest);

}  // namespace ociproxy::itest
