#ifndef OCIPROXY_SRC_PROXY_METRICS_PAGE_H
#define OCIPROXY_SRC_PROXY_METRICS_PAGE_H

#include <string>
#include <string_view>

namespace ociproxy {

class SharedState;

// Everything that is counted in shared memory, as Exposition writes it. Every label value
// that is known beforehand is there from the start, with 0; so is every family. Any thread.
std::string metricsText(SharedState& shared, std::string_view version);

}  // namespace ociproxy

#endif
