#ifndef OCIPROXY_SRC_PROXY_ACCESS_LOG_H
#define OCIPROXY_SRC_PROXY_ACCESS_LOG_H

#include <string>

#include "ociproxy/front/application.h"

namespace ociproxy {

// One line per request:
//   TIME CLIENT "METHOD TARGET" STATUS BYTES SECONDS CACHE UPSTREAM-STATUS [cut]
// "-" stands for what is not known; "cut" for a reply that did not end as announced.
std::string accessLine(const Finished& finished);

}  // namespace ociproxy

#endif
