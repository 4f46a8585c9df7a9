#ifndef OCIPROXY_TESTS_INTEGRATION_FAKE_SERVER_H
#define OCIPROXY_TESTS_INTEGRATION_FAKE_SERVER_H

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "integration/wire.h"

namespace ociproxy::itest {

// A request as it was received. A plain value.
struct Received {
    std::string method;
    std::string target;
    std::string path;
    std::string query;  // without '?'
    Fields fields;
    std::uint64_t connection = 0;  // number of the connection it came on

    std::string line() const { return method + " " + target; }
};

// A raw HTTP/1.1 server on 127.0.0.1 with a thread for each connection, so that an
// answer may stop anywhere. It reads heads and no bodies: upstream requests of a
// pulling proxy have none. start() and stop() are called by one thread.
class FakeServer {
public:
    // Answers one request on the wire; false closes the connection. Called by many
    // threads.
    using Handler = std::function<bool(const Received&, Wire&)>;

    explicit FakeServer(Handler handler);
    ~FakeServer();  // stop()
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    // Listens: the first time on a port of the kernel's choice, then on the same.
    void start();
    // Refuses connections from now on and cuts those that are there. What blocks in
    // the handler must have been let go before.
    void stop();

    std::uint16_t port() const { return port_; }
    std::uint64_t connections() const;

private:
    struct Connection {
        explicit Connection(Wire w) : wire(std::move(w)) {}
        Wire wire;
        std::uint64_t number = 0;
        bool done = false;
        std::thread thread;
    };

    void accept();
    void add(Fd socket);
    void reapDone();
    void serve(Connection* connection);
    void serveRequests(Connection* connection);

    Handler handler_;
    std::uint16_t port_ = 0;
    Fd listener_;
    std::thread acceptor_;
    mutable std::mutex mutex_;
    std::list<Connection> connections_;
    std::uint64_t accepted_ = 0;
};

}  // namespace ociproxy::itest

#endif
