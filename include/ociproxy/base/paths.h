// Directories chosen at configure time; src/base/paths.cc is compiled with them.
#ifndef OCIPROXY_BASE_PATHS_H
#define OCIPROXY_BASE_PATHS_H

namespace ociproxy {

const char* defaultConfigFile() noexcept;  // <sysconfdir>/ociproxy.conf
const char* defaultPidFile() noexcept;     // <runstatedir>/ociproxy.pid

}  // namespace ociproxy

#endif
