#include "ociproxy/proc/service_manager.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

// The other end: a manager's socket in the abstract name space, or below /tmp.
class ManagerSocket {
public:
    explicit ManagerSocket(const std::string& name)
        : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path, name.data(), name.size());
        if (at.sun_path[0] == '@') at.sun_path[0] = '\0';
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        CPPUNIT_ASSERT_EQUAL(0, ::bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), size));
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }

    // The next message, or "nothing".
    std::string next() {
        char text[512];
        const ssize_t count = ::recv(fd_.get(), text, sizeof text, 0);
        return count < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(count));
    }

private:
    Fd fd_;
};

class ServiceManagerTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ServiceManagerTest);
    CPPUNIT_TEST(withoutASocketNothingIsSaid);
    CPPUNIT_TEST(milestonesAreSaid);
    CPPUNIT_TEST(aSocketWithAPathIsSpokenToAsWell);
    CPPUNIT_TEST(anUnchangedStatusIsNotRepeated);
    CPPUNIT_TEST(theWatchdogIsFed);
    CPPUNIT_TEST(anothersWatchdogIsNot);
    CPPUNIT_TEST(aManagerThatDoesNotReadIsNotWaitedFor);
    CPPUNIT_TEST(passedSocketsAreTaken);
    CPPUNIT_TEST(whatWasPassedToAnotherIsLeftAlone);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { clear(); }
    void tearDown() override { clear(); }

    void withoutASocketNothingIsSaid() {
        ServiceManager manager;
        CPPUNIT_ASSERT(!manager.present());
        manager.announce(Milestone::kReady, "running");
    }

    void milestonesAreSaid() {
        ManagerSocket socket(name_);
        ServiceManager manager;
        manager.announce(Milestone::kReady, "running");
        CPPUNIT_ASSERT_EQUAL(std::string("READY=1\nSTATUS=running\n"), socket.next());
        manager.announce(Milestone::kReloading, "running");
        const std::string reloading = socket.next();
        CPPUNIT_ASSERT_MESSAGE(reloading, startsWith(reloading, "RELOADING=1\nMONOTONIC_USEC="));
        manager.announce(Milestone::kReloadRefused, "running");
        CPPUNIT_ASSERT_EQUAL(std::string("READY=1\n"), socket.next());
        manager.announce(Milestone::kReloading, "running");
        socket.next();
        manager.announce(Milestone::kReloaded, "running");
        CPPUNIT_ASSERT_EQUAL(std::string("READY=1\n"), socket.next());
        manager.announce(Milestone::kStopping, "stopping");
        CPPUNIT_ASSERT_EQUAL(std::string("STOPPING=1\nSTATUS=stopping\n"), socket.next());
    }

    void aSocketWithAPathIsSpokenToAsWell() {
        const std::string path = cat("/tmp/ociproxy-notify-", ::getpid());
        ManagerSocket socket(path);
        ServiceManager manager;
        ::unsetenv("NOTIFY_SOCKET");
        manager.announce(Milestone::kReady, "");
        CPPUNIT_ASSERT_EQUAL(std::string("READY=1\n"), socket.next());
        ::unlink(path.c_str());
    }

    void anUnchangedStatusIsNotRepeated() {
        ManagerSocket socket(name_);
        ServiceManager manager;
        manager.announce(Milestone::kAlive, "a");
        CPPUNIT_ASSERT_EQUAL(std::string("STATUS=a\n"), socket.next());
        manager.announce(Milestone::kAlive, "a");
        CPPUNIT_ASSERT_EQUAL(std::string("nothing"), socket.next());
        manager.announce(Milestone::kAlive, "b");
        CPPUNIT_ASSERT_EQUAL(std::string("STATUS=b\n"), socket.next());
    }

    void theWatchdogIsFed() {
        ManagerSocket socket(name_);
        ::setenv("WATCHDOG_USEC", "7200000000", 1);
        ::setenv("WATCHDOG_PID", cat(::getpid()).c_str(), 1);
        ServiceManager manager;
        manager.announce(Milestone::kAlive, "");
        CPPUNIT_ASSERT_EQUAL(std::string("WATCHDOG=1\n"), socket.next());
        manager.announce(Milestone::kAlive, "");  // in the next hour
        CPPUNIT_ASSERT_EQUAL(std::string("nothing"), socket.next());
    }

    void anothersWatchdogIsNot() {
        ManagerSocket socket(name_);
        ::setenv("WATCHDOG_USEC", "1000000", 1);
        ::setenv("WATCHDOG_PID", "1", 1);
        ServiceManager manager;
        manager.announce(Milestone::kAlive, "");
        CPPUNIT_ASSERT_EQUAL(std::string("nothing"), socket.next());
    }

    void aManagerThatDoesNotReadIsNotWaitedFor() {
        ManagerSocket socket(name_);
        ServiceManager manager;
        for (int i = 0; i < 10'000; ++i) manager.announce(Milestone::kAlive, cat(i));
        CPPUNIT_ASSERT_EQUAL(std::string("STATUS=0\n"), socket.next());
    }

    // Descriptors 3 and up of a child that has only those.
    void passedSocketsAreTaken() { CPPUNIT_ASSERT_EQUAL(0, inChild(true)); }
    void whatWasPassedToAnotherIsLeftAlone() { CPPUNIT_ASSERT_EQUAL(0, inChild(false)); }

private:
    static void clear() {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID",
                                 "LISTEN_FDS", "LISTEN_FDNAMES"}) {
            ::unsetenv(name);
        }
    }

    static int inChild(bool ours) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(takes(ours));
        int status = 0;
        ::waitpid(pid, &status, 0);
        return status;
    }

    // 0, or the number of the expectation that failed.
    static int takes(bool ours) {
        if (::dup2(STDERR_FILENO, 3) != 3 || ::dup2(STDERR_FILENO, 4) != 4) return 1;
        ::setenv("LISTEN_PID", cat(ours ? ::getpid() : ::getppid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "2", 1);
        const std::vector<Fd> taken = takeInheritedSockets();
        if (std::getenv("LISTEN_PID") || std::getenv("LISTEN_FDS")) return 2;
        if (!ours) return taken.empty() ? 0 : 3;
        if (taken.size() != 2 || taken[0].get() != 3 || taken[1].get() != 4) return 4;
        return (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 ? 0 : 5;
    }

    const std::string name_ = cat("@ociproxy-test-", ::getpid());
};

CPPUNIT_TEST_SUITE_REGISTRATION(ServiceManagerTest);

}  // namespace ociproxy
