#include "support/log_fixture.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/TestAssert.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr char kFilling = '\x01';  // no log has this byte

}  // namespace

Lines linesIn(const std::string& text) {
    CPPUNIT_ASSERT_MESSAGE(text, text.empty() || text.back() == '\n');
    Lines out;
    for (std::string_view line : split(text, '\n')) out.emplace_back(line);
    out.pop_back();
    return out;
}

TestFifo::TestFifo(const std::string& path) {
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path.c_str(), 0600));
    fd_.reset(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    CPPUNIT_ASSERT(fd_.valid());
}

void TestFifo::fill() {
    const std::string bytes(4096, kFilling);
    while (::write(fd_.get(), bytes.data(), bytes.size()) > 0) {
    }
}

std::string TestFifo::take(std::size_t count) {
    std::string out(count, '\0');
    const ssize_t got = ::read(fd_.get(), out.data(), out.size());
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

std::string TestFifo::drain() {
    std::string out;
    for (std::string part = take(65'536); !part.empty(); part = take(65'536)) {
        for (char c : part) {
            if (c != kFilling) out += c;
        }
    }
    return out;
}

void LogFixture::setUp() {
    char dir[] = "/tmp/ociproxy-log-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(dir) != nullptr);
    dir_ = dir;
}

void LogFixture::tearDown() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

Lines LogFixture::read(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    CPPUNIT_ASSERT_MESSAGE(path, fd.valid());
    return linesIn(readAll(fd.get(), 64 << 20, "read " + path));
}

LogFile::Options LogFixture::at(const std::string& path) {
    LogFile::Options options;
    options.path = path;
    return options;
}

LogFile::Options LogFixture::at(const std::string& path, std::size_t maxRecords) {
    LogFile::Options options = at(path);
    options.maxRecords = maxRecords;
    return options;
}

TimePoint LogFixture::soon() {
    return now() + Millis{60'000};
}

OtherStderr::OtherStderr(int fd) : saved_(::dup(STDERR_FILENO)) {
    CPPUNIT_ASSERT(saved_.valid() && ::dup2(fd, STDERR_FILENO) == STDERR_FILENO);
}

OtherStderr::~OtherStderr() {
    ::dup2(saved_.get(), STDERR_FILENO);
}

}  // namespace ociproxy
