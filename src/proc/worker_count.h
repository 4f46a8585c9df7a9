#ifndef OCIPROXY_SRC_PROC_WORKER_COUNT_H
#define OCIPROXY_SRC_PROC_WORKER_COUNT_H

#include "ociproxy/proc/child_policy.h"
#include "ociproxy/proc/heritage.h"

namespace ociproxy {

// Count the starts and the ends of workers; of other children nothing.
void countStart(const Heritage& heritage, ChildRole role) noexcept;
void countEnd(const Heritage& heritage, ChildRole role, const ChildEnd& end) noexcept;

}  // namespace ociproxy

#endif
