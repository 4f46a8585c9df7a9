// What systemd does to the program: it passes a socket, and is told of the service's life.
#include <csignal>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "integration/integration_test.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"

namespace ociproxy::itest {

namespace {

// Where the proxy says what it does.
class NotifySocket {
public:
    explicit NotifySocket(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        CPPUNIT_ASSERT(path.size() < sizeof address.sun_path);
        path.copy(address.sun_path, path.size());
        const auto* any = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(socket_.get(), any, sizeof address) != 0) throwErrno("bind a notify socket");
    }

    // Waits until a message with that line comes; those before it are over then.
    void await(const std::string& line) {
        itest::await(cat(line, " among\n", all_), [&] {
            char buffer[4096];
            const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (size <= 0) return false;
            const std::string message(buffer, static_cast<std::size_t>(size));
            all_ += message;
            return cat("\n", message).find(cat("\n", line, "\n")) != std::string::npos;
        });
    }
    const std::string& all() const { return all_; }

private:
    Fd socket_;
    std::string all_;
};

}  // namespace

class ServiceManagerTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(ServiceManagerTest);
    OCIPROXY_INTEGRATION_TEST(itIsToldOfStartReloadAndStop);
    OCIPROXY_INTEGRATION_TEST(itsSocketIsServedAndOutlivesTheService);
    CPPUNIT_TEST_SUITE_END();

public:
    void itIsToldOfStartReloadAndStop() {
        makeProxy({});
        const std::string path = proxy().root().file("notify");
        NotifySocket manager(path);
        proxy().startThrough({"/usr/bin/env", cat("NOTIFY_SOCKET=", path)});
        proxy().start();
        manager.await("READY=1");
        assertContains(manager.all(), "STATUS=running: 2 of 2 workers");
        proxy().reload();
        manager.await("RELOADING=1");
        manager.await("READY=1");
        proxy().configure("no_such_key = 1\n");
        proxy().refusedReload();
        manager.await("RELOADING=1");
        manager.await("READY=1");
        assertServed(get("/v2/"), "{}");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        manager.await("STOPPING=1");
    }

    // Nobody is refused while the service is started anew: they wait in its backlog.
    void itsSocketIsServedAndOutlivesTheService() {
        const Fd socket = listen();
        makeProxy({});
        proxy().passSocket(socket.get());
        proxy().startThrough(
            {"/bin/sh", "-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"});
        proxy().start();
        CPPUNIT_ASSERT_EQUAL(portOf(socket), proxy().port());
        assertServed(get("/v2/"), "{}");
        proxy().reload();
        assertServed(get("/v2/"), "{}");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        TestClient early(portOf(socket));
        early.send("GET", "/v2/");
        proxy().start();
        assertServed(early.read(), "{}");
    }

private:
    static Fd listen() {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* any = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(socket.get(), any, sizeof address) != 0 || ::listen(socket.get(), 16) != 0) {
            throwErrno("listen in a test");
        }
        return socket;
    }

    static std::uint16_t portOf(const Fd& socket) {
        sockaddr_in address = {};
        socklen_t size = sizeof address;
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(address.sin_port);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ServiceManagerTest);

}  // namespace ociproxy::itest
