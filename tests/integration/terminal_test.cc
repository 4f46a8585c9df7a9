// In the foreground of a terminal: what the terminal does to the whole process group is the
// master's to decide.
#include <csignal>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <unistd.h>

#include "integration/proc_view.h"
#include "integration/stopped_fill_test.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"

namespace ociproxy::itest {

namespace {

// Both ends of a pseudo-terminal.
struct Terminal {
    Terminal() : keyboard(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        if (!keyboard || ::grantpt(keyboard.get()) != 0 || ::unlockpt(keyboard.get()) != 0) {
            throwErrno("posix_openpt");
        }
        line = Fd(::open(::ptsname(keyboard.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (!line) throwErrno("open a pseudo-terminal");
    }

    Fd keyboard;
    Fd line;
};

}  // namespace

class TerminalTest : public StoppedFillTest {
    CPPUNIT_TEST_SUITE(TerminalTest);
    OCIPROXY_INTEGRATION_TEST(hangUpStops);
    OCIPROXY_INTEGRATION_TEST(hangUpFromSomebodyReloads);
    OCIPROXY_INTEGRATION_TEST(interruptStopsWithoutHaste);
    CPPUNIT_TEST_SUITE_END();

public:
    // The kernel tells the leader of the session when nobody holds the other end.
    void hangUpStops() {
        startOnTerminal();
        const std::vector<pid_t> children = childrenOf(proxy().master());
        terminal_->keyboard.reset();
        CPPUNIT_ASSERT_EQUAL(0, proxy().awaitEnd());
        assertContains(proxy().log(), "received SIGHUP while running");
        assertLacks(proxy().log(), "reloaded");
        for (pid_t child : children) CPPUNIT_ASSERT(isGone(child));
    }

    void hangUpFromSomebodyReloads() {
        startOnTerminal();
        proxy().reload();
        assertServed(get("/v2/"), "{}");
    }

    // The key goes to the workers too, which must not end before their clients.
    void interruptStopsWithoutHaste() {
        startOnTerminal();
        prepare({kLarge, kStopAt, -1, {}});
        TestClient client(proxy().port());
        Response response = startFollowing(&client, kMiB);
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(terminal_->keyboard.get(), "\x03", 1));
        await("it stops", [&] {
            return proxy().log().find("received SIGINT while running") != std::string::npos;
        });
        gate_->open();
        client.finish(&response);
        assertServed(response, bytes_);
        client.reset();
        CPPUNIT_ASSERT_EQUAL(0, proxy().awaitEnd());
    }

private:
    void startOnTerminal() {
        terminal_ = std::make_unique<Terminal>();
        makeProxy({});
        proxy().startOn(terminal_->line.get());
        proxy().start();
        terminal_->line.reset();
    }

    std::unique_ptr<Terminal> terminal_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TerminalTest);

}  // namespace ociproxy::itest
