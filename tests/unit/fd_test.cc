#include "ociproxy/base/fd.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

bool isOpen(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

// A file without a name.
Fd scratchFile() {
    char path[] = "/tmp/ociproxy-fd-XXXXXX";
    Fd fd(::mkstemp(path));
    CPPUNIT_ASSERT(fd.valid());
    ::unlink(path);
    return fd;
}

Fd openNull(int flags) {
    Fd fd(::open("/dev/null", flags | O_CLOEXEC));
    CPPUNIT_ASSERT(fd.valid());
    return fd;
}

// SIGUSR1 interrupts system calls and does nothing else.
class InterruptingSignal {
public:
    InterruptingSignal() {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &action, &old_);
    }
    ~InterruptingSignal() { ::sigaction(SIGUSR1, &old_, nullptr); }

private:
    struct sigaction old_ {};
};

}  // namespace

class FdTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FdTest);
    CPPUNIT_TEST(destructorCloses);
    CPPUNIT_TEST(moveLeavesNothingBehind);
    CPPUNIT_TEST(closingAStrangersNumberAborts);
    CPPUNIT_TEST(wholeTextIsWrittenOverInterruptions);
    CPPUNIT_TEST(positionedReadsAndWrites);
    CPPUNIT_TEST(readAllHonoursTheLimit);
    CPPUNIT_TEST(failuresNameOperationAndCause);
    CPPUNIT_TEST_SUITE_END();

public:
    void destructorCloses() {
        int number = -1;
        {
            Fd fd = openNull(O_RDONLY);
            number = fd.get();
            CPPUNIT_ASSERT(isOpen(number));
        }
        CPPUNIT_ASSERT(!isOpen(number));
    }

    void moveLeavesNothingBehind() {
        Fd a = openNull(O_RDONLY);
        int number = a.get();
        Fd b(std::move(a));
        CPPUNIT_ASSERT(!a.valid());
        CPPUNIT_ASSERT_EQUAL(number, b.get());
        Fd c = openNull(O_RDONLY);
        int closed = c.get();
        c = std::move(b);
        CPPUNIT_ASSERT_EQUAL(number, c.get());
        CPPUNIT_ASSERT(!isOpen(closed));
        Fd given(c.release());
        CPPUNIT_ASSERT(!c);
        CPPUNIT_ASSERT(isOpen(number));
    }

    void closingAStrangersNumberAborts() {
        pid_t child = ::fork();
        CPPUNIT_ASSERT(child >= 0);
        if (child == 0) {
            ::close(STDERR_FILENO);
            Fd fd = openNull(O_RDONLY);
            ::close(fd.get());
            fd.reset();
            ::_exit(0);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT(WIFSIGNALED(status));
        CPPUNIT_ASSERT_EQUAL(SIGABRT, WTERMSIG(status));
    }

    void wholeTextIsWrittenOverInterruptions() {
        int ends[2];
        CPPUNIT_ASSERT_EQUAL(0, ::pipe(ends));
        Fd reader(ends[0]);
        Fd writer(ends[1]);
        // Many times the pipe's size, and a signal after each piece: write(2) comes back
        // with a part of it, or with EINTR, again and again.
        InterruptingSignal interrupt;
        std::string sent(1 << 20, 'x');
        for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7);
        std::thread thread([&] {
            writeAll(writer.get(), sent.data(), sent.size(), "write pipe");
            writer.reset();
        });
        std::string got;
        char buffer[4096];
        ssize_t count;
        while ((count = ::read(reader.get(), buffer, sizeof buffer)) > 0) {
            got.append(buffer, static_cast<std::size_t>(count));
            // As long as a pipe's worth is missing, the writer is still at it.
            if (got.size() + 65536 < sent.size()) ::pthread_kill(thread.native_handle(), SIGUSR1);
        }
        thread.join();
        CPPUNIT_ASSERT(sent == got);
    }

    void positionedReadsAndWrites() {
        Fd fd = scratchFile();
        pwriteAll(fd.get(), "world", 5, 5, "write");
        pwriteAll(fd.get(), "hello", 5, 0, "write");
        char buffer[16] = {};
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, preadAll(fd.get(), buffer, 3, 4, "read"));
        CPPUNIT_ASSERT_EQUAL(std::string("owo"), std::string(buffer));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, preadAll(fd.get(), buffer, 16, 8, "read"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, preadAll(fd.get(), buffer, 16, 10, "read"));
    }

    void readAllHonoursTheLimit() {
        Fd fd = scratchFile();
        CPPUNIT_ASSERT_EQUAL(std::string(), readAll(fd.get(), 0, "read"));
        std::string text(200'000, 'y');
        writeAll(fd.get(), text.data(), text.size(), "write");
        // From position 0, wherever the descriptor stands.
        CPPUNIT_ASSERT(text == readAll(fd.get(), 200'000, "read"));
        CPPUNIT_ASSERT(text == readAll(fd.get(), SIZE_MAX, "read"));
        CPPUNIT_ASSERT_THROW(readAll(fd.get(), 199'999, "read"), Error);
        CPPUNIT_ASSERT_THROW(readAll(fd.get(), 0, "read"), Error);
    }

    void failuresNameOperationAndCause() {
        Fd readOnly = openNull(O_RDONLY);
        Fd writeOnly = openNull(O_WRONLY);
        char byte = 'x';
        try {
            writeAll(readOnly.get(), &byte, 1, "write /some/file");
            CPPUNIT_FAIL("written to a read-only descriptor");
        } catch (const SysError& e) {
            CPPUNIT_ASSERT_EQUAL(EBADF, e.code());
            CPPUNIT_ASSERT_EQUAL("write /some/file: " + errnoText(EBADF), std::string(e.what()));
        }
        CPPUNIT_ASSERT_THROW(pwriteAll(readOnly.get(), &byte, 1, 0, "w"), SysError);
        CPPUNIT_ASSERT_THROW(preadAll(writeOnly.get(), &byte, 1, 0, "r"), SysError);
        CPPUNIT_ASSERT_THROW(readAll(writeOnly.get(), 1, "r"), SysError);
        CPPUNIT_ASSERT_EQUAL(std::string("No space left on device"), errnoText(ENOSPC));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FdTest);

}  // namespace ociproxy
