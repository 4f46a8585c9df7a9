#include "ociproxy/base/paths.h"

#ifndef OCIPROXY_SYSCONFDIR
#define OCIPROXY_SYSCONFDIR "/etc"
#endif
#ifndef OCIPROXY_RUNSTATEDIR
#define OCIPROXY_RUNSTATEDIR "/run"
#endif

namespace ociproxy {

const char* defaultConfigFile() noexcept {
    return OCIPROXY_SYSCONFDIR "/ociproxy.conf";
}

const char* defaultPidFile() noexcept {
    return OCIPROXY_RUNSTATEDIR "/ociproxy.pid";
}

}  // namespace ociproxy
