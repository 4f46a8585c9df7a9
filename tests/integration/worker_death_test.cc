// Processes that die: clients of other workers do not notice,
// dead workers come back, and the store stays whole.
#include <atomic>
#include <csignal>
#include <mutex>

#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"

namespace ociproxy::itest {

class WorkerDeathTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(WorkerDeathTest);
    OCIPROXY_INTEGRATION_TEST(fillerDiesWhileOthersStream);
    OCIPROXY_INTEGRATION_TEST(fillerDiesWhileOthersWait);
    OCIPROXY_INTEGRATION_TEST(fillerDiesBeforeItsFirstByte);
    OCIPROXY_INTEGRATION_TEST(followersWorkerDies);
    OCIPROXY_INTEGRATION_TEST(case56_onlyWorkerDiesInMidFill);
    OCIPROXY_INTEGRATION_TEST(case56_allDieInMidFill);
    OCIPROXY_INTEGRATION_TEST(deadWorkersAreReplaced);
    OCIPROXY_INTEGRATION_TEST(deadJanitorIsReplaced);
    OCIPROXY_INTEGRATION_TEST(nothingOutlivesTheMaster);
    OCIPROXY_INTEGRATION_TEST(processesHaveTitles);
    OCIPROXY_INTEGRATION_TEST(termEndsInMidFill);
    OCIPROXY_INTEGRATION_TEST(secondInstanceOnTheSameCacheIsRefused);
    CPPUNIT_TEST_SUITE_END();

public:
    void fillerDiesWhileOthersStream() {
        startProxy({4, "follow_after = 0s\n", "", ""});
        prepareOnce();
        killFillerUnder(63, true);
    }

    void fillerDiesWhileOthersWait() {
        startProxy({4, "follow_after = never\n", "", ""});
        prepareOnce();
        killFillerUnder(63, false);
    }

    void fillerDiesBeforeItsFirstByte() {
        startProxy({4, "", "", ""});
        bytes_ = randomBytes(kMiB);
        digest_ = up().addBlob("a", bytes_);
        target_ = blob("a", digest_);
        gate_ = std::make_shared<Gate>();
        Behaviour stop;
        stop.times = 1;
        stop.beforeHead = gate_;
        up().behave(blobPath("a", digest_), stop);
        TestClient starter(proxy().port());
        starter.send("GET", target_);
        gate_->awaitArrivals(1);
        const pid_t filler = proxy().workerOf(starter);
        TestClient waiter = proxy().connectToOther(filler);
        waiter.send("GET", target_);
        killWorker(filler);
        assertServed(waiter.read(), bytes_);
        CPPUNIT_ASSERT(up().blobGets() <= 2);
        gate_->open();
    }

