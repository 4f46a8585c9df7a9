// The master under fire: it is killed, its workers die and hang, and somebody is served
// all the time.
#include <atomic>
#include <csignal>
#include <optional>

#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"
#include "ociproxy/base/error.h"

namespace ociproxy::itest {

class SupervisionTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(SupervisionTest);
    OCIPROXY_INTEGRATION_TEST(killedMastersUnderLoad);
    OCIPROXY_INTEGRATION_TEST(crashLoopKeepsTheOthersServing);
    OCIPROXY_INTEGRATION_TEST(hungWorkerIsReplaced);
    OCIPROXY_INTEGRATION_TEST(stoppedWorkerGoesOn);
    OCIPROXY_INTEGRATION_TEST(quitEndsWhatHasBegun);
    OCIPROXY_INTEGRATION_TEST(secondTermEndsAtOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    // No orphan, no waiting for the next start, nothing damaged.
    void killedMastersUnderLoad() {
        startProxy();
        const std::string bytes = randomBytes(64 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        const unsigned rounds = underSanitizer() ? 5 : 20;
        for (unsigned round = 0; round < rounds; ++round) {
            std::atomic<unsigned> served{0};
            Crowd crowd(4, [&](unsigned) { loadUntilCut(blob("a", digest), bytes, &served); });
            crowd.await("load", [&] { return served >= 8; });
            const std::vector<pid_t> children = childrenOf(proxy().master());
            proxy().killMaster();
            for (pid_t child : children) {
                await(cat(titleOf(child), " ends"), [child] { return isGone(child); });
            }
            crowd.join();
            proxy().start();
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void crashLoopKeepsTheOthersServing() {
        startProxy();
        await("two workers", [&] { return proxy().workers().size() == 2; });
        TestClient kept = proxy().connectToOther(proxy().children("ociproxy: worker 0").at(0));
        for (int death = 0; death < 5; ++death) {
            pid_t victim = 0;
            await("worker 0", [&] {
                const std::vector<pid_t> found = proxy().children("ociproxy: worker 0");
                if (!found.empty()) victim = found[0];
                return victim != 0;
            });
            // A sanitizer would report SEGV as its finding.
            ::kill(victim, underSanitizer() ? SIGKILL : SIGSEGV);
            await("its end", [victim] { return isGone(victim); });
            assertServed(get("/v2/"), "{}");
            assertServed(kept.get("/v2/"), "{}");  // which the other worker has
        }
        // The fifth short life in a row.
        await("a pause", [&] {
            return proxy().log().find("started again in 1600 ms") != std::string::npos;
        });
        await("two workers", [&] { return proxy().workers().size() == 2; });
    }

    // What a stopped filler had is gone on with by others.
    void hungWorkerIsReplaced() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        startFollowing(&starter, kMiB);
        const pid_t hung = proxy().workerOf(starter);
        ::kill(hung, SIGSTOP);
        TestClient other = proxy().connectToOther(hung);
        assertServed(other.get("/v2/"), "{}");
        await("it is aborted", [&] {
            return proxy().log().find("has not shown life for") != std::string::npos;
        }, patience() * 3);
        await("it is gone", [hung] { return isGone(hung); }, patience() * 3);
        await("two workers", [&] { return proxy().workers().size() == 2; });
        gate_->open();
        assertServed(get(target_), bytes_);
        CPPUNIT_ASSERT(up().blobGets() <= 2);
    }

    // Stopped for less than it takes to be thought hung: nobody takes anything over, and
    // others follow and are served meanwhile.
    void stoppedWorkerGoesOn() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        const std::vector<pid_t> before = proxy().workers();
        const pid_t stopped = proxy().workerOf(starter);
        TestClient other = proxy().connectToOther(stopped);
        ::kill(stopped, SIGSTOP);
        assertServed(other.get("/v2/"), "{}");
        Response followed = startFollowing(&other, kMiB);
        ::kill(stopped, SIGCONT);
        gate_->open();
        starter.finish(&response);
        other.finish(&followed);
        assertServed(response, bytes_);
        assertServed(followed, bytes_);
        CPPUNIT_ASSERT(before == proxy().workers());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    void quitEndsWhatHasBegun() {
        startProxy();
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        TestClient idle(proxy().port());
        assertServed(idle.get("/v2/"), "{}");
        ::kill(proxy().master(), SIGQUIT);
        CPPUNIT_ASSERT(idle.closedByPeer());
        gate_->open();
        starter.finish(&response);
        assertServed(response, bytes_);
        starter.reset();
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());  // a TERM on the way changes nothing
        CPPUNIT_ASSERT(proxy().store().has(digest_));
    }

    void secondTermEndsAtOnce() {
        expectLeftOvers();
        startProxy();
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        ::kill(proxy().master(), SIGTERM);
        await("it stops", [&] {
            return proxy().log().find("received SIGTERM while running") != std::string::npos;
        });
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        assertContains(proxy().log(), "received SIGTERM while stopping");
        starter.finish(&response);
        assertNotServed(response);
        gate_->open();
    }

private:
    std::optional<TestClient> connectIfThere() {
        try {
            return TestClient(proxy().port());
        } catch (const SysError&) {
            return std::nullopt;
        }
    }

    // Whatever is not whole is cut: nobody is served damaged bytes.
    void loadUntilCut(const std::string& target, const std::string& bytes,
                      std::atomic<unsigned>* served) {
        // Connected before the master is killed, or not at all.
        std::optional<TestClient> client = connectIfThere();
        while (client) {
            client->send("GET", target);
            const Response response = client->read();
            if (!response.complete()) return assertNotServed(response);
            assertServed(response, bytes);
            ++*served;
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SupervisionTest);

}  // namespace ociproxy::itest
