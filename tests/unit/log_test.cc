#include "ociproxy/base/log.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <set>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "support/log_fixture.h"

namespace ociproxy {

class LogTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogTest);
    CPPUNIT_TEST(levels);
    CPPUNIT_TEST(linesCarryTimeLevelRoleAndPid);
    CPPUNIT_TEST(linesBelowTheLevelAreNotWritten);
    CPPUNIT_TEST(controlBytesAreEscaped);
    CPPUNIT_TEST(offWritesNothing);
    CPPUNIT_TEST(stderrIsDescriptorTwoAndStaysOpen);
    CPPUNIT_TEST(aFileThatCannotBeOpenedIsRefused);
    CPPUNIT_TEST(anExistingFileIsAppendedTo);
    CPPUNIT_TEST(reopenFollowsARotation);
    CPPUNIT_TEST(failedReopenKeepsTheOldFile);
    CPPUNIT_TEST(unwritableLinesAreCounted);
    CPPUNIT_TEST(aFifoNeedsNoReader);
    CPPUNIT_TEST(aStuckReaderIsNotWaitedFor);
    CPPUNIT_TEST(stderrThatIsStuckIsNotWaitedForNorChanged);
    CPPUNIT_TEST(noLineIsLostOrTornWhenReopenedAmidWriters);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        char dir[] = "/tmp/ociproxy-log-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(dir) != nullptr);
        dir_ = dir;
        path_ = dir_ + "/a.log";
        rotated_ = dir_ + "/a.log.1";
    }

    void tearDown() override {
        ::unlink(path_.c_str());
        ::unlink(rotated_.c_str());
        ::rmdir(path_.c_str());
        ::rmdir(dir_.c_str());
    }

    void levels() {
        for (LogLevel level : {LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo,
                               LogLevel::kDebug, LogLevel::kTrace}) {
            CPPUNIT_ASSERT(parseLevel(levelName(level)) == level);
        }
        CPPUNIT_ASSERT(!parseLevel("INFO"));
        CPPUNIT_ASSERT(!parseLevel(""));
    }

    void linesCarryTimeLevelRoleAndPid() {
        Log log(path_, LogLevel::kInfo);
        log.info("first");
        log.setRole("worker 3");
        log.error("second");
        std::vector<std::string> lines = read(path_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, lines.size());
        std::string pid = cat('[', ::getpid(), "] ");
        CPPUNIT_ASSERT_EQUAL("Z info master" + pid + "first", lines[0].substr(23));
        CPPUNIT_ASSERT_EQUAL("Z error worker 3" + pid + "second", lines[1].substr(23));
        CPPUNIT_ASSERT_EQUAL('T', lines[0][10]);
    }

    void linesBelowTheLevelAreNotWritten() {
        Log log(path_, LogLevel::kWarning);
        log.info("x");
        log.debug("x");
        log.trace("x");
        log.warning("y");
        log.error("z");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, read(path_).size());
        CPPUNIT_ASSERT(!log.enabled(LogLevel::kInfo));
        CPPUNIT_ASSERT(log.enabled(LogLevel::kWarning));
    }

    void controlBytesAreEscaped() {
        LogFile file(path_);
        file.writeLine(std::string_view("a\nb\r\tc\0d\x1b[2J\x7f \\ \"\xc3\xa9", 19));
        CPPUNIT_ASSERT_EQUAL(
            std::string("a\\x0ab\\x0d\\x09c\\x00d\\x1b[2J\\x7f \\ \"\xc3\xa9"), read(path_).at(0));
    }

    void offWritesNothing() {
        LogFile file("off");
        CPPUNIT_ASSERT(!file.enabled());
        file.requestReopen();
        file.writeLine("x");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, file.dropped());
        CPPUNIT_ASSERT(::access("off", F_OK) != 0);
    }

    void stderrIsDescriptorTwoAndStaysOpen() {
        Fd saved(::dup(STDERR_FILENO));
        Fd target(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        CPPUNIT_ASSERT(::dup2(target.get(), STDERR_FILENO) == STDERR_FILENO);
        {
            LogFile file("stderr");
            file.requestReopen();
            file.writeLine("one");
        }
        ssize_t count = ::write(STDERR_FILENO, "two\n", 4);
        ::dup2(saved.get(), STDERR_FILENO);
        CPPUNIT_ASSERT_EQUAL(ssize_t{4}, count);
        CPPUNIT_ASSERT((read(path_) == std::vector<std::string>{"one", "two"}));
    }

    void aFileThatCannotBeOpenedIsRefused() {
        try {
            LogFile file(dir_ + "/none/a.log");
            CPPUNIT_FAIL("opened in a directory that is not there");
        } catch (const SysError& e) {
            CPPUNIT_ASSERT_EQUAL(ENOENT, e.code());
        }
    }

    void anExistingFileIsAppendedTo() {
        LogFile(path_).writeLine("one");
        LogFile(path_).writeLine("two");
        CPPUNIT_ASSERT((read(path_) == std::vector<std::string>{"one", "two"}));
    }

    void reopenFollowsARotation() {
        LogFile file(path_);
        file.writeLine("one");
        CPPUNIT_ASSERT_EQUAL(0, ::rename(path_.c_str(), rotated_.c_str()));
        file.writeLine("two");
        file.requestReopen();
        file.writeLine("three");
        CPPUNIT_ASSERT((read(rotated_) == std::vector<std::string>{"one", "two"}));
        CPPUNIT_ASSERT((read(path_) == std::vector<std::string>{"three"}));
    }

    void failedReopenKeepsTheOldFile() {
        LogFile file(path_);
        CPPUNIT_ASSERT_EQUAL(0, ::rename(path_.c_str(), rotated_.c_str()));
        CPPUNIT_ASSERT_EQUAL(0, ::mkdir(path_.c_str(), 0700));
        file.requestReopen();
        file.writeLine("one");
        file.writeLine("two");
        std::vector<std::string> lines = read(rotated_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, lines.size());
        CPPUNIT_ASSERT(lines[0].find("cannot reopen log " + path_) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string("one"), lines[1]);
        CPPUNIT_ASSERT_EQUAL(std::string("two"), lines[2]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, file.dropped());
    }

    void unwritableLinesAreCounted() {
        LogFile file("/dev/full");
        file.writeLine("one");
        file.writeLine("two");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, file.dropped());
    }

    void aFifoNeedsNoReader() {
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path_.c_str(), 0600));
        LogFile file(path_);
        file.writeLine("one");
        Fd reader(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        char buffer[8];
        CPPUNIT_ASSERT_EQUAL(ssize_t{4}, ::read(reader.get(), buffer, sizeof buffer));
    }

    void aStuckReaderIsNotWaitedFor() {
        TestFifo fifo(path_);
        fifo.fill();
        LogFile file(path_);
        for (int i = 0; i < 3; ++i) file.writeLine("x");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, file.dropped());
        fifo.drain();
        file.writeLine("through");
        const Lines lines = linesIn(fifo.drain());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, lines.size());
        CPPUNIT_ASSERT(endsWith(lines[0], "3 lines of this log were lost"));
        CPPUNIT_ASSERT_EQUAL(std::string("through"), lines[1]);
    }

    void stderrThatIsStuckIsNotWaitedForNorChanged() {
        TestFifo fifo(path_);
        Fd inherited(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
        OtherStderr other(inherited.get());
        LogFile file("stderr");
        file.writeLine("one");
        fifo.fill();
        file.writeLine("two");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, file.dropped());
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(inherited.get(), F_GETFL) & O_NONBLOCK);
        CPPUNIT_ASSERT_EQUAL(std::string("one\n"), fifo.drain());
    }

    void noLineIsLostOrTornWhenReopenedAmidWriters() {
        constexpr int kWriters = 4;
        constexpr int kLines = 8000;
        LogFile file(path_);
        pthread_barrier_t barrier;
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_barrier_init(&barrier, nullptr, kWriters + 1));
        std::atomic<int> running{kWriters};
        std::vector<std::thread> writers;
        for (int w = 0; w < kWriters; ++w) {
            writers.emplace_back([&, w] {
                ::pthread_barrier_wait(&barrier);
                for (int i = 0; i < kLines; ++i) file.writeLine(cat("writer ", w, " line ", i));
                running.fetch_sub(1);
            });
        }
        ::pthread_barrier_wait(&barrier);
        while (running.load() > 0) file.requestReopen();
        for (std::thread& writer : writers) writer.join();
        ::pthread_barrier_destroy(&barrier);
        std::vector<std::string> lines = read(path_);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, file.dropped());
        CPPUNIT_ASSERT_EQUAL(std::size_t{kWriters * kLines}, lines.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{kWriters * kLines},
                             std::set<std::string>(lines.begin(), lines.end()).size());
    }

private:
    static std::vector<std::string> read(const std::string& path) {
        Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        CPPUNIT_ASSERT(fd.valid());
        std::string text = readAll(fd.get(), 4 << 20, "read " + path);
        CPPUNIT_ASSERT(text.empty() || text.back() == '\n');
        std::vector<std::string> out;
        for (std::string_view line : split(text, '\n')) out.emplace_back(line);
        out.pop_back();
        return out;
    }

    std::string dir_;
    std::string path_;
    std::string rotated_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogTest);

}  // namespace ociproxy
