// Directories chosen at configure time; src/base/paths.cc is compiled with them.
#ifndef OCIPROXY_BASE_PATHS_H
#define OCIPROXY_BASE_PATHS_H

namespace ociproxy {

const char* defaultConfigFile() noexcept;  // <sysconfdir>/ociproxy.conf

}  // namespace ociproxy

#endif
