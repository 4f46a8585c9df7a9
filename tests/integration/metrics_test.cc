// What the admin listener says: counters that are exact to the request, health, readiness.
#include <csignal>
#include <filesystem>

#include <sys/stat.h>

#include "integration/metrics_page.h"
#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"
#include "ociproxy/base/error.h"

namespace ociproxy::itest {

namespace {

const char* const kAdmin = "admin_listen = 127.0.0.1:0\n";

}  // namespace

class MetricsTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(MetricsTest);
    OCIPROXY_INTEGRATION_TEST(hitsAndMissesAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(manifestsAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(errorsAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(failedFillsAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(resumedFillsAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(followersAreCountedExactly);
    OCIPROXY_INTEGRATION_TEST(everyRequestHasItsTimes);
    OCIPROXY_INTEGRATION_TEST(connectionsAreSeenInTheirStates);
    OCIPROXY_INTEGRATION_TEST(nothingGoesBackWhenAWorkerDies);
    OCIPROXY_INTEGRATION_TEST(nothingGoesBackOverReloads);
    OCIPROXY_INTEGRATION_TEST(theListenerComesAndGoesWithReloads);
    OCIPROXY_INTEGRATION_TEST(aTakenOverFillIsCountedOnce);
    OCIPROXY_INTEGRATION_TEST(answersWhileAllWorkersAreStopped);
    OCIPROXY_INTEGRATION_TEST(answersAgainAfterTheJanitorsDeath);
    OCIPROXY_INTEGRATION_TEST(readyOnlyWhileTheCacheCanBeWritten);
    OCIPROXY_INTEGRATION_TEST(onlyAdminPagesAreServedThere);
    OCIPROXY_INTEGRATION_TEST(aUnixSocketServesThemToo);
    OCIPROXY_INTEGRATION_TEST(theUnixSocketOfADeadMasterIsReplaced);
    OCIPROXY_INTEGRATION_TEST(nothingListensUnlessItIsSet);
    CPPUNIT_TEST_SUITE_END();

public:
    void hitsAndMissesAreCountedExactly() {
        startWithMetrics();
        const std::string bytes = randomBytes(200 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        const std::string other = up().addBlob("a", randomBytes(500));
        for (const std::string& each : {digest, other}) {
            tally_.request("miss", get(blob("a", each)));
            tally_.upstream("2xx");
            awaitStored(each);
        }
        tally_.fetched(200 * kKiB + 500);
        tally_.committed(2);
        for (int i = 0; i < 5; ++i) tally_.request("hit", get(blob("a", digest)));
        tally_.request("hit", get(blob("a", digest), {{"Range", "bytes=100-199"}}));
        tally_.request("hit", get(blob("a", digest), {{"If-None-Match", "\"" + digest + "\""}}));
        tally_.request("hit", head(blob("a", digest)));
        TestClient client(proxy().port());
        tally_.request("hit", client.get(blob("a", other)));
        for (int i = 0; i < 7; ++i) tally_.further("hit", client.get(blob("a", other)));
        tally_.further("local", client.get("/v2/"));
        tally_.awaitExactly(proxy(), before_);
    }

    void manifestsAreCountedExactly() {
        startWithMetrics();
        const std::string bytes = imageManifest(digestText("config"), {});
        up().addManifest("a", bytes, kManifestType, "v1");
        tally_.request("miss", get(manifest("a", "v1")));
        tally_.upstream("2xx", 2);  // what the tag is, and the manifest
        tally_.fetched(bytes.size());
        tally_.committed();
        tally_.request("hit", get(manifest("a", "v1")));
        tally_.upstream("2xx");
        tally_.request("hit", get(manifest("a", digestText(bytes))));
        tally_.awaitExactly(proxy(), before_);
    }

    void errorsAreCountedExactly() {
        startWithMetrics();
        const std::string digest = up().addBlob("a", randomBytes(500));
        tally_.request("miss", get(blob("a", digest)));
        tally_.upstream("2xx");
        tally_.fetched(500);
        tally_.committed();
        awaitStored(digest);
        tally_.request("error", get(blob("a", digest), {{"Range", "bytes=500-"}}));
        for (const char* target : {"/", "/v2/up/_catalog", "/v2/up/manifests/latest"}) {
            tally_.request("error", get(target));
        }
        TestClient poster(proxy().port());
        poster.send("DELETE", blob("a", digest));
        tally_.request("error", poster.read());
        TestClient stranger(proxy().port());
        stranger.sendRaw("GET /v2/ HTTP/1.1\r\n\r\n");  // without Host
        const Response refused = stranger.read();
        tally_.request("error", refused);
        tally_.add("ociproxy_requests_received_total", -1);
        tally_.add("ociproxy_requests_refused_total");
        tally_.awaitExactly(proxy(), before_);
    }

    void failedFillsAreCountedExactly() {
        startWithMetrics();
        const std::string absent = digestText("absent");
        tally_.request("error", get(blob("a", absent)));
        tally_.upstream("4xx");
        tally_.failed("status");
        const std::string wrong = up().addBlob("a", randomBytes(1000));
        Behaviour flip;
        flip.flipAt = 7;
        up().behave(blobPath("a", wrong), flip);
        tally_.request("error", get(blob("a", wrong)));
        tally_.upstream("2xx");
        tally_.fetched(1000);
        tally_.add("ociproxy_digest_mismatches_total");
        tally_.failed("digest_mismatch");
        up().stop();
        tally_.request("error", get(blob("b", digestText("b"))));
        const Growth soFar = counterGrowth(before_, scrape(proxy()));
        if (soFar.count("ociproxy_upstream_requests_total{upstream=\"up.test\",code=\"error\"}")) {
            tally_.upstream("error");  // on a connection that was still open
        }
        tally_.failed("connection_refused");
        tally_.awaitExactly(proxy(), before_);
    }

    void resumedFillsAreCountedExactly() {
        startWithMetrics();
        const std::string bytes = randomBytes(2 * kMiB);
        const std::string digest = up().addBlob("a", bytes);
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = kMiB;
        up().behave(blobPath("a", digest), cut);
        assertServed(tally_.request("miss", get(blob("a", digest))), bytes);
        tally_.upstream("2xx", 2);
        tally_.fetched(bytes.size());
        tally_.add("ociproxy_fills_resumed_total");
        tally_.committed();
        tally_.awaitExactly(proxy(), before_);
    }

    void followersAreCountedExactly() {
        startWithMetrics("follow_after = 0s\n");
        // So little that it fits into the buffers of a connection whose client does not read.
        prepare({kMiB, 32 * kKiB, -1, {}});
        std::vector<TestClient> clients;
        std::vector<Response> responses;
        for (int i = 0; i < 4; ++i) {
            clients.emplace_back(proxy().port());
            responses.push_back(startFollowing(&clients.back(), 1));
        }
        awaitValue("ociproxy_followers", 4);
        awaitValue("ociproxy_fills_running", 1);
        awaitValue("ociproxy_claims{state=\"running\"}", 1);
        awaitValue("ociproxy_connections{state=\"following\"}", 4);
        gate_->open();
        for (std::size_t i = 0; i < clients.size(); ++i) {
            clients[i].finish(&responses[i]);
            assertServed(tally_.request(i == 0 ? "miss" : "follow", responses[i]), bytes_);
        }
        tally_.upstream("2xx");
        tally_.fetched(kMiB);
        tally_.committed();
        tally_.awaitExactly(proxy(), before_);
        awaitValue("ociproxy_followers", 0);
        awaitValue("ociproxy_fills_running", 0);
    }

    void everyRequestHasItsTimes() {
        startWithMetrics();
        const std::string digest = up().addBlob("a", randomBytes(500));
        for (int i = 0; i < 3; ++i) {
            tally_.request(i == 0 ? "miss" : "hit", get(blob("a", digest)));
            awaitStored(digest);
        }
        tally_.upstream("2xx");
        tally_.fetched(500);
        tally_.committed();
        tally_.request("error", get("/"));
        tally_.awaitExactly(proxy(), before_);
        const ExpositionPage page = scrape(proxy());
        for (const char* result : {"hit", "miss", "follow", "stale", "bypass", "error", "local"}) {
            const std::string label = cat("{result=\"", result, "\"}");
            const double count = page.at("ociproxy_requests_total" + label);
            const double whole = page.at("ociproxy_request_duration_seconds_sum" + label);
            const double first = page.at("ociproxy_request_first_byte_seconds_sum" + label);
            CPPUNIT_ASSERT_EQUAL(count, page.at("ociproxy_request_duration_seconds_count" + label));
            CPPUNIT_ASSERT_EQUAL(count,
                                 page.at("ociproxy_request_first_byte_seconds_count" + label));
            CPPUNIT_ASSERT_MESSAGE(label, first <= whole && (whole > 0) == (count > 0));
        }
        CPPUNIT_ASSERT_EQUAL(
            1.0, page.at("ociproxy_upstream_request_duration_seconds_count{upstream=\"up.test\"}"));
    }

    void connectionsAreSeenInTheirStates() {
        startWithMetrics();
        TestClient idle(proxy().port());
        idle.get("/v2/");
        TestClient reading(proxy().port());
        reading.sendRaw("GET /v2/ HTTP/1.1\r\nHo");
        awaitValue("ociproxy_connections{state=\"idle\"}", 1);
        awaitValue("ociproxy_connections{state=\"reading\"}", 1);
        idle.leave();
        reading.reset();
        awaitValue("ociproxy_connections{state=\"idle\"}", 0);
        awaitValue("ociproxy_connections{state=\"reading\"}", 0);
    }

    void nothingGoesBackWhenAWorkerDies() {
        startWithMetrics();
        CPPUNIT_ASSERT_EQUAL(2.0, before_.at("ociproxy_worker_starts_total"));
        CPPUNIT_ASSERT_EQUAL(2.0, before_.at("ociproxy_workers_accepting"));
        TestClient client(proxy().port());
        tally_.request("local", client.get("/v2/"));
        awaitValue("ociproxy_connections{state=\"idle\"}", 1);
        tally_.awaitExactly(proxy(), before_);
        ::kill(proxy().workerOf(client), SIGKILL);
        tally_.add("ociproxy_worker_deaths_total{cause=\"killed\"}");
        tally_.add("ociproxy_worker_starts_total");
        tally_.awaitExactly(proxy(), before_);
        awaitValue("ociproxy_connections{state=\"idle\"}", 0);
        awaitValue("ociproxy_workers_accepting", 2);
        for (int i = 0; i < 20; ++i) tally_.request("local", get("/v2/"));
        tally_.awaitExactly(proxy(), before_);
    }

    void nothingGoesBackOverReloads() {
        startWithMetrics();
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 5; ++i) tally_.request("local", get("/v2/"));
            tally_.awaitExactly(proxy(), before_);
            proxy().reload();
            CPPUNIT_ASSERT_EQUAL(200, admin("/readyz").status);
            tally_.add("ociproxy_worker_starts_total", 2);
            tally_.add("ociproxy_worker_deaths_total{cause=\"exit\"}", 2);
            tally_.awaitExactly(proxy(), before_);
            awaitValue("ociproxy_workers_accepting", 2);
        }
    }

    void theListenerComesAndGoesWithReloads() {
        startProxy({1, "", "", ""});
        proxy().configure(configuration({1, kAdmin, "", ""}));
        proxy().reload();
        const std::uint16_t port = adminPort(proxy());
        CPPUNIT_ASSERT_EQUAL(200, admin("/healthz").status);
        proxy().configure(configuration({1, "", "", ""}));
        proxy().reload();
        await("nobody listens there any more", [port] {
            try {
                return TestClient(port).get("/healthz").status == 0;
            } catch (const SysError&) {
                return true;
            }
        });
    }

    void aTakenOverFillIsCountedOnce() {
        startWithMetrics("follow_after = 0s\n");
        prepare({kLarge, kStopAt, 1, {}});
        TestClient starter(proxy().port());
        Response cut = startFollowing(&starter, kMiB);
        const pid_t filler = proxy().workerOf(starter);
        TestClient follower = proxy().connectToOther(filler);
        Response whole = startFollowing(&follower, kMiB);
        awaitValue("ociproxy_fills_running", 1);
        ::kill(filler, SIGKILL);
        follower.finish(&whole);
        gate_->open();
        assertServed(whole, bytes_);
        awaitStored(digest_);
        awaitValue("ociproxy_fills_taken_over_total", 1);
        awaitValue("ociproxy_fills_committed_total", 1);
        awaitValue("ociproxy_fills_running", 0);
        awaitValue("ociproxy_followers", 0);
        CPPUNIT_ASSERT_EQUAL(
            1.0, scrape(proxy()).at("ociproxy_requests_total{result=\"follow\"}"));
    }

    void answersWhileAllWorkersAreStopped() {
        startWithMetrics();
        const std::vector<pid_t> workers = proxy().workers();
        for (pid_t worker : workers) ::kill(worker, SIGSTOP);
        const Response healthy = admin("/healthz");
        scrape(proxy());
        for (pid_t worker : workers) ::kill(worker, SIGCONT);
        CPPUNIT_ASSERT_EQUAL(200, healthy.status);
    }

    void answersAgainAfterTheJanitorsDeath() {
        startWithMetrics();
        tally_.request("local", get("/v2/"));
        tally_.awaitExactly(proxy(), before_);
        const std::vector<pid_t> janitors = proxy().children("ociproxy: janitor");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, janitors.size());
        ::kill(janitors[0], SIGKILL);
        await("the janitor is gone", [&] { return isGone(janitors[0]); });
        tally_.awaitExactly(proxy(), before_);  // waits in the master's queue meanwhile
    }

    void readyOnlyWhileTheCacheCanBeWritten() {
        startWithMetrics();
        awaitReady(200);
        const std::string tmp = proxy().store().directory() + "/tmp";
        std::filesystem::rename(tmp, tmp + ".away");
        writeFile(tmp, "");
        awaitReady(503);
        assertContains(admin("/readyz").body, "cache");
        CPPUNIT_ASSERT_EQUAL(0.0, scrape(proxy()).at("ociproxy_cache_writable"));
        CPPUNIT_ASSERT_EQUAL(200, admin("/healthz").status);
        std::filesystem::remove(tmp);
        std::filesystem::rename(tmp + ".away", tmp);
        awaitReady(200);
        assertContains(proxy().log(), "the cache cannot be written to");
    }

    void onlyAdminPagesAreServedThere() {
        startWithMetrics();
        CPPUNIT_ASSERT_EQUAL(404, admin("/v2/").status);
        CPPUNIT_ASSERT_EQUAL(404, admin("/").status);
        CPPUNIT_ASSERT_EQUAL(404, get("/metrics").status);
        TestClient client(adminPort(proxy()));
        client.send("POST", "/metrics");
        CPPUNIT_ASSERT_EQUAL(405, client.read().status);
        const Response head = fetchHead(adminPort(proxy()), "/metrics");
        CPPUNIT_ASSERT(head.complete() && head.status == 200 && head.bodySize == 0);
        CPPUNIT_ASSERT(proxy().accessLogText().find("/healthz") == std::string::npos);
    }

    void aUnixSocketServesThemToo() {
        const TempRoot root;
        const std::string path = root.file("admin.sock");
        startProxy({1, cat("admin_listen = unix:", path, "\n"), "", ""});
        assertContains(proxy().log(), cat("admin pages on unix:", path));
        CPPUNIT_ASSERT_EQUAL(std::string("ok\n"), fetchFrom(path, "/healthz").body);
        const ExpositionPage page = readExposition(fetchFrom(path, "/metrics").body);
        CPPUNIT_ASSERT_EQUAL(1.0, page.at("ociproxy_workers_accepting"));
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::stat(path.c_str(), &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0660}, status.st_mode & mode_t{07777});
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        CPPUNIT_ASSERT(!exists(path));
    }

    void theUnixSocketOfADeadMasterIsReplaced() {
        const TempRoot root;
        const std::string path = root.file("admin.sock");
        startProxy({1, cat("admin_listen = ", path, "\n"), "", ""});
        proxy().killAll();
        CPPUNIT_ASSERT(exists(path));
        proxy().start();
        CPPUNIT_ASSERT_EQUAL(std::string("ok\n"), fetchFrom(path, "/healthz").body);
    }

    void nothingListensUnlessItIsSet() {
        startProxy({1, "", "", ""});
        assertLacks(proxy().log(), "admin pages");
        const std::size_t without = janitorsSockets();
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        proxy().configure(configuration({1, kAdmin, "", ""}));
        proxy().start();
        CPPUNIT_ASSERT_EQUAL(without + 1, janitorsSockets());
    }

private:
    void startWithMetrics(const std::string& global = {}) {
        startProxy({2, kAdmin + global, "", ""});
        await("two workers accept",
              [this] { return scrape(proxy()).at("ociproxy_workers_accepting") == 2; });
        before_ = scrape(proxy());
    }

    Response admin(const std::string& target) { return fetch(adminPort(proxy()), target); }

    void awaitReady(int status) {
        await(cat("/readyz says ", status), [&] { return admin("/readyz").status == status; });
    }

    void awaitValue(const std::string& series, unsigned value) {
        await(cat(series, " is ", value), [&] { return scrape(proxy()).at(series) == value; });
    }

    std::size_t janitorsSockets() {
        await("a janitor", [&] { return proxy().children("ociproxy: janitor").size() == 1; });
        const pid_t janitor = proxy().children("ociproxy: janitor")[0];
        const std::string ready = cat("janitor (pid ", janitor, ") is ready");
        await(ready, [&] { return proxy().log().find(ready) != std::string::npos; });
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(cat("/proc/", janitor, "/fd"))) {
            std::error_code gone;
            count += startsWith(std::filesystem::read_symlink(entry, gone).string(), "socket:");
        }
        return count;
    }

    ExpositionPage before_;
    Tally tally_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MetricsTest);

}  // namespace ociproxy::itest
