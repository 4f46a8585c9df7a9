#ifndef OCIPROXY_TESTS_INTEGRATION_PROXY_PROCESS_H
#define OCIPROXY_TESTS_INTEGRATION_PROXY_PROCESS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "integration/spawn.h"
#include "integration/store_view.h"
#include "integration/temp_root.h"
#include "integration/test_client.h"

namespace ociproxy::itest {

// The program under test: $OCIPROXY_BIN.
std::string proxyBinary();

// What a test keeps in a directory of its own is out of reach for anybody but root, when
// root runs it; so the proxy stays root, by this line, unless `configuration` says whom
// it should become. Empty for other users.
std::string userLine(const std::string& configuration = {});

// What a program did that ran to its end. A plain value.
struct Finished {
    int status = -1;  // exit status, or 128 + signal
    std::string out;
    std::string err;
};
// Runs the proxy with `arguments` to its end.
Finished runProxy(const std::vector<std::string>& arguments);

// The proxy as a process of its own on a cache in a temporary root and a port of the
// kernel's choice. May be stopped or killed and started again on the same cache.
// Destroying it kills what still runs. One thread.
class ProxyProcess {
public:
    // `configuration`: further lines; "cache_dir", "log" and "access_log" are ours, and
    // a first "listen". Without a "user" root's proxy stays root.
    explicit ProxyProcess(const std::string& configuration,
                          TempRoot::Place place = TempRoot::Place::kMemory);
    ~ProxyProcess();
    ProxyProcess(const ProxyProcess&) = delete;
    ProxyProcess& operator=(const ProxyProcess&) = delete;

    // Replaces the configuration for the next start().
    void configure(const std::string& configuration);
    // Whose process the next start() makes; ours if not said. Only root may.
    void startAs(const Starter& starter) { how_.starter = starter; }
    // The terminal that the next start() gets; none if not said.
    void startOn(int terminal) { how_.terminal = terminal; }
    // What the next start() passes on as descriptor 3.
    void passSocket(int socket) { how_.third = socket; }
    // A command that becomes the proxy, and what it is called with before that.
    void startThrough(const std::vector<std::string>& prefix) { prefix_ = prefix; }
    // Returns when it listens; fails the running test, with the log, when it does not.
    void start();
    // The same for one that is not to come up: its exit status, or 128 + signal; -1 if it
    // does not end.
    int startInVain();
    // Sends TERM and waits. The exit status, or 128 + signal; -1 if it does not end.
    int stop();
    // Waits until it has ended by itself; result as of stop().
    int awaitEnd();
    // Sends HUP and waits until the next generation serves; fails the running test when
    // that is refused.
    void reload();
    // Sends HUP and waits until it is refused; the line that says why.
    std::string refusedReload();
    // SIGKILL for master and children alike, in any order; returns when all are gone.
    void killAll();
    // SIGKILL for the master alone; returns when it is gone.
    void killMaster();
    bool running() const { return master_ > 0; }

    std::uint16_t port() const { return port_; }
    pid_t master() const { return master_; }
    // Children by title, for example "ociproxy: worker"; only those with their title set.
    std::vector<pid_t> children(const std::string& title) const;
    std::vector<pid_t> workers() const { return children("ociproxy: worker"); }
    // The worker that serves a connected client; waits until one has accepted it. Skips
    // the running test where that cannot be seen.
    pid_t workerOf(const TestClient& client) const;
    // A connection to the given worker.
    TestClient connectTo(pid_t worker) const;
    // A connection to any other worker.
    TestClient connectToOther(pid_t worker) const;

    TempRoot& root() { return root_; }
    const StoreView& store() const { return store_; }
    std::string log() const;
    std::string accessLogText() const;
    std::vector<std::string> accessLog() const;
    std::string configurationFile() const { return root_.file("ociproxy.conf"); }

private:
    std::string lineAfterReload();
    void spawnMaster();
    void waitUntilReady();
    int reap(milliseconds within);
    TestClient connectWhere(const std::function<bool(pid_t)>& wanted) const;

    TempRoot root_;
    StoreView store_;
    SpawnOptions how_;
    std::vector<std::string> prefix_;
    pid_t master_ = 0;
    std::uint16_t port_ = 0;
    std::size_t logStart_ = 0;  // where this start's log begins
};

// "[upstream NAME]" with a url and further lines.
std::string upstreamSection(const std::string& name, const std::string& url,
                            const std::string& more = {});

}  // namespace ociproxy::itest

#endif
