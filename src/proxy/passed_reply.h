#ifndef OCIPROXY_SRC_PROXY_PASSED_REPLY_H
#define OCIPROXY_SRC_PROXY_PASSED_REPLY_H

#include "ociproxy/front/message.h"
#include "proxy/findings.h"
#include "proxy/target.h"

namespace ociproxy {

// What came past the store: 200, 206, 304, 412 or 416. What has no digest that we could
// verify bears neither digest nor validator. REQUIRES: findings.passed.
Reply passedReply(const Request& request, const Target& target, const Findings& findings);

}  // namespace ociproxy

#endif
