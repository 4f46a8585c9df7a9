#include "ociproxy/base/paths.h"

#ifndef OCIPROXY_SYSCONFDIR
#define OCIPROXY_SYSCONFDIR "/etc"
#endif

namespace ociproxy {

const char* defaultConfigFile() noexcept {
    return OCIPROXY_SYSCONFDIR "/ociproxy.conf";
}

}  // namespace ociproxy
