#include "support/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/TestAssert.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kLongest = 4000;  // a pipe takes it in one piece

std::string complaintOf(const std::function<void()>& body) {
    try {
        body();
    } catch (const std::exception& e) {
        return e.what();
    }
    return std::string();
}

std::string readComplaint(int pipe) {
    std::string text;
    char piece[512];
    ssize_t count;
    while ((count = ::read(pipe, piece, sizeof piece)) > 0) {
        text.append(piece, static_cast<std::size_t>(count));
    }
    return text;
}

}  // namespace

void inChild(const std::function<void()>& body) {
    int ends[2];
    if (::pipe(ends) != 0) throwErrno("pipe");
    Fd reading(ends[0]);
    Fd writing(ends[1]);
    pid_t pid = ::fork();
    if (pid < 0) throwErrno("fork");
    if (pid == 0) {
        std::string complaint = complaintOf(body).substr(0, kLongest);
        (void)!::write(writing.get(), complaint.data(), complaint.size());
        ::_exit(complaint.empty() ? 0 : 1);
    }
    writing.reset();
    std::string complaint = readComplaint(reading.get());
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) throwErrno("waitpid");
    CPPUNIT_ASSERT_MESSAGE(cat("in the child: ", complaint), complaint.empty());
    CPPUNIT_ASSERT_EQUAL_MESSAGE("wait status of the child", 0, status);
}

void check(bool truth, const std::string& what) {
    if (!truth) throw Error("failed: " + what);
}

}  // namespace ociproxy
