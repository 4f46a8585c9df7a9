#ifndef OCIPROXY_SRC_PROXY_ACCESS_LOG_H
#define OCIPROXY_SRC_PROXY_ACCESS_LOG_H

#include <string>

#include "ociproxy/base/log.h"
#include "ociproxy/front/application.h"

namespace ociproxy {

// One line per request:
//   TIME CLIENT "METHOD TARGET" STATUS BYTES SECONDS CACHE UPSTREAM-STATUS [cut]
// "-" stands for what is not known; "cut" for a reply that did not end as announced.
//
// As kJson an object with always the same keys; null stands for what is not known:
//   time             string, RFC 3339 in UTC with milliseconds: when the request ended
//   client           string, address and port
//   method, target   strings as sent, but that bytes that are not UTF-8 become U+FFFD;
//                    null if the head was refused; what is very long is cut and ends in
//                    "...", so that the line is one that a pipe takes in one piece
//   status           number
//   bytes            number, of the body, as handed to the kernel
//   duration_ms      number, from the complete head to the last byte
//   cache            string or null
//   upstream_status  number or null
//   complete         false for a reply that did not end as announced
std::string accessLine(const Finished& finished, LogFormat format = LogFormat::kText);

}  // namespace ociproxy

#endif
