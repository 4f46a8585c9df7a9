#ifndef OCIPROXY_SRC_PROXY_REQUEST_RESULT_H
#define OCIPROXY_SRC_PROXY_REQUEST_RESULT_H

#include <string_view>

#include "ociproxy/front/application.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {

// What a reply with that status and word of the access log (cache_status.h) counts as. An
// error is an error, whatever was looked at to find out.
RequestResult resultOf(int status, std::string_view cacheResult) noexcept;

// Counts a request that has come to its end. One whose client went away before it got the
// head of a reply has no result and is not counted.
void countRequest(const Finished& finished, Counters* counters) noexcept;

}  // namespace ociproxy

#endif