    void followersWorkerDies() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepareOnce();
        TestClient starter(proxy().port());
        Response whole = startFollowing(&starter, kMiB);
        const pid_t filler = proxy().workerOf(starter);
        TestClient follower = proxy().connectToOther(filler);
        Response cut = startFollowing(&follower, kMiB);
        killWorker(proxy().workerOf(follower));
        follower.finish(&cut);
        assertNotServed(cut);
        gate_->open();
        starter.finish(&whole);
        assertServed(whole, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void case56_onlyWorkerDiesInMidFill() {
        startProxy({1, "", "", ""});
        prepareOnce();
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        killWorker(proxy().workerOf(starter));
        starter.finish(&response);
        assertNotServed(response);
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        gate_->open();
        assertServed(get(target_), bytes_);
        CPPUNIT_ASSERT(up().blobGets() <= 2);
    }

    void case56_allDieInMidFill() {
        startProxy();
        prepareOnce();
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().killAll();
        starter.finish(&response);
        assertNotServed(response);
        CPPUNIT_ASSERT(!proxy().store().has(digest_));
        CPPUNIT_ASSERT(proxy().store().damaged().empty());
        gate_->open();
        proxy().start();
        assertServed(get(target_), bytes_);
        awaitNoTempFiles();  // the janitor reaps what the dead have left
    }

    void deadWorkersAreReplaced() {
        startProxy({3, "", "", ""});
        for (int round = 0; round < 3; ++round) {
            const std::vector<pid_t> before = awaitWorkers(3);
            killWorker(before[static_cast<std::size_t>(round)]);
            const std::vector<pid_t> after = awaitWorkers(3);
            CPPUNIT_ASSERT(after != before);
        }
        for (int i = 0; i < 12; ++i) assertServed(get("/v2/"), "{}");
    }

    void deadJanitorIsReplaced() {
        startProxy({1, "", "", ""});
        const pid_t before = awaitOne("ociproxy: janitor");
        ::kill(before, SIGKILL);
        await("another janitor", [&] {
            const std::vector<pid_t> now = proxy().children("ociproxy: janitor");
            return now.size() == 1 && now[0] != before;
        });
        assertServed(get("/v2/"), "{}");
    }

    void nothingOutlivesTheMaster() {
        startProxy({3, "", "", ""});
        prepareOnce();
        TestClient starter(proxy().port());
        startFollowing(&starter, kMiB);
        const std::vector<pid_t> children = childrenOf(proxy().master());
        CPPUNIT_ASSERT(children.size() >= 4);
        proxy().killMaster();
        for (pid_t child : children) {
            await(cat(titleOf(child), " ends"), [child] { return isGone(child); });
        }
        gate_->open();
        proxy().start();
        assertServed(get(target_), bytes_);
    }

    void processesHaveTitles() {
        startProxy({2, "", "", ""});
        CPPUNIT_ASSERT(startsWith(titleOf(proxy().master()), "ociproxy: master"));
        awaitOne("ociproxy: worker 0");
        awaitOne("ociproxy: worker 1");
        awaitOne("ociproxy: janitor");
    }

    void termEndsInMidFill() {
        expectLeftOvers();
        startProxy();
        prepareOnce();
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        starter.finish(&response);
        assertNotServed(response);
        gate_->open();
        proxy().start();
        assertServed(get(target_), bytes_);
    }

    void secondInstanceOnTheSameCacheIsRefused() {
        startProxy();
        const Finished second = runProxy({"-c", proxy().configurationFile()});
        CPPUNIT_ASSERT(second.status != 0 && second.status < 128);
        assertContains(second.err, proxy().store().directory());
        assertServed(get("/v2/"), "{}");
    }

private:
    // The first download stops, a second one does not.
    void prepareOnce() { prepare({kLarge, kStopAt, 1, {}}); }

    // Clients of all workers ask for one blob, the worker that fetches it is killed in
    // mid-body. `streaming`: they have got bytes by then.
    void killFillerUnder(unsigned count, bool streaming) {
        TestClient starter(proxy().port());
        Response first = startFollowing(&starter, kMiB);
        const pid_t filler = proxy().workerOf(starter);
        std::atomic<unsigned> ready{0};
        std::atomic<unsigned> served{0};
        std::mutex connecting;
        Crowd crowd(count, [&](unsigned) {
            TestClient client = connectInTurn(&connecting, filler);
            client.forgetBodies();
            client.send("GET", target_);
            Response response;
            if (streaming) {
                response = client.readHead();
                client.readBody(&response, kMiB);
                ++ready;
            } else {
                ++ready;
                response = client.readHead();
            }
            client.finish(&response);
            if (response.complete()) {
                assertServedDigest(response, kLarge, digest_);
                ++served;
            } else {
                assertNotServed(response);
            }
        });
        crowd.await("all clients are there", [&] { return ready == count; });
        if (!streaming) {
            crowd.await("all requests are read",
                        [&] { return connectionsRead(proxy().port()) >= count + 1; });
        }
        killWorker(filler);
        starter.finish(&first);
        assertNotServed(first);
        crowd.join();
        gate_->open();
        CPPUNIT_ASSERT_MESSAGE(cat(up().blobGets(), " fetches"), up().blobGets() <= 2);
        // The file of a dead process is gone on with: nobody's bytes were thrown away.
        CPPUNIT_ASSERT_EQUAL(count, served.load());
        assertServed(get(target_), bytes_);
    }

    // One after the other: each looks through all sockets of the machine for its owner.
    // And each is used at once: who says nothing for ten seconds is hung up on.
    TestClient connectInTurn(std::mutex* connecting, pid_t other) {
        const std::lock_guard<std::mutex> lock(*connecting);
        return proxy().connectToOther(other);
    }

    void killWorker(pid_t worker) {
        ::kill(worker, SIGKILL);
        await("the worker is gone", [worker] { return isGone(worker); });
    }

    std::vector<pid_t> awaitWorkers(std::size_t count) {
        await(cat(count, " workers"), [&] { return proxy().workers().size() == count; });
        return proxy().workers();
    }

    pid_t awaitOne(const std::string& title) {
        await(title, [&] { return proxy().children(title).size() == 1; });
        return proxy().children(title)[0];
    }

};

CPPUNIT_TEST_SUITE_REGISTRATION(WorkerDeathTest);

}  // namespace ociproxy::itest
