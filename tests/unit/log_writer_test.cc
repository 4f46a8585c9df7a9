// Logs behind the thread that writes them: nobody waits, nothing is lost that need not be.
#include "ociproxy/base/log_writer.h"

#include <atomic>
#include <cstdio>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/log_fixture.h"

namespace ociproxy {

class LogWriterTest : public LogFixture {
    CPPUNIT_TEST_SUITE(LogWriterTest);
    CPPUNIT_TEST(linesOfAllThreadsArriveAcrossRotations);
    CPPUNIT_TEST(aLineAfterASilenceNeedsNoPush);
    CPPUNIT_TEST(theEndWritesWhatIsQueued);
    CPPUNIT_TEST(whatFindsNoRoomIsCountedAndReported);
    CPPUNIT_TEST(roomIsAlsoAMatterOfBytes);
    CPPUNIT_TEST(lossesAreAddedToTheCounter);
    CPPUNIT_TEST(manyLinesAreOneWriteOfWholeLines);
    CPPUNIT_TEST(aStuckReaderHoldsUpNeitherOthersNorTheEnd);
    CPPUNIT_TEST(aFullDiskHoldsUpNeitherOthersNorTheEnd);
    CPPUNIT_TEST(whatFailedIsTriedAgain);
    CPPUNIT_TEST(reopeningNeedsNoLine);
    CPPUNIT_TEST(aFailedReopeningIsToldAndTriedAgain);
    CPPUNIT_TEST(longLinesAreCutOnlyForPipes);
    CPPUNIT_TEST(bothSidesOfAForkWriteAndCountForThemselves);
    CPPUNIT_TEST_SUITE_END();

public:
    void linesOfAllThreadsArriveAcrossRotations() {
        constexpr int kWriters = 4;
        constexpr int kLines = 4000;
        constexpr int kRotations = 20;
        LogFile log(at(file("log"), std::size_t{kWriters} * kLines));
        LogWriter writer{&log};
        std::atomic<int> running{kWriters};
        std::vector<std::thread> writers;
        for (int w = 0; w < kWriters; ++w) {
            writers.emplace_back([&, w] {
                for (int i = 0; i < kLines; ++i) log.writeLine(cat("writer ", w, " line ", i));
                --running;
            });
        }
        int rotations = 0;
        while (rotations < kRotations || running > 0) {
            const std::string old = file(cat("log.", rotations++));
            CPPUNIT_ASSERT_EQUAL(0, ::rename(file("log").c_str(), old.c_str()));
            log.requestReopen();
            CPPUNIT_ASSERT(log.flush(soon()));
        }
        for (std::thread& thread : writers) thread.join();
        CPPUNIT_ASSERT(log.flush(soon()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, log.dropped());
        Lines lines = read(file("log"));
        for (int i = 0; i < rotations; ++i) {
            for (std::string& line : read(file(cat("log.", i)))) lines.push_back(std::move(line));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{kWriters * kLines}, lines.size());
        CPPUNIT_ASSERT_EQUAL(lines.size(), std::set<std::string>(lines.begin(), lines.end()).size());
    }

    void aLineAfterASilenceNeedsNoPush() {
        LogFile log(file("log"));
        LogWriter writer{&log};
        for (std::size_t i = 1; i <= 20; ++i) {
            log.writeLine("x");
            while (read(file("log")).size() < i) std::this_thread::yield();
        }
    }

    void theEndWritesWhatIsQueued() {
        LogFile log(file("log"));
        {
            LogWriter writer{&log};
            for (int i = 0; i < 1000; ++i) log.writeLine(cat(i));
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{1000}, read(file("log")).size());
        log.writeLine("afterwards");  // by whoever writes it, again
        CPPUNIT_ASSERT_EQUAL(std::string("afterwards"), read(file("log")).back());
    }

    void whatFindsNoRoomIsCountedAndReported() {
        TestFifo fifo(file("log"));
        fifo.fill();
        LogFile log(at(file("log"), 10));
        LogWriter writer{&log};
        for (int i = 0; i < 25; ++i) log.writeLine(cat("line ", i));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{15}, log.dropped());
        const Lines lines = drainAtLeast(fifo, 11);
        for (int i = 0; i < 10; ++i) CPPUNIT_ASSERT_EQUAL(cat("line ", i), lines[std::size_t(i)]);
        // In more than one remark, if the writer looked while the lines were written.
        std::uint64_t told = lossesIn(lines, 10);
        while (told < 15) told += lossesIn(drainAtLeast(fifo, 1), 0);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{15}, told);
        log.writeLine("room again");
        CPPUNIT_ASSERT_EQUAL(std::string("room again"), drainUntil(fifo, 1)[0]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{15}, log.dropped());
    }

