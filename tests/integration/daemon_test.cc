// --daemon: started means started, and what fails is told to who started it.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integration/integration_test.h"
#include "integration/proc_view.h"
#include "integration/spawn.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

class DaemonTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(DaemonTest);
    OCIPROXY_INTEGRATION_TEST(returnsWhenItServes);
    OCIPROXY_INTEGRATION_TEST(hasNoTerminalAndNoTies);
    OCIPROXY_INTEGRATION_TEST(reloadsARelativeFile);
    OCIPROXY_INTEGRATION_TEST(saysWhyItDoesNotServe);
    OCIPROXY_INTEGRATION_TEST(saysWhatAWorkerRefuses);
    OCIPROXY_INTEGRATION_TEST(secondOneIsRefused);
    OCIPROXY_INTEGRATION_TEST(startsAgainAfterAKill);
    OCIPROXY_INTEGRATION_TEST(foregroundTakesAPidFileToo);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        // A daemon is nobody's child: here it becomes ours, and can be waited for.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        root_ = std::make_unique<TempRoot>();
        configure("");
    }
    void tearDown() override {
        const pid_t left = daemonPid();
        if (left > 0) ::kill(left, SIGKILL);
        while (::waitpid(-1, nullptr, 0) > 0) {
        }
        root_.reset();
        IntegrationTest::tearDown();
    }

    void returnsWhenItServes() {
        start();
        assertServed(fetch(port(), "/v2/"), "{}");
        const pid_t daemon = daemonPid();
        ::kill(daemon, SIGTERM);
        CPPUNIT_ASSERT_EQUAL(0, statusOf(daemon));
        CPPUNIT_ASSERT(!exists(pidFile()));
    }

    void hasNoTerminalAndNoTies() {
        start();
        const pid_t daemon = daemonPid();
        CPPUNIT_ASSERT(::getsid(daemon) != ::getsid(0));
        CPPUNIT_ASSERT(::getsid(daemon) != daemon);
        CPPUNIT_ASSERT_EQUAL(std::string("/"), linkOf(daemon, "cwd"));
        for (const char* fd : {"fd/0", "fd/1", "fd/2"}) {
            CPPUNIT_ASSERT_EQUAL(std::string("/dev/null"), linkOf(daemon, fd));
        }
    }

    void reloadsARelativeFile() {
        const fs::path before = fs::current_path();
        fs::current_path(root_->path());
        const Finished started = runProxy({"-c", "ociproxy.conf", "--daemon"});
        fs::current_path(before);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(started.err, 0, started.status);
        ::kill(daemonPid(), SIGHUP);
        await("a reload", [&] { return log().find(" reloaded: ") != std::string::npos; });
        assertServed(fetch(port(), "/v2/"), "{}");
    }

    void saysWhyItDoesNotServe() {
        configure(cat("listen = 127.0.0.1:", up().port(), "\n"));
        const Finished started = runProxy({"-c", file(), "--daemon"});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(started.err, 69, started.status);  // EX_UNAVAILABLE
        assertContains(started.err, cat("127.0.0.1:", up().port()));
        CPPUNIT_ASSERT(!exists(pidFile()));
    }

    void saysWhatAWorkerRefuses() {
        configure(upstreamSection("up.test", up().url(), "ca_file = /nonexistent/ca.pem\n"));
        const Finished started = runProxy({"-c", file(), "--daemon"});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(started.err, 78, started.status);  // EX_CONFIG
        assertContains(started.err, "/nonexistent/ca.pem");
        CPPUNIT_ASSERT(!exists(pidFile()));
    }

    void secondOneIsRefused() {
        start();
        const pid_t first = daemonPid();
        writeFile(root_->file("other.conf"),
                  cat(userLine(), "listen = 127.0.0.1:0\ncache_dir = ", root_->file("other"),
                      "\npid_file = ", pidFile(), "\n"));
        const Finished second = runProxy({"-c", root_->file("other.conf"), "--daemon"});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(second.err, 69, second.status);
        assertContains(second.err, cat("process ", first));
        CPPUNIT_ASSERT_EQUAL(first, daemonPid());
        assertServed(fetch(port(), "/v2/"), "{}");
    }

    void startsAgainAfterAKill() {
        start();
        const pid_t first = daemonPid();
        ::kill(first, SIGKILL);
        CPPUNIT_ASSERT_EQUAL(128 + SIGKILL, statusOf(first));
        CPPUNIT_ASSERT_EQUAL(first, daemonPid());  // stale, and no hindrance
        start();
        CPPUNIT_ASSERT(daemonPid() != first);
        assertServed(fetch(port(), "/v2/"), "{}");
    }

    void foregroundTakesAPidFileToo() {
        ProxySetup setup;
        setup.global = cat("pid_file = ", pidFile(), "\n");
        startProxy(setup);
        CPPUNIT_ASSERT_EQUAL(proxy().master(), daemonPid());
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        CPPUNIT_ASSERT(!exists(pidFile()));
    }

private:
    std::string file() const { return root_->file("ociproxy.conf"); }
    std::string pidFile() const { return root_->file("ociproxy.pid"); }
    std::string log() const { return readFile(root_->file("log")); }
    pid_t daemonPid() const { return static_cast<pid_t>(std::atoi(readFile(pidFile()).c_str())); }

    void configure(const std::string& more) {
        const bool listens = more.find("listen") != std::string::npos;
        writeFile(file(), cat(listens ? "" : "listen = 127.0.0.1:0\n", userLine(), "cache_dir = ",
                              root_->file("cache"), "\nlog = ", root_->file("log"),
                              "\naccess_log = off\nworkers = 2\npid_file = ", pidFile(), "\n",
                              more));
    }

    void start() {
        const Finished started = runProxy({"-c", file(), "--daemon"});
        CPPUNIT_ASSERT_EQUAL_MESSAGE(started.err, 0, started.status);
        CPPUNIT_ASSERT_EQUAL(std::string(), started.err);
        CPPUNIT_ASSERT(daemonPid() > 0);
    }

    std::uint16_t port() const {
        const std::string mark = "listening on 127.0.0.1:";
        const std::string text = log();
        const std::size_t at = text.rfind(mark);
        CPPUNIT_ASSERT_MESSAGE(text, at != std::string::npos);
        return static_cast<std::uint16_t>(std::atoi(text.c_str() + at + mark.size()));
    }

    static std::string linkOf(pid_t pid, const std::string& name) {
        std::error_code error;
        return fs::read_symlink(cat("/proc/", pid, "/", name), error).string();
    }

    static int statusOf(pid_t pid) {
        int status = 0;
        await("the daemon's end", [&] { return ::waitpid(pid, &status, WNOHANG) == pid; },
              patience() * 2);
        return exitStatus(status);
    }

    std::unique_ptr<TempRoot> root_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DaemonTest);

}  // namespace ociproxy::itest
