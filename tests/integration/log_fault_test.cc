// Logs that cannot be written, are rotated or go elsewhere: no request notices.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include <sys/wait.h>

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "integration/integration_test.h"
#include "integration/proc_view.h"
#include "integration/spawn.h"
#include "support/log_fixture.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

namespace {

// TERM ends the proxy within 10 s, says its manual.
constexpr milliseconds kStopTime{12'000};

// The proxy with logs of the test's choice, which therefore do not tell its port.
class LoggedProxy {
public:
    // `standardError` is a file or a fifo.
    LoggedProxy(const TempRoot& root, const std::string& log, const std::string& accessLog,
                const std::string& standardError, const std::string& configuration) {
        const std::string file = root.file("logged.conf");
        writeFile(file, cat(userLine(), "listen = 127.0.0.1:0\ncache_dir = ", root.file("cache"),
                            "\nlog = ", log, "\naccess_log = ", accessLog, "\n", configuration));
        master_ = spawn({proxyBinary(), "-c", file}, "/dev/null", standardError);
        await("the proxy listens", [this] { return (port_ = listeningPortOf(master_)) != 0; });
    }
    ~LoggedProxy() {
        if (master_ == 0) return;
        for (pid_t child : childrenOf(master_)) ::kill(child, SIGKILL);
        ::kill(master_, SIGKILL);
        ::waitpid(master_, nullptr, 0);
    }
    LoggedProxy(const LoggedProxy&) = delete;
    LoggedProxy& operator=(const LoggedProxy&) = delete;

    std::uint16_t port() const { return port_; }
    void rotate() const { CPPUNIT_ASSERT_EQUAL(0, ::kill(master_, SIGUSR1)); }
    void reload() const { CPPUNIT_ASSERT_EQUAL(0, ::kill(master_, SIGHUP)); }
    // The exit status; -1 if it does not end in time.
    int stop() {
        ::kill(master_, SIGTERM);
        int status = 0;
        const bool ended = eventually(
            [&] { return ::waitpid(master_, &status, WNOHANG) == master_; },
            kStopTime * slowness());
        if (!ended) return -1;
        master_ = 0;
        return exitStatus(status);
    }

private:
    pid_t master_ = 0;
    std::uint16_t port_ = 0;
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

class LogFaultTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(LogFaultTest);
    OCIPROXY_INTEGRATION_TEST(aFullDiskHoldsUpNothing);
    OCIPROXY_INTEGRATION_TEST(readersThatAreStuckHoldUpNothing);
    OCIPROXY_INTEGRATION_TEST(stderrThatIsStuckHoldsUpNothing);
    OCIPROXY_INTEGRATION_TEST(aReaderThatWakesUpIsToldOfLosses);
    OCIPROXY_INTEGRATION_TEST(aDirectoryThatVanishesHoldsUpNothing);
    OCIPROXY_INTEGRATION_TEST(rotationsLoseNoLine);
    OCIPROXY_INTEGRATION_TEST(aMissingSyslogHoldsUpNothing);
    OCIPROXY_INTEGRATION_TEST(aLogThatCannotBeOpenedEndsTheStart);
    OCIPROXY_INTEGRATION_TEST(everyJsonLineIsAnObject);
    OCIPROXY_INTEGRATION_TEST(lossesAreAMetric);
    CPPUNIT_TEST_SUITE_END();

public:
    void aFullDiskHoldsUpNothing() {
        start("/dev/full", "/dev/full");
        assertEverythingIsServed();
    }

    void readersThatAreStuckHoldUpNothing() {
        TestFifo log(root_.file("log"));
        TestFifo accessLog(root_.file("access"));
        log.fill();
        accessLog.fill();
        start(root_.file("log"), root_.file("access"));
        assertEverythingIsServed();
    }

    void stderrThatIsStuckHoldsUpNothing() {
        TestFifo pipe(root_.file("pipe"));
        pipe.fill();
        start("stderr", "stderr", root_.file("pipe"));
        assertEverythingIsServed();
    }

    void aReaderThatWakesUpIsToldOfLosses() {
        TestFifo accessLog(root_.file("access"));
        accessLog.fill();
        start(root_.file("log"), root_.file("access"), "err", 1);
        const unsigned requests = requestsBeyondTheQueue();
        std::string text;
        await("the line that tells of losses", [&] {
            text += accessLog.drain();
            return contains(text, " of this log were lost\n");
        });
        unsigned written = 0;
        unsigned lost = 0;
        for (const std::string& line : linesIn(text)) {
            const std::size_t at = line.find(" warning ");
            if (at == std::string::npos) ++written;
            else lost += static_cast<unsigned>(std::stoul(line.substr(at + 9)));
        }
        CPPUNIT_ASSERT_EQUAL(requests, written + lost);
        CPPUNIT_ASSERT_EQUAL(0, proxy_->stop());
    }

    void aDirectoryThatVanishesHoldsUpNothing() {
        const std::string directory = root_.file("logs");
        fs::create_directory(directory);
        start(directory + "/log", directory + "/access");
        assertServed(get("a"), bytes_);
        fs::rename(directory, root_.file("gone"));
        proxy_->rotate();
        assertServed(get("a"), bytes_);
        await("all say so", [&] {
            const std::string log = readFile(root_.file("gone/log"));
            for (const char* who : {" master[", " worker 0[", " worker 1[", " janitor["}) {
                if (!contains(log, cat(" error", who))) return false;
            }
            return contains(log, cat("cannot reopen log ", directory, "/log")) &&
                   contains(log, cat("cannot reopen log ", directory, "/access"));
        });
        fs::remove_all(root_.file("gone"));
        assertServed(get("a"), bytes_);
        fs::create_directory(directory);
        proxy_->reload();  // where Landlock confines, the directory's old rule is of no use
        await("a line in the new file", [&] {
            assertServed(get("a"), bytes_);
            return contains(readFile(directory + "/access"), " 200 ");
        });
        CPPUNIT_ASSERT_EQUAL(0, proxy_->stop());
    }

    void rotationsLoseNoLine() {
        constexpr unsigned kClients = 4;
        constexpr unsigned kRotations = 8;
        start(root_.file("log"), root_.file("access"));
        std::atomic<unsigned> requests{0};
        std::atomic<bool> enough{false};
        Crowd crowd(kClients, [&](unsigned) {
            while (!enough) {
                TestClient client(proxy_->port());
                for (int i = 0; i < 20; ++i, ++requests) client.get("/v2/");
            }
        });
        for (unsigned i = 0; i < kRotations; ++i) {
            const unsigned before = requests;
            crowd.await("requests between rotations", [&] { return requests > before + 40; });
            rotate(i);
        }
        enough = true;
        crowd.join();
        await("lines of all in the new log", [&] {
            const std::string log = readFile(root_.file("log"));
            return contains(log, "master[") && contains(log, "worker 0[") &&
                   contains(log, "worker 1[") && contains(log, "janitor[");
        });
        CPPUNIT_ASSERT_EQUAL(0, proxy_->stop());
        CPPUNIT_ASSERT_EQUAL(requests.load(), countRequests(kRotations));
    }

    void aMissingSyslogHoldsUpNothing() {
        start("syslog", "syslog");
        assertEverythingIsServed();
    }

    void aLogThatCannotBeOpenedEndsTheStart() {
        const std::string file = root_.file("logged.conf");
        writeFile(file, cat(userLine(), "listen = 127.0.0.1:0\ncache_dir = ", root_.file("cache"),
                            "\naccess_log = ", root_.file("none/access"), "\n"));
        const itest::Finished finished = runProxy({"-c", file});
        CPPUNIT_ASSERT_EQUAL(73, finished.status);  // EX_CANTCREAT
        assertContains(finished.err, cat("open log ", root_.file("none/access"),
                                         ": No such file or directory"));
    }

    void everyJsonLineIsAnObject() {
        ProxySetup setup;
        setup.global = "access_log_format = json";
        startProxy(setup);
        TestClient client(proxy().port());
        client.get(blob("a", digest_));
        awaitStored(digest_);
        client.get(blob("a", digest_));
        client.get(manifest("a", "none"));
        client.sendRaw("GET /v2/\"\\x\" HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read();
        TestClient garbage(proxy().port());
        garbage.sendRaw("\x16\x03\x01\xff\r\n\r\n");
        garbage.read();
        await("five lines", [this] { return proxy().accessLog().size() == 5; });
        std::map<std::string, int> seen;
        for (const std::string& line : proxy().accessLog()) ++seen[summaryOf(line)];
        CPPUNIT_ASSERT_EQUAL(1, seen[cat("GET ", blob("a", digest_), " 200 1000 miss 200 true")]);
        CPPUNIT_ASSERT_EQUAL(1, seen[cat("GET ", blob("a", digest_), " 200 1000 hit null true")]);
        CPPUNIT_ASSERT_EQUAL(2, seen["null null 400 72 local null true"]);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, seen.size());
    }

    void lossesAreAMetric() {
        global_ = cat("admin_listen = unix:", root_.file("admin"), "\n");
        TestFifo accessLog(root_.file("access"));
        accessLog.fill();
        start(root_.file("log"), root_.file("access"), "err", 1);
        requestsBeyondTheQueue();
        await("lost records", [&] {
            const std::string page = fetchFrom(root_.file("admin"), "/metrics").body;
            return contains(page, "\nociproxy_log_records_dropped_total ") &&
                   !contains(page, "\nociproxy_log_records_dropped_total 0\n");
        });
        CPPUNIT_ASSERT_EQUAL(0, proxy_->stop());
    }

    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = randomBytes(1000);
        digest_ = up().addBlob("a", bytes_);
    }

    void tearDown() override {
        proxy_.reset();
        IntegrationTest::tearDown();
    }

private:
    void start(const std::string& log, const std::string& accessLog,
               const std::string& standardError = {}, unsigned workers = 2) {
        ProxySetup setup;
        setup.workers = workers;
        setup.global = global_;
        const bool given = startsWith(standardError, "/");
        proxy_ = std::make_unique<LoggedProxy>(root_, log, accessLog,
                                               given ? standardError : root_.file("err"),
                                               configuration(setup));
    }

    Response get(const std::string& repository) {
        return fetch(proxy_->port(), blob(repository, digest_));
    }

    // Misses, hits and errors, on several connections; then the end.
    void assertEverythingIsServed() {
        for (int i = 0; i < 5; ++i) {
            const std::string bytes = randomBytes(100 * kKiB);
            const std::string digest = up().addBlob("a", bytes);
            assertServed(fetch(proxy_->port(), blob("a", digest)), bytes);
        }
        {
            TestClient client(proxy_->port());
            for (int i = 0; i < 200; ++i) assertServed(client.get(blob("a", digest_)), bytes_);
            CPPUNIT_ASSERT_EQUAL(404, client.get(manifest("a", "none")).status);
            client.sendRaw("nonsense\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(400, client.read().status);
        }
        CPPUNIT_ASSERT_EQUAL(0, proxy_->stop());
    }

    // Longer lines than the queue holds.
    unsigned requestsBeyondTheQueue() {
        const std::string target = cat("/v2/", std::string(8'000, 'x'));
        TestClient client(proxy_->port());
        unsigned requests = 0;
        for (; requests < 600; ++requests) {
            CPPUNIT_ASSERT_EQUAL(404, client.get(target).status);
        }
        return requests;
    }

    void rotate(unsigned number) {
        for (const char* name : {"log", "access"}) {
            fs::rename(root_.file(name), root_.file(cat(name, ".", number)));
        }
        proxy_->rotate();
        for (const char* name : {"log", "access"}) {
            await("the new file", [&] { return exists(root_.file(name)); });
        }
    }

    unsigned countRequests(unsigned rotations) const {
        std::string text = readFile(root_.file("access"));
        for (unsigned i = 0; i < rotations; ++i) text += readFile(root_.file(cat("access.", i)));
        unsigned count = 0;
        for (const std::string& line : linesOf(text)) {
            CPPUNIT_ASSERT_MESSAGE(line, contains(line, "\"GET /v2/\" 200 "));
            ++count;
        }
        return count;
    }

    static std::string summaryOf(const std::string& line) {
        const Poco::JSON::Object::Ptr object =
            Poco::JSON::Parser().parse(line).extract<Poco::JSON::Object::Ptr>();
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, object->size());
        CPPUNIT_ASSERT_EQUAL('Z', object->getValue<std::string>("time").back());
        CPPUNIT_ASSERT(startsWith(object->getValue<std::string>("client"), "127.0.0.1:"));
        CPPUNIT_ASSERT(object->getValue<int>("duration_ms") >= 0);
        std::string out;
        for (const char* key :
             {"method", "target", "status", "bytes", "cache", "upstream_status", "complete"}) {
            const bool null = object->isNull(key);
            out += cat(out.empty() ? "" : " ",
                       null ? std::string("null") : object->get(key).convert<std::string>());
        }
        return out;
    }

    TempRoot root_;
    std::unique_ptr<LoggedProxy> proxy_;
    std::string global_;  // further lines of the configuration
    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogFaultTest);

}  // namespace ociproxy::itest
