#include "ociproxy/base/error.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <unistd.h>

namespace ociproxy {

namespace {

constexpr int kPatienceMs = 1'000;

}  // namespace

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
    char text[512];
    const int length = std::snprintf(text, sizeof text, "assertion failed: %s (%s:%d)\n",
                                     condition, file, line);
    const std::size_t size = std::min(static_cast<std::size_t>(length), sizeof text - 1);
    // A reader of stderr that is stuck must not keep a broken process alive.
    pollfd writable{STDERR_FILENO, POLLOUT, 0};
    const bool ready = ::poll(&writable, 1, kPatienceMs) != 0;
    if (!ready || ::write(STDERR_FILENO, text, size) < 0) {
        // Nobody else to tell.
    }
    std::abort();
}

}  // namespace ociproxy
