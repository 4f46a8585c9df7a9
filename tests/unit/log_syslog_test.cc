// Logs that go to syslog, against a socket of the test's own.
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/log_writer.h"
#include "ociproxy/base/text.h"
#include "support/log_fixture.h"

namespace ociproxy {

namespace {

// What syslogd does: receives datagrams at a path.
class TestSyslog {
public:
    explicit TestSyslog(const std::string& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        const sockaddr* name = reinterpret_cast<const sockaddr*>(&address);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(socket_.get(), name, sizeof address));
    }

    // Waits for the next datagram.
    std::string next() {
        char buffer[8192];
        const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
        CPPUNIT_ASSERT(count > 0);
        return std::string(buffer, static_cast<std::size_t>(count));
    }
    bool silent() {
        char byte;
        return ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
    }

private:
    Fd socket_;
};

}  // namespace

class LogSyslogTest : public LogFixture {
    CPPUNIT_TEST_SUITE(LogSyslogTest);
    CPPUNIT_TEST(messagesLookLikeSyslogs);
    CPPUNIT_TEST(severityFollowsTheLevel);
    CPPUNIT_TEST(aMissingSyslogIsNoFailure);
    CPPUNIT_TEST(itIsConnectedAnew);
    CPPUNIT_TEST(theWriterKeepsLinesForIt);
    CPPUNIT_TEST(aFullSocketHoldsNobodyUp);
    CPPUNIT_TEST(longLinesAreCut);
    CPPUNIT_TEST_SUITE_END();

public:
    // As syslog(3) with LOG_PID sends it: "<PRI>Mmm dd hh:mm:ss NAME[PID]: ", no line feed.
    void messagesLookLikeSyslogs() {
        TestSyslog syslog(file("socket"));
        Log log(options(), LogLevel::kInfo);
        log.warning("a\nb");
        const std::string message = syslog.next();
        CPPUNIT_ASSERT_EQUAL(std::string("<28>"), message.substr(0, 4));
        CPPUNIT_ASSERT_EQUAL(' ', message[7]);
        CPPUNIT_ASSERT_EQUAL(':', message[13]);
        CPPUNIT_ASSERT_EQUAL(cat(" ociproxy[", ::getpid(), "]: warning master[", ::getpid(),
                                 "] a\\x0ab"),
                             message.substr(19));
        LogFile access(options());
        access.writeLine("");
        CPPUNIT_ASSERT(startsWith(syslog.next(), "<30>"));
    }

    void severityFollowsTheLevel() {
        TestSyslog syslog(file("socket"));
        Log log(options(), LogLevel::kTrace);
        const char* const expected[] = {"<27>", "<28>", "<30>", "<31>", "<31>"};
        for (std::size_t i = 0; i < 5; ++i) {
            log.write(static_cast<LogLevel>(i), "x");
            CPPUNIT_ASSERT_EQUAL(std::string(expected[i]), syslog.next().substr(0, 4));
        }
    }

    void aMissingSyslogIsNoFailure() {
        LogFile log(options());
        CPPUNIT_ASSERT(log.enabled() && log.toSyslog());
        log.writeLine("one");
        log.writeLine("two");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, log.dropped());
        TestSyslog syslog(file("socket"));
        log.writeLine("three");
        CPPUNIT_ASSERT(endsWith(syslog.next(), "2 lines of this log were lost"));
        CPPUNIT_ASSERT(endsWith(syslog.next(), ": three"));
    }

    void itIsConnectedAnew() {
        LogFile log(options());
        for (int i = 0; i < 3; ++i) {
            TestSyslog syslog(file("socket"));
            log.writeLine("x");
            CPPUNIT_ASSERT(endsWith(syslog.next(), ": x"));
            CPPUNIT_ASSERT_EQUAL(0, ::unlink(file("socket").c_str()));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, log.dropped());
    }

    void theWriterKeepsLinesForIt() {
        LogFile log(options());
        LogWriter writer{&log};
        log.writeLine("one");
        log.writeLine("two");
        TestSyslog syslog(file("socket"));
        CPPUNIT_ASSERT(endsWith(syslog.next(), ": one"));
        CPPUNIT_ASSERT(endsWith(syslog.next(), ": two"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, log.dropped());
    }

    void aFullSocketHoldsNobodyUp() {
        constexpr int kLines = 5000;  // more than any socket takes
        TestSyslog syslog(file("socket"));
        LogFile log(options());
        LogWriter writer{&log};
        for (int i = 0; i < kLines; ++i) log.writeLine(cat("line ", i));
        for (int i = 0; i < kLines; ++i) {
            CPPUNIT_ASSERT(endsWith(syslog.next(), cat(": line ", i)));
        }
        CPPUNIT_ASSERT(syslog.silent());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, log.dropped());
    }

    void longLinesAreCut() {
        TestSyslog syslog(file("socket"));
        LogFile log(options());
        log.writeLine(std::string(10'000, 'x'));
        const std::string message = syslog.next();
        CPPUNIT_ASSERT(message.size() < 4200 && endsWith(message, "xxx..."));
    }

private:
    LogFile::Options options() const {
        LogFile::Options options = at("syslog");
        options.syslogSocket = file("socket");
        return options;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogSyslogTest);

}  // namespace ociproxy
