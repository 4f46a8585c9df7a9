// A forked process that stops at every system call, so that a test can kill it at each
// one in turn or see in which order it makes them.
#ifndef OCIPROXY_TESTS_SUPPORT_TRACED_CHILD_H
#define OCIPROXY_TESTS_SUPPORT_TRACED_CHILD_H

#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>

namespace ociproxy {

class TracedChild {
public:
    struct Call {
        std::uint64_t number = 0;       // SYS_...
        std::uint64_t arguments[6] = {};
    };

    // Runs `setup` untraced, then `body` traced. Skips the test where ptrace(2) is not
    // permitted. The test must have one thread.
    TracedChild(const std::function<void()>& setup, const std::function<void()>& body);
    ~TracedChild();
    TracedChild(const TracedChild&) = delete;
    TracedChild& operator=(const TracedChild&) = delete;

    // Goes on to the next stop: before a system call and again after it. False when the
    // process has ended.
    bool next();
    // Whether the present stop is before a call, with that.
    bool isEntry(Call* call) const;
    // What the process has open as `fd`, as in /proc.
    std::string nameOf(std::uint64_t fd) const;
    void kill();
    bool succeeded() const { return ended_ && status_ == 0; }

private:
    bool waitForStop(int* signal);

    pid_t pid_ = -1;
    bool ended_ = false;
    int status_ = 0;
};

}  // namespace ociproxy

#endif
