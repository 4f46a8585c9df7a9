#include "ociproxy/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ociproxy {

SysError::SysError(const std::string& what, int code)
    : Error(what + ": " + errnoText(code)), code_(code) {}

void throwErrno(const std::string& what) {
    throwErrno(what, errno);
}

void throwErrno(const std::string& what, int code) {
    throw SysError(what, code);
}

std::string errnoText(int code) {
    // The GNU form: it returns the text, which need not be in the buffer.
    char buffer[128];
    return ::strerror_r(code, buffer, sizeof buffer);
}

void assertionFailed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "assertion failed: %s (%s:%d)\n", condition, file, line);
    std::abort();
}

}  // namespace ociproxy
