#include "integration/proxy_process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/TestAssert.h>

#include "integration/proc_view.h"
#include "integration/spawn.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

// TERM ends the proxy within 10 s, says its manual.
constexpr milliseconds kStopTime{12'000};
constexpr unsigned kConnectTries = 2'000;

std::string logFile(const TempRoot& root) { return root.file("proxy.log"); }

// The last port that `log` says is listened on; 0 if none.
std::uint16_t listeningPort(const std::string& log) {
    const std::string mark = "listening on 127.0.0.1:";
    const std::size_t at = log.rfind(mark);
    if (at == std::string::npos) return 0;
    return static_cast<std::uint16_t>(std::atoi(log.c_str() + at + mark.size()));
}

void waitUntilGone(const std::vector<pid_t>& pids) {
    for (pid_t pid : pids) {
        await(cat("end of process ", pid, " after a kill"), [pid] { return isGone(pid); });
    }
}

}  // namespace

std::string userLine(const std::string& configuration) {
    const bool said = cat("\n", configuration).find("\nuser = ") != std::string::npos;
    return ::geteuid() == 0 && !said ? "user = root\n" : "";
}

std::string proxyBinary() {
    const char* binary = std::getenv("OCIPROXY_BIN");
    if (binary == nullptr || *binary == '\0') throw Error("OCIPROXY_BIN is not set");
    return binary;
}

Finished runProxy(const std::vector<std::string>& arguments) {
    TempRoot root;
    std::vector<std::string> command{proxyBinary()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const pid_t pid = spawn(command, root.file("out"), root.file("err"));
    int status = 0;
    const bool ended = eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; });
    if (!ended) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
    }
    Finished finished;
    finished.status = exitStatus(status);
    finished.out = readFile(root.file("out"));
    finished.err = readFile(root.file("err"));
    return finished;
}

ProxyProcess::ProxyProcess(const std::string& configuration, TempRoot::Place place)
    : root_(place), store_(root_.file("cache")) {
    configure(configuration);
}

ProxyProcess::~ProxyProcess() {
    if (!running()) return;
    for (pid_t child : childrenOf(master_)) ::kill(child, SIGKILL);
    ::kill(master_, SIGKILL);
    ::waitpid(master_, nullptr, 0);
}

void ProxyProcess::configure(const std::string& configuration) {
    writeFile(configurationFile(),
              cat("listen = 127.0.0.1:0\ncache_dir = ", store_.directory(),
                  "\nlog = stderr\naccess_log = ", root_.file("access.log"), "\n",
                  userLine(configuration), configuration));
}

void ProxyProcess::start() {
    spawnMaster();
    waitUntilReady();
}

int ProxyProcess::startInVain() {
    spawnMaster();
    return reap(patience());
}

void ProxyProcess::spawnMaster() {
    logStart_ = log().size();
    std::vector<std::string> command = prefix_;
    command.insert(command.end(), {proxyBinary(), "-c", configurationFile()});
    master_ = spawn(command, logFile(root_), logFile(root_), how_);
}

void ProxyProcess::waitUntilReady() {
    port_ = 0;
    int status = 0;
    const bool ready = eventually([&] {
        port_ = listeningPort(log().substr(logStart_));
        if (port_ != 0) return true;
        if (::waitpid(master_, &status, WNOHANG) != master_) return false;
        master_ = 0;
        return true;
    });
    CPPUNIT_ASSERT_MESSAGE(cat("the proxy ended at start, status ", exitStatus(status), "\n",
                               log()), running());
    CPPUNIT_ASSERT_MESSAGE(cat("the proxy does not say that it listens\n", log()), ready);
}

int ProxyProcess::stop() {
    if (!running()) return -1;
    ::kill(master_, SIGTERM);
    return awaitEnd();
}

int ProxyProcess::awaitEnd() { return reap(kStopTime * slowness()); }

int ProxyProcess::reap(milliseconds within) {
    int status = 0;
    if (!eventually([&] { return ::waitpid(master_, &status, WNOHANG) == master_; }, within)) {
        return -1;
    }
    master_ = 0;
    return exitStatus(status);
}

std::string ProxyProcess::lineAfterReload() {
    const std::size_t before = log().size();
    ::kill(master_, SIGHUP);
    std::string found;
    await("the end of a reload", [&] {
        for (const std::string& line : linesOf(log().substr(before))) {
            if (line.find(" reloaded") != std::string::npos) found = line;
        }
        return !found.empty();
    });
    return found;
}

void ProxyProcess::reload() {
    const std::string line = lineAfterReload();
    CPPUNIT_ASSERT_MESSAGE(line, line.find("not reloaded") == std::string::npos);
}

std::string ProxyProcess::refusedReload() {
    const std::string line = lineAfterReload();
    CPPUNIT_ASSERT_MESSAGE(line, line.find("not reloaded") != std::string::npos);
    return line;
}

void ProxyProcess::killAll() {
    const std::vector<pid_t> children = childrenOf(master_);
    // Workers die with their master; killing them first and one by one shows more
    // orders of death to the store.
    for (pid_t child : children) ::kill(child, SIGKILL);
    killMaster();
    waitUntilGone(children);
}

void ProxyProcess::killMaster() {
    ::kill(master_, SIGKILL);
    ::waitpid(master_, nullptr, 0);
    master_ = 0;
}

std::vector<pid_t> ProxyProcess::children(const std::string& title) const {
    std::vector<pid_t> found;
    for (pid_t child : childrenOf(master_)) {
        if (!isGone(child) && startsWith(titleOf(child), title)) found.push_back(child);
    }
    return found;
}

pid_t ProxyProcess::workerOf(const TestClient& client) const {
    const std::string files = cat("/proc/", master_, "/fd");
    if (::access(files.c_str(), R_OK) != 0) {
        skipTest("only root sees which process has accepted a connection");
    }
    pid_t owner = 0;
    await("a worker accepts the connection", [&] {
        owner = ownerOfConnection(workers(), port_, client.localPort());
        return owner != 0;
    });
    return owner;
}

TestClient ProxyProcess::connectWhere(const std::function<bool(pid_t)>& wanted) const {
    std::vector<TestClient> others;  // kept open, so that their worker is less tempting
    for (unsigned i = 0; i < kConnectTries; ++i) {
        TestClient client(port_);
        if (wanted(workerOf(client))) return client;
        others.push_back(std::move(client));
        if (others.size() > 32) others.clear();
    }
    throw Error("no connection reached the wanted worker");
}

TestClient ProxyProcess::connectTo(pid_t worker) const {
    return connectWhere([worker](pid_t owner) { return owner == worker; });
}

TestClient ProxyProcess::connectToOther(pid_t worker) const {
    return connectWhere([worker](pid_t owner) { return owner != worker; });
}

std::string ProxyProcess::log() const { return readFile(logFile(root_)); }

std::string ProxyProcess::accessLogText() const { return readFile(root_.file("access.log")); }

std::vector<std::string> ProxyProcess::accessLog() const { return linesOf(accessLogText()); }

std::string upstreamSection(const std::string& name, const std::string& url,
                            const std::string& more) {
    return cat("[upstream ", name, "]\nurl = ", url, "\n", more, "\n");
}

}  // namespace ociproxy::itest
