#include "ociproxy/proc/listeners.h"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/address.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/privileges.h"
#include "support/runner.h"

namespace ociproxy {

namespace {

ListenAddress address(const std::string& host, unsigned port) {
    ListenAddress out;
    out.text = cat(host, ":", port);
    out.address = IpAddress::parse(host);
    out.port = static_cast<std::uint16_t>(port);
    return out;
}

unsigned portOf(const Listeners& listeners) {
    std::string text = listeners.text();
    return static_cast<unsigned>(std::stoul(text.substr(text.rfind(':') + 1)));
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    CPPUNIT_ASSERT_EQUAL(0, ::getsockopt(fd, level, name, &value, &size));
    return value;
}

bool connectsV4(unsigned port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

bool connectsV6(unsigned port) {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(static_cast<std::uint16_t>(port));
    to.sin6_addr = in6addr_loopback;
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

bool haveIpv6() {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_addr = in6addr_loopback;
    return fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
}

std::string callOf(pid_t thread) {
    std::ifstream file(cat("/proc/self/task/", thread, "/syscall"));
    std::string number;
    file >> number;
    return number;
}

// Whether the system says in which system call a thread of ours is.
bool sleepIsSeen() { return !callOf(static_cast<pid_t>(::syscall(SYS_gettid))).empty(); }

bool sleeps(pid_t thread) {
    return thread != 0 && callOf(thread) == std::to_string(SYS_clock_nanosleep);
}

// A name in a directory of its own.
class TemporaryPath {
public:
    TemporaryPath() { CPPUNIT_ASSERT(::mkdtemp(directory_) != nullptr); }
    ~TemporaryPath() {
        ::unlink(text().c_str());
        ::rmdir(directory_);
    }
    TemporaryPath(const TemporaryPath&) = delete;
    TemporaryPath& operator=(const TemporaryPath&) = delete;

    std::string text() const { return cat(directory_, "/socket"); }
    // Of what is there; 0: nothing.
    mode_t mode() const {
        struct stat status {};
        return ::lstat(text().c_str(), &status) == 0 ? status.st_mode : 0;
    }

private:
    char directory_[32] = "/tmp/ociproxy-listen-XXXXXX";
};

ListenAddress onPath(const TemporaryPath& path) {
    ListenAddress out;
    out.text = out.path = path.text();
    return out;
}

sockaddr_un addressOf(const TemporaryPath& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    path.text().copy(out.sun_path, sizeof out.sun_path - 1);
    return out;
}

bool connectsPath(const TemporaryPath& path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to = addressOf(path);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

void leaveSocket(const TemporaryPath& path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un at = addressOf(path);
    CPPUNIT_ASSERT_EQUAL(0, ::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at));
    CPPUNIT_ASSERT_EQUAL(0, ::listen(fd.get(), 1));
}

// From here on this process lives on a kernel without IPv6.
bool loseIpv6() {
    constexpr std::uint32_t kCall = offsetof(seccomp_data, nr);
    constexpr std::uint32_t kFamily = offsetof(seccomp_data, args);
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kCall),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFamily),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{sizeof code / sizeof code[0], code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

class ListenersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ListenersTest);
    CPPUNIT_TEST(theKernelsPortIsShown);
    CPPUNIT_TEST(severalAddresses);
    CPPUNIT_TEST(allAddressesAreOneSocketForBothFamilies);
    CPPUNIT_TEST(withoutIpv6AllAddressesMeansIpv4);
    CPPUNIT_TEST(anIpv6AddressIsForIpv6Only);
    CPPUNIT_TEST(socketOptions);
    CPPUNIT_TEST(aBusyPortIsRefusedByName);
    CPPUNIT_TEST(aBusyPortIsTriedAgain);
    CPPUNIT_TEST(aForeignAddressIsRefusedAtOnce);
    CPPUNIT_TEST(closeLetsGo);
    CPPUNIT_TEST(whatIsListenedOnAlreadyIsShared);
    CPPUNIT_TEST(equalWordsAreSharedOneByOne);
    CPPUNIT_TEST(aNewAddressIsBoundAndAnOldOneLetGo);
    CPPUNIT_TEST(inheritedSocketsServeEveryConfiguration);
    CPPUNIT_TEST(aPassedDescriptorMustListen);
    CPPUNIT_TEST(aPathIsAUnixSocketForTheGroup);
    CPPUNIT_TEST(aPathBecomesWhoseItIsToBe);
    CPPUNIT_TEST(whatTookItsPlaceIsNotGivenAway);
    CPPUNIT_TEST(aLeftOverSocketIsReplaced);
    CPPUNIT_TEST(aSocketThatAnswersIsNot);
    CPPUNIT_TEST(whatIsNoSocketStays);
    CPPUNIT_TEST(onlyItsMakerRemovesThePath);
    CPPUNIT_TEST(aSharedPathGoesWithTheLast);
    CPPUNIT_TEST_SUITE_END();

public:
    void theKernelsPortIsShown() {
        Listeners listeners({address("127.0.0.1", 0)}, Millis{0});
        CPPUNIT_ASSERT_MESSAGE(listeners.text(), startsWith(listeners.text(), "127.0.0.1:"));
        CPPUNIT_ASSERT(portOf(listeners) != 0);
        CPPUNIT_ASSERT(connectsV4(portOf(listeners)));
    }

    void severalAddresses() {
        Listeners listeners({address("127.0.0.1", 0), address("127.0.0.2", 0)}, Millis{0});
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, listeners.descriptors().size());
        CPPUNIT_ASSERT(listeners.text().find(", 127.0.0.2:") != std::string::npos);
    }

