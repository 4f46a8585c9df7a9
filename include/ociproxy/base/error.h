// Failures. Expected outcomes are values ("not in the store", "somebody else
// fills it"); what should have worked and did not is an exception derived from
// Error; what cannot happen is an assertion that stays in production builds.
#ifndef OCIPROXY_BASE_ERROR_H
#define OCIPROXY_BASE_ERROR_H

#include <stdexcept>
#include <string>

namespace ociproxy {

// Something failed. what() is one line for the log: it names the object, the
// cause and, where one is known, the next step; never a secret.
class Error : public std::runtime_error {
public:
    explicit Error(const std::string& message) : std::runtime_error(message) {}
};

// A system call failed. what() is "<what>: <text of errno>".
class SysError : public Error {
public:
    SysError(const std::string& what, int code);
    int code() const noexcept { return code_; }

private:
    int code_;
};

// Throws SysError for `what` (an operation and its object: "open /x/y").
[[noreturn]] void throwErrno(const std::string& what);            // errno
[[noreturn]] void throwErrno(const std::string& what, int code);

// Text of an errno value. Any thread may call it.
std::string errnoText(int code);

// Prints the condition with its place on stderr and aborts.
[[noreturn]] void assertionFailed(const char* condition, const char* file, int line) noexcept;

}  // namespace ociproxy

// For states that the code around makes impossible. Never compiled out.
#define OCIPROXY_ASSERT(condition) \
    ((condition) ? (void)0 : ::ociproxy::assertionFailed(#condition, __FILE__, __LINE__))

#endif
