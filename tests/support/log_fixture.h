// A directory with a log in it, fifos that are full, and what is read from both.
#ifndef OCIPROXY_TESTS_SUPPORT_LOG_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_LOG_FIXTURE_H

#include <cstddef>
#include <string>
#include <vector>

#include <cppunit/TestFixture.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"

namespace ociproxy {

using Lines = std::vector<std::string>;

// Whole lines; fails the test when the last one has no line feed.
Lines linesIn(const std::string& text);

// A fifo whose reader is the test. One thread.
class TestFifo {
public:
    explicit TestFifo(const std::string& path);
    // Writes until it takes no more.
    void fill();
    // Takes out everything; what fill() wrote is left out.
    std::string drain();
    // Takes out the next `count` bytes at most.
    std::string take(std::size_t count);

private:
    Fd fd_;
};

class LogFixture : public CppUnit::TestFixture {
public:
    void setUp() override;
    void tearDown() override;

protected:
    std::string file(const std::string& name) const { return dir_ + "/" + name; }
    static Lines read(const std::string& path);
    static LogFile::Options at(const std::string& path);
    static LogFile::Options at(const std::string& path, std::size_t maxRecords);
    // Long enough for whatever is not held up.
    static TimePoint soon();

    std::string dir_;
};

// stderr replaced by another descriptor for as long as this lives.
class OtherStderr {
public:
    explicit OtherStderr(int fd);
    ~OtherStderr();

private:
    Fd saved_;
};

}  // namespace ociproxy

#endif