    void allAddressesAreOneSocketForBothFamilies() {
        Listeners listeners({address("", 0)}, Millis{0});
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, listeners.descriptors().size());
        CPPUNIT_ASSERT(connectsV4(portOf(listeners)));
        if (!haveIpv6()) return;
        CPPUNIT_ASSERT_MESSAGE(listeners.text(), startsWith(listeners.text(), "[::]:"));
        CPPUNIT_ASSERT(connectsV6(portOf(listeners)));
    }

    void withoutIpv6AllAddressesMeansIpv4() {
        pid_t pid = ::fork();
        CPPUNIT_ASSERT(pid >= 0);
        if (pid == 0) ::_exit(listensWithoutIpv6());
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    void anIpv6AddressIsForIpv6Only() {
        if (!haveIpv6()) return;
        Listeners listeners({address("::1", 0)}, Millis{0});
        CPPUNIT_ASSERT_MESSAGE(listeners.text(), startsWith(listeners.text(), "[::1]:"));
        CPPUNIT_ASSERT(connectsV6(portOf(listeners)));
        CPPUNIT_ASSERT(!connectsV4(portOf(listeners)));
        CPPUNIT_ASSERT_EQUAL(1, option(listeners.descriptors()[0], IPPROTO_IPV6, IPV6_V6ONLY));
    }

    void socketOptions() {
        Listeners listeners({address("127.0.0.1", 0)}, Millis{0});
        int fd = listeners.descriptors()[0];
        CPPUNIT_ASSERT_EQUAL(1, option(fd, SOL_SOCKET, SO_REUSEADDR));
        CPPUNIT_ASSERT_EQUAL(0, option(fd, SOL_SOCKET, SO_REUSEPORT));
        CPPUNIT_ASSERT_EQUAL(1, option(fd, SOL_SOCKET, SO_ACCEPTCONN));
        CPPUNIT_ASSERT((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        CPPUNIT_ASSERT((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    }

    void aBusyPortIsRefusedByName() {
        Listeners first({address("127.0.0.1", 0)}, Millis{0});
        try {
            Listeners second({address("127.0.0.1", portOf(first))}, Millis{60});
            CPPUNIT_FAIL("bound twice");
        } catch (const FatalError& e) {
            CPPUNIT_ASSERT_EQUAL(EX_UNAVAILABLE, e.status());
            std::string what = e.what();
            std::string name = cat("127.0.0.1:", portOf(first), ":");
            CPPUNIT_ASSERT_MESSAGE(what, what.find(name) != std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(what, what.find("in use") != std::string::npos);
        }
    }

    void aBusyPortIsTriedAgain() {
        std::optional<Listeners> first(std::in_place, std::vector{address("127.0.0.1", 0)},
                                       Millis{0});
        unsigned port = portOf(*first);
        if (!sleepIsSeen()) skipTest("/proc/self/task/*/syscall is not to be read");
        std::atomic<pid_t> trying{0};
        std::atomic<bool> over{false};
        std::string bound;
        std::thread second([&] {
            trying = static_cast<pid_t>(::syscall(SYS_gettid));
            try {
                bound = Listeners({address("127.0.0.1", port)}, Millis{60'000}).text();
            } catch (const FatalError& e) {
                bound = e.what();
            }
            over = true;
        });
        while (!over && !sleeps(trying)) std::this_thread::yield();
        first.reset();  // between two tries: the first one has failed
        second.join();
        CPPUNIT_ASSERT_EQUAL(cat("127.0.0.1:", port), bound);
    }

    void aForeignAddressIsRefusedAtOnce() {
        TimePoint before = now();
        CPPUNIT_ASSERT_THROW(Listeners({address("192.0.2.1", 0)}, Millis{60'000}), FatalError);
        CPPUNIT_ASSERT(now() - before < Millis{30'000});
    }

    void whatIsListenedOnAlreadyIsShared() {
        const std::vector<ListenAddress> addresses{address("127.0.0.1", 0)};
        std::optional<Listeners> first(std::in_place, addresses, Millis{0});
        const std::string text = first->text();
        Listeners second(addresses, *first);
        CPPUNIT_ASSERT_EQUAL(text, second.text());
        first.reset();
        CPPUNIT_ASSERT(connectsV4(portOf(second)));
    }

    void equalWordsAreSharedOneByOne() {
        const std::vector<ListenAddress> addresses{address("127.0.0.1", 0), address("127.0.0.1", 0)};
        Listeners first(addresses, Millis{0});
        CPPUNIT_ASSERT_EQUAL(first.text(), Listeners(addresses, first).text());
    }

    void aNewAddressIsBoundAndAnOldOneLetGo() {
        std::optional<Listeners> first(
            std::in_place, std::vector{address("127.0.0.1", 0)}, Millis{0});
        const unsigned port = portOf(*first);
        Listeners second({address("127.0.0.2", 0)}, *first);
        CPPUNIT_ASSERT_MESSAGE(second.text(), startsWith(second.text(), "127.0.0.2:"));
        first.reset();
        CPPUNIT_ASSERT(!connectsV4(port));
        // A busy one is not waited for: who reloads has the present one to go on with.
        CPPUNIT_ASSERT_THROW(Listeners({address("127.0.0.2", portOf(second))}, Listeners({}, second)),
                             FatalError);
    }

    void inheritedSocketsServeEveryConfiguration() {
        Listeners made({address("127.0.0.1", 0)}, Millis{0});
        std::vector<Fd> passed;
        passed.emplace_back(::dup(made.descriptors()[0]));
        Listeners first(std::move(passed));
        CPPUNIT_ASSERT_EQUAL(made.text(), first.text());
        Listeners second({address("127.0.0.2", 0)}, first);
        CPPUNIT_ASSERT_EQUAL(made.text(), second.text());
    }

    void aPassedDescriptorMustListen() {
        std::vector<Fd> passed;
        passed.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        try {
            Listeners listeners(std::move(passed));
            CPPUNIT_FAIL("taken");
        } catch (const FatalError& e) {
            CPPUNIT_ASSERT_EQUAL(EX_CONFIG, e.status());
        }
    }

    void closeLetsGo() {
        Listeners listeners({address("127.0.0.1", 0)}, Millis{0});
        unsigned port = portOf(listeners);
        listeners.close();
        CPPUNIT_ASSERT(listeners.descriptors().empty());
        CPPUNIT_ASSERT(!connectsV4(port));
    }

    void aPathIsAUnixSocketForTheGroup() {
        TemporaryPath path;
        {
            Listeners listeners({onPath(path)}, Millis{0});
            CPPUNIT_ASSERT_EQUAL(cat("unix:", path.text()), listeners.text());
            CPPUNIT_ASSERT_EQUAL(mode_t{S_IFSOCK | 0660}, path.mode());
            CPPUNIT_ASSERT(connectsPath(path));
        }
        CPPUNIT_ASSERT_EQUAL(mode_t{0}, path.mode());
    }

    void aPathBecomesWhoseItIsToBe() {
        if (::geteuid() != 0) skipTest("only root gives files away");
        TemporaryPath path;
        std::optional<Listeners> listeners(std::in_place, std::vector{onPath(path)}, Millis{0});
        listeners->giveTo(Identity{4711, 4712});
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::lstat(path.text().c_str(), &status));
        CPPUNIT_ASSERT_EQUAL(uid_t{4711}, status.st_uid);
        CPPUNIT_ASSERT_EQUAL(gid_t{4712}, status.st_gid);
        CPPUNIT_ASSERT_EQUAL(mode_t{S_IFSOCK | 0660}, path.mode());
        listeners.reset();
        CPPUNIT_ASSERT_EQUAL(mode_t{0}, path.mode());
    }

    // Whoever may write to the directory has put another file there.
    void whatTookItsPlaceIsNotGivenAway() {
        TemporaryPath path;
        Listeners listeners({onPath(path)}, Millis{0});
        ::unlink(path.text().c_str());
        awaitTick();
        Fd(::open(path.text().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        CPPUNIT_ASSERT_THROW(listeners.giveTo(ownIdentity()), FatalError);
    }

    void aLeftOverSocketIsReplaced() {
        TemporaryPath path;
        leaveSocket(path);
        CPPUNIT_ASSERT(!connectsPath(path));
        Listeners listeners({onPath(path)}, Millis{0});
        CPPUNIT_ASSERT(connectsPath(path));
    }

    void aSocketThatAnswersIsNot() {
        TemporaryPath path;
        Listeners first({onPath(path)}, Millis{0});
        try {
            Listeners second({onPath(path)}, Millis{60});
            CPPUNIT_FAIL("bound twice");
        } catch (const FatalError& e) {
            CPPUNIT_ASSERT_EQUAL(EX_UNAVAILABLE, e.status());
            std::string what = e.what();
            CPPUNIT_ASSERT_MESSAGE(what, what.find(path.text()) != std::string::npos);
            CPPUNIT_ASSERT_MESSAGE(what, what.find("in use") != std::string::npos);
        }
        CPPUNIT_ASSERT(connectsPath(path));
    }

    void whatIsNoSocketStays() {
        TemporaryPath path;
        Fd(::open(path.text().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        CPPUNIT_ASSERT_THROW(Listeners({onPath(path)}, Millis{60'000}), FatalError);
        CPPUNIT_ASSERT_EQUAL(mode_t{S_IFREG | 0600}, path.mode());
    }

    void onlyItsMakerRemovesThePath() {
        TemporaryPath path;
        std::optional<Listeners> listeners(std::in_place, std::vector{onPath(path)}, Millis{0});
        pid_t pid = ::fork();
        CPPUNIT_ASSERT(pid >= 0);
        if (pid == 0) {
            listeners.reset();
            ::_exit(0);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(pid, ::waitpid(pid, &status, 0));
        CPPUNIT_ASSERT(connectsPath(path));
        // Another's by now.
        ::unlink(path.text().c_str());
        awaitTick();
        Listeners next({onPath(path)}, Millis{0});
        listeners.reset();
        CPPUNIT_ASSERT(connectsPath(path));
    }

    void aSharedPathGoesWithTheLast() {
        TemporaryPath path;
        std::optional<Listeners> first(std::in_place, std::vector{onPath(path)}, Millis{0});
        std::optional<Listeners> second(std::in_place, std::vector{onPath(path)}, *first);
        first.reset();
        CPPUNIT_ASSERT(connectsPath(path));
        second.reset();
        CPPUNIT_ASSERT_EQUAL(mode_t{0}, path.mode());
    }

private:
    // Files made before and after differ in their times.
    static void awaitTick() {
        timespec from{};
        timespec to{};
        ::clock_gettime(CLOCK_REALTIME_COARSE, &from);
        do {
            ::clock_gettime(CLOCK_REALTIME_COARSE, &to);
        } while (from.tv_sec == to.tv_sec && from.tv_nsec == to.tv_nsec);
    }

    static int listensWithoutIpv6() {
        if (!loseIpv6()) return 2;
        try {
            Listeners listeners({address("", 0)}, Millis{0});
            bool v4 = startsWith(listeners.text(), "0.0.0.0:");
            return v4 && connectsV4(portOf(listeners)) ? 0 : 1;
        } catch (const std::exception&) {
            return 3;
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ListenersTest);

}  // namespace ociproxy
