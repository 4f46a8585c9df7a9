// HUP: nobody notices, what is wrong changes nothing, and what runs on the old
// configuration ends in its own time.
#include <atomic>
#include <csignal>
#include <optional>

#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"

namespace ociproxy::itest {

namespace {

// Requests on one connection as long as it is kept, then on the next one. A plain
// client: what fails it would fail podman.
class SteadyClient {
public:
    SteadyClient(std::uint16_t port, std::string target, std::string bytes)
        : port_(port), target_(std::move(target)), bytes_(std::move(bytes)) {}

    void request() {
        if (!client_) client_.emplace(port_);
        const Response response = client_->get(target_);
        assertServed(response, bytes_);
        if (response.header("Connection") == "close") client_.reset();
    }

private:
    std::uint16_t port_;
    std::string target_;
    std::string bytes_;
    std::optional<TestClient> client_;
};

}  // namespace

class ReloadTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(ReloadTest);
    OCIPROXY_INTEGRATION_TEST(manyReloadsUnderLoadFailNoRequest);
    OCIPROXY_INTEGRATION_TEST(idleConnectionsGetOneMoreReply);
    OCIPROXY_INTEGRATION_TEST(newUpstreamsAreKnown);
    OCIPROXY_INTEGRATION_TEST(workersComeAndGo);
    OCIPROXY_INTEGRATION_TEST(addressesComeAndGo);
    OCIPROXY_INTEGRATION_TEST(invalidFileChangesNothing);
    OCIPROXY_INTEGRATION_TEST(busyAddressChangesNothing);
    OCIPROXY_INTEGRATION_TEST(whatWorkersRefuseChangesNothing);
    OCIPROXY_INTEGRATION_TEST(refusedAddressIsLetGo);
    OCIPROXY_INTEGRATION_TEST(whatNeedsARestartSaysSo);
    OCIPROXY_INTEGRATION_TEST(fillGoesOnAndIsShared);
    OCIPROXY_INTEGRATION_TEST(drainingWorkersAreShown);
    OCIPROXY_INTEGRATION_TEST(drainTimeoutEndsAFill);
    OCIPROXY_INTEGRATION_TEST(secondReloadWaitsForTheFirst);
    OCIPROXY_INTEGRATION_TEST(stopEndsBothGenerations);
    OCIPROXY_INTEGRATION_TEST(killedMasterLeavesNobodyOfTwoGenerations);
    OCIPROXY_INTEGRATION_TEST(logLevelChanges);
    CPPUNIT_TEST_SUITE_END();

public:
    void manyReloadsUnderLoadFailNoRequest() {
        startProxy();
        const std::string bytes = randomBytes(64 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        std::atomic<bool> over{false};
        std::atomic<unsigned> served{0};
        Crowd crowd(4, [&](unsigned) {
            SteadyClient client(proxy().port(), blob("a", digest), bytes);
            while (!over) {
                client.request();
                ++served;
            }
        });
        const unsigned reloads = underSanitizer() ? 10 : 100;
        for (unsigned i = 0; i < reloads; ++i) {
            const unsigned before = served;
            proxy().reload();
            crowd.await("requests go on", [&] { return served > before; });
        }
        over = true;
        crowd.join();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
        awaitCrew(2);
    }

    void idleConnectionsGetOneMoreReply() {
        startProxy();
        TestClient idle(proxy().port());
        assertServed(idle.get("/v2/"), "{}");
        const pid_t old = proxy().workerOf(idle);
        proxy().reload();
        await("the old worker drains",
              [&] { return titleOf(old).find("draining") != std::string::npos; });
        const Response last = idle.get("/v2/");
        assertServed(last, "{}");
        CPPUNIT_ASSERT_EQUAL(std::string("close"), last.header("Connection"));
        CPPUNIT_ASSERT(idle.closedByPeer());
    }

    void newUpstreamsAreKnown() {
        startProxy();
        const std::string bytes = randomBytes(kKiB);
        const std::string digest = up().addBlob("a", bytes);
        const std::string target = cat("/v2/another/a/blobs/", digest);
        assertNotServed(get(target));
        ProxySetup setup;
        setup.sections = upstreamSection("another.test", up().url(), "aliases = another\n");
        configureAs(setup);
        proxy().reload();
        awaitCrew(2);  // who leaves may still have taken a connection of the last moment
        assertServed(get(target), bytes);
    }

    void workersComeAndGo() {
        startProxy({1, "", "", ""});
        for (unsigned workers : {4u, 2u, 3u}) {
            configureAs({workers, "", "", ""});
            proxy().reload();
            awaitCrew(workers);
        }
    }

    void addressesComeAndGo() {
        startProxy();
        configureAs({2, "listen = 127.0.0.2:0\n", "", ""});
        proxy().reload();
        const std::string listening = "listening on 127.0.0.1:";
        const std::string log = proxy().log();
        const std::size_t second = log.rfind(", 127.0.0.2:");
        CPPUNIT_ASSERT_MESSAGE(log, second != std::string::npos);
        // The first one is what it was, the queue of its clients too.
        CPPUNIT_ASSERT(log.rfind(cat(listening, proxy().port(), ", 127.0.0.2:")) !=
                       std::string::npos);
        configureAs({});
        proxy().reload();
        awaitCrew(2);
        assertLacks(proxy().log().substr(proxy().log().rfind(listening)), "127.0.0.2");
        assertServed(get("/v2/"), "{}");
    }

    void invalidFileChangesNothing() {
        startProxy();
        const std::vector<pid_t> before = proxy().workers();
        configureAs({2, "no_such_key = 1\n", "", ""});
        const std::string line = proxy().refusedReload();
        assertContains(line, cat(proxy().configurationFile(), ":"));
        assertContains(line, "no_such_key");
        CPPUNIT_ASSERT(before == proxy().workers());
        assertServed(get("/v2/"), "{}");
        configureAs({});
        proxy().reload();
        assertServed(get("/v2/"), "{}");
    }

    void busyAddressChangesNothing() {
        startProxy();
        const std::vector<pid_t> before = proxy().workers();
        configureAs({2, cat("listen = 127.0.0.1:", up().port(), "\n"), "", ""});
        assertContains(proxy().refusedReload(), cat("127.0.0.1:", up().port()));
        CPPUNIT_ASSERT(before == proxy().workers());
        assertServed(get("/v2/"), "{}");
    }

    // What only a worker finds out, when it starts.
    void whatWorkersRefuseChangesNothing() {
        startProxy();
        const std::vector<pid_t> before = proxy().workers();
        ProxySetup setup;
        setup.ofUp = "ca_file = /nonexistent/ca.pem\n";
        configureAs(setup);
        assertContains(proxy().refusedReload(), "/nonexistent/ca.pem");
        await("the failed generation is gone", [&] { return proxy().workers() == before; });
        assertServed(get("/v2/"), "{}");
    }

    // An address that only a refused configuration names is not kept open.
    void refusedAddressIsLetGo() {
        startProxy();
        ProxySetup setup;
        setup.global = "listen = 127.0.0.2:0\n";
        setup.ofUp = "ca_file = /nonexistent/ca.pem\n";
        configureAs(setup);
        const std::size_t before = socketsOf(proxy().master());
        proxy().refusedReload();
        await("its socket is closed", [&] { return socketsOf(proxy().master()) == before; });
    }

    void whatNeedsARestartSaysSo() {
        startProxy();
        const std::string bytes = randomBytes(kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        const std::string text = configuration({});
        writeFile(proxy().configurationFile(),
                  cat(userLine(), "listen = 127.0.0.1:0\ncache_dir = /nonexistent/cache\n"
                      "log = stderr\n",
                      "access_log = ", proxy().root().file("access.log"), "\n", text));
        proxy().reload();
        assertContains(proxy().log(), cat("cache_dir = /nonexistent/cache needs a restart; ",
                                          proxy().store().directory(), " stays"));
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
    }

    // The old filler goes on, and clients of the new generation have its bytes too.
    void fillGoesOnAndIsShared() {
        startProxy({2, "follow_after = 0s\n", "", ""});
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response first = startFollowing(&starter, kMiB);
        proxy().reload();
        TestClient follower = proxy().connectToOther(proxy().workerOf(starter));
        Response second = startFollowing(&follower, kMiB);
        gate_->open();
        starter.finish(&first);
        follower.finish(&second);
        assertServed(first, bytes_);
        assertServed(second, bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets());
        starter.reset();
        follower.reset();
        awaitCrew(2);
    }

    void drainingWorkersAreShown() {
        startProxy({1, "", "", ""});
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().reload();
        await("a draining worker", [&] {
            return proxy().children("ociproxy: worker 0 (draining)").size() == 1;
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, proxy().workers().size());
        await("one janitor", [&] {
            return proxy().children("ociproxy: janitor").size() == 1;
        });
        gate_->open();
        starter.finish(&response);
        assertServed(response, bytes_);
        starter.reset();
        awaitCrew(1);
    }

    void drainTimeoutEndsAFill() {
        expectLeftOvers();
        startProxy({1, "drain_timeout = 1s\n", "", ""});
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().reload();
        starter.finish(&response);
        assertNotServed(response);
        awaitCrew(1);
        gate_->open();
        assertServed(get(target_), bytes_);
    }

    void secondReloadWaitsForTheFirst() {
        startProxy({1, "", "", ""});
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().reload();
        ::kill(proxy().master(), SIGHUP);
        await("it is said", [&] {
            return proxy().log().find("received SIGHUP: reloads when") != std::string::npos;
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, proxy().workers().size());
        assertServed(get("/v2/"), "{}");
        gate_->open();
        starter.finish(&response);
        assertServed(response, bytes_);
        starter.reset();
        await("the second reload", [&] { return countOf(proxy().log(), " reloaded: ") == 2; });
        awaitCrew(1);
    }

    void stopEndsBothGenerations() {
        expectLeftOvers();
        startProxy();
        prepare({kLarge, kStopAt, -1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().reload();
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        starter.finish(&response);
        assertNotServed(response);
        gate_->open();
    }

    void killedMasterLeavesNobodyOfTwoGenerations() {
        expectLeftOvers();
        startProxy();
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        Response response = startFollowing(&starter, kMiB);
        proxy().reload();
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

    void logLevelChanges() {
        startProxy();
        std::string text = configuration({});
        const std::string level = "log_level = debug";
        text.replace(text.find(level), level.size(), "log_level = info");
        proxy().configure(text);
        proxy().reload();
        awaitCrew(2);
        // Who leaves does so with the level that it came with.
        await("the ends of two workers and a janitor are logged",
              [&] { return countOf(proxy().log(), "exited with status 0") == 3; });
        const std::size_t before = proxy().log().size();
        proxy().reload();
        awaitCrew(2);
        assertLacks(proxy().log().substr(before), " debug ");
        configureAs({});
        proxy().reload();
        await("debug lines", [&] {
            return proxy().log().substr(before).find(" debug ") != std::string::npos;
        });
    }

private:
    void configureAs(const ProxySetup& setup) { proxy().configure(configuration(setup)); }

    // Who was replaced is gone: `workers` and a janitor are all.
    void awaitCrew(std::size_t workers) {
        await(cat(workers, " workers and a janitor"), [&] {
            return proxy().workers().size() == workers &&
                   proxy().children("ociproxy: janitor").size() == 1 &&
                   childrenOf(proxy().master()).size() == workers + 1;
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReloadTest);

}  // namespace ociproxy::itest
