#include "ociproxy/proc/exit_status.h"

#include <unistd.h>

#include <Poco/Exception.h>

#include "ociproxy/conf/config.h"

#if defined(OCIPROXY_ASAN) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif
#ifdef OCIPROXY_COVERAGE
extern "C" void __gcov_dump(void);
#endif

namespace ociproxy {

int exitStatusOf(const std::exception& failure) noexcept {
    if (auto* fatal = dynamic_cast<const FatalError*>(&failure)) return fatal->status();
    if (dynamic_cast<const ConfigError*>(&failure)) return EX_CONFIG;
    return EX_OSERR;
}

std::string failureText(const std::exception& failure) {
    if (auto* poco = dynamic_cast<const Poco::Exception*>(&failure)) return poco->displayText();
    return failure.what();
}

void leaveProcess(int status) noexcept {
#ifdef OCIPROXY_COVERAGE
    __gcov_dump();
#endif
#if defined(OCIPROXY_ASAN) || defined(__SANITIZE_ADDRESS__)
    // Ends the process with the sanitizer's status when there are leaks.
    __lsan_do_leak_check();
#endif
    ::_exit(status);
}

}  // namespace ociproxy
