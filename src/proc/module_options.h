// From Config to what each module takes: the only place that knows both.
#ifndef OCIPROXY_SRC_PROC_MODULE_OPTIONS_H
#define OCIPROXY_SRC_PROC_MODULE_OPTIONS_H

#include "ociproxy/conf/config.h"
#include "ociproxy/front/server.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proxy/proxy.h"
#include "ociproxy/proxy/status_pages.h"
#include "ociproxy/store/evictor.h"
#include "ociproxy/store/scrub.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/client.h"
#include "ociproxy/upstream/settings.h"

namespace ociproxy {

class Log;

Upstream upstreamFrom(const UpstreamConfig& section);

// Throws ConfigError when a file that a section names cannot be read (by this
// process, as this user: what the parser could not know).
UpstreamDirectory directoryFrom(const Config& config);

Store::Options storeOptions(const Heritage& heritage);
// Pins with the names that upstreams have in the store.
Scrub::Options scrubOptions(const Heritage& heritage);
Evictor::Options evictorOptions(const Heritage& heritage);
// What other modules provide (resolver, store, client ...) is left to the caller.
UpstreamClient::Options clientOptions(const Heritage& heritage);
Proxy::Options proxyOptions(const Heritage& heritage, const WorkerId& self);
FrontServer::Options frontOptions(const Heritage& heritage);
// Of the pages for operators: few clients, and nothing of theirs is counted.
// REQUIRES: heritage.adminListeners.
FrontServer::Options adminFrontOptions(const Heritage& heritage);
StatusPages::Options statusOptions(const Heritage& heritage);

// How many connections a worker with this many descriptors takes, and how many of one
// client (0: no limit).
std::size_t connectionLimit(const Config& config, std::uint64_t descriptors) noexcept;
std::size_t clientLimit(const Config& config, std::size_t connections) noexcept;
// How many files of recent hits it may hold open besides.
std::size_t openFileLimit(std::uint64_t descriptors) noexcept;

// Says so when this process's descriptors do not allow what is configured.
void warnOfLimits(const Config& config, Log& log);

}  // namespace ociproxy

#endif