    void roomIsAlsoAMatterOfBytes() {
        TestFifo fifo(file("log"));
        fifo.fill();
        LogFile::Options options = at(file("log"));
        options.maxBytes = 100;
        LogFile log(options);
        LogWriter writer{&log};
        const std::string line(49, 'x');  // 50 with its line feed
        for (int i = 0; i < 3; ++i) log.writeLine(line);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, log.dropped());
        CPPUNIT_ASSERT(endsWith(drainUntil(fifo, 3)[2], " 1 line of this log was lost"));
    }

    void lossesAreAddedToTheCounter() {
        TestFifo fifo(file("log"));
        fifo.fill();
        std::atomic<std::uint64_t> counter{100};
        LogFile log(at(file("log"), 1));
        LogWriter writer{&log};
        log.setDropCounter(&counter);
        for (int i = 0; i < 4; ++i) log.writeLine("x");
        log.countDropped();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{104}, counter.load());
        log.setDropCounter(nullptr);
        log.countDropped();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{104}, counter.load());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, log.dropped());
    }

    // A socket that keeps apart what came in separate writes.
    void manyLinesAreOneWriteOfWholeLines() {
        constexpr int kLines = 2000;
        int ends[2];
        CPPUNIT_ASSERT_EQUAL(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
        Fd reader(ends[0]);
        Fd stuck(ends[1]);
        int fillings = 0;
        while (::send(stuck.get(), "f", 1, MSG_DONTWAIT) == 1) ++fillings;
        OtherStderr other(stuck.get());
        LogFile log("stderr");
        LogWriter writer{&log};
        for (int i = 0; i < kLines; ++i) log.writeLine(cat("line ", i));
        int lines = 0;
        int writes = 0;
        char buffer[8192];
        for (; fillings > 0; --fillings) ::recv(reader.get(), buffer, sizeof buffer, 0);
        for (; lines < kLines; ++writes) {
            const ssize_t count = ::recv(reader.get(), buffer, sizeof buffer, 0);
            CPPUNIT_ASSERT(count > 0);
            const std::string text(buffer, static_cast<std::size_t>(count));
            lines += static_cast<int>(linesIn(text).size());
        }
        CPPUNIT_ASSERT_EQUAL(kLines, lines);
        CPPUNIT_ASSERT_MESSAGE(cat(writes, " writes"), writes < kLines / 50);
    }

    void aStuckReaderHoldsUpNeitherOthersNorTheEnd() {
        TestFifo fifo(file("stuck"));
        fifo.fill();
        LogFile stuck(file("stuck"));
        LogFile other(file("other"));
        {
            LogWriter writer{&stuck, &other};
            stuck.writeLine("a");
            stuck.writeLine("b");
            for (std::size_t i = 1; i <= 3; ++i) {
                other.writeLine("x");
                while (read(file("other")).size() < i) std::this_thread::yield();
            }
            CPPUNIT_ASSERT(!stuck.flush(now() + Millis{50}));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, stuck.dropped());
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, other.dropped());
    }

    void aFullDiskHoldsUpNeitherOthersNorTheEnd() {
        LogFile full("/dev/full");
        LogFile other(file("other"));
        LogWriter writer{&full, &other};
        full.writeLine("a");
        other.writeLine("x");
        full.writeLine("b");
        CPPUNIT_ASSERT(full.flush(soon()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, full.dropped());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, read(file("other")).size());
    }

    // What is a full disk first is a good one when it is opened anew.
    void whatFailedIsTriedAgain() {
        CPPUNIT_ASSERT_EQUAL(0, ::symlink("/dev/full", file("log").c_str()));
        LogFile log(file("log"));
        LogWriter writer{&log};
        for (int i = 0; i < 5; ++i) log.writeLine(cat(i));
        CPPUNIT_ASSERT_EQUAL(0, ::unlink(file("log").c_str()));
        log.requestReopen();
        CPPUNIT_ASSERT(log.flush(soon()));
        CPPUNIT_ASSERT((read(file("log")) == Lines{"0", "1", "2", "3", "4"}));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, log.dropped());
    }

    void reopeningNeedsNoLine() {
        LogFile log(file("log"));
        LogWriter writer{&log};
        CPPUNIT_ASSERT_EQUAL(0, ::rename(file("log").c_str(), file("old").c_str()));
        log.requestReopen();
        while (::access(file("log").c_str(), F_OK) != 0) std::this_thread::yield();
    }

    void aFailedReopeningIsToldAndTriedAgain() {
        const std::string dir = file("dir");
        const std::string moved = file("moved");
        CPPUNIT_ASSERT_EQUAL(0, ::mkdir(dir.c_str(), 0700));
        LogFile first(file("first"));
        LogFile second(dir + "/log");
        LogWriter writer{&first, &second};
        CPPUNIT_ASSERT_EQUAL(0, ::rename(dir.c_str(), moved.c_str()));
        second.requestReopen();
        second.writeLine("one");
        // The line in the first log is queued while the second one is seen to.
        CPPUNIT_ASSERT(second.flush(soon()) && first.flush(soon()));
        const std::string told = cat("cannot reopen log ", dir, "/log: No such file or directory; "
                                     "the old file is written on");
        CPPUNIT_ASSERT(endsWith(read(file("first")).at(0), told));
        const Lines old = read(moved + "/log");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, old.size());
        CPPUNIT_ASSERT(endsWith(old[0], told) || endsWith(old[1], told));
        CPPUNIT_ASSERT_EQUAL(0, ::mkdir(dir.c_str(), 0700));
        second.requestReopen();
        second.writeLine("two");
        CPPUNIT_ASSERT(second.flush(soon()));
        CPPUNIT_ASSERT((read(dir + "/log") == Lines{"two"}));
    }

    void longLinesAreCutOnlyForPipes() {
        const std::string line(10'000, 'x');
        TestFifo fifo(file("fifo"));
        LogFile toFifo(file("fifo"));
        LogFile toFile(file("file"));
        LogWriter writer{&toFifo, &toFile};
        toFifo.writeLine(line);
        toFifo.writeLine("next");
        toFile.writeLine(line);
        CPPUNIT_ASSERT(toFile.flush(soon()) && toFifo.flush(soon()));
        CPPUNIT_ASSERT((read(file("file")) == Lines{line}));
        CPPUNIT_ASSERT((linesIn(fifo.drain()) == Lines{line.substr(0, 4092) + "...", "next"}));
    }

    void bothSidesOfAForkWriteAndCountForThemselves() {
        LogFile log(file("log"));
        log.countDropped();  // as the master may
        const pid_t child = ::fork();
        if (child == 0) {
            LogWriter writer{&log};
            log.writeLine(cat("child ", log.dropped()));
            ::_exit(log.flush(soon()) ? 0 : 1);
        }
        int status = -1;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
        log.writeLine("parent");
        const Lines lines = read(file("log"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, lines.size());
        CPPUNIT_ASSERT_EQUAL(std::string("child 0"), lines[0]);
        CPPUNIT_ASSERT(endsWith(lines[1], "1 line of this log was lost"));
        CPPUNIT_ASSERT_EQUAL(std::string("parent"), lines[2]);
    }

private:
    // Of the remarks from `first` on: "TIME warning 15 lines of this log were lost".
    static std::uint64_t lossesIn(const Lines& lines, std::size_t first) {
        std::uint64_t sum = 0;
        for (std::size_t i = first; i < lines.size() && !lines[i].empty(); ++i) {
            const std::vector<std::string_view> parts = split(lines[i], ' ');
            CPPUNIT_ASSERT_MESSAGE(lines[i], parts.size() > 3 && parts[1] == "warning" &&
                                                 endsWith(lines[i], " lost"));
            sum += parseUnsigned(parts[2]).value();
        }
        return sum;
    }

    static Lines drainAtLeast(TestFifo& fifo, std::size_t count) {
        std::string text;
        do {
            text += fifo.drain();
            std::this_thread::yield();
        } while (text.empty() || text.back() != '\n' || linesIn(text).size() < count);
        return linesIn(text);
    }

    static Lines drainUntil(TestFifo& fifo, std::size_t count) {
        const Lines lines = drainAtLeast(fifo, count);
        CPPUNIT_ASSERT_EQUAL(count, lines.size());
        return lines;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogWriterTest);

}  // namespace ociproxy
