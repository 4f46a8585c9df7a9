// How our processes end: the statuses of sysexits.h, and the one way out of a child.
#ifndef OCIPROXY_PROC_EXIT_STATUS_H
#define OCIPROXY_PROC_EXIT_STATUS_H

#include <exception>
#include <string>
#include <sysexits.h>
#include <utility>

#include "ociproxy/base/error.h"

namespace ociproxy {

// A failure that ends the process with a status of its own.
class FatalError : public Error {
public:
    FatalError(int status, const std::string& message) : Error(message), status_(status) {}
    int status() const noexcept { return status_; }

private:
    int status_;
};

// The status that belongs to a failure: FatalError's own, EX_CONFIG for ConfigError,
// EX_OSERR for all else.
int exitStatusOf(const std::exception& failure) noexcept;
// what(), and for exceptions of Poco, whose what() names only a class, all they know.
std::string failureText(const std::exception& failure);

// Calls `step`; an Error that leaves it becomes a FatalError with `status`.
template <class Step>
auto orFailWith(int status, Step&& step) {
    try {
        return std::forward<Step>(step)();
    } catch (const Error& e) {
        throw FatalError(status, e.what());
    }
}

// Ends a child at once: no destructors, no exit handlers, no waiting for threads.
// Test builds write out coverage and look for leaks first; what they find ends the
// process with the sanitizer's status.
[[noreturn]] void leaveProcess(int status) noexcept;

}  // namespace ociproxy

#endif
