#ifndef OCIPROXY_SRC_PROXY_PLANNER_INQUIRY_H
#define OCIPROXY_SRC_PROXY_PLANNER_INQUIRY_H

#include "proxy/plan.h"

namespace ociproxy {

struct Planner::Inquiry {
    const Request& request;
    const Target& target;
    Findings& findings;
};

}  // namespace ociproxy

#endif
