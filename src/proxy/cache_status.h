#ifndef OCIPROXY_SRC_PROXY_CACHE_STATUS_H
#define OCIPROXY_SRC_PROXY_CACHE_STATUS_H

#include <string>

#include "proxy/findings.h"

namespace ociproxy {

// How a reply came about: the Cache-Status member (RFC 9211) and
// the one word of the access log.
struct CacheStatus {
    std::string header;  // "ociproxy; hit"
    std::string word;    // "hit"
};

CacheStatus cacheHit();
CacheStatus cacheLocal();  // answered without store or upstream
// From the store or a fill, after this request had asked the upstream or waited.
CacheStatus cacheServed(const Findings& findings);
CacheStatus cacheHead(const Findings& findings);  // HEAD of what is not stored
// Past the store: nothing of it is kept. REQUIRES: findings.passed.
CacheStatus cachePassed(const Findings& findings);
CacheStatus cacheError(const Refusal& refusal, const Findings& findings);
// Adds ";detail=unverified": bytes of a fill whose digest is not verified yet.
CacheStatus unverified(CacheStatus status);

}  // namespace ociproxy

#endif
