#include "proxy/cache_status.h"

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

std::string withStatus(std::string text, int status) {
    return status == 0 ? text : cat(text, "; fwd-status=", status);
}

}  // namespace

CacheStatus cacheHit() { return {"ociproxy; hit", "hit"}; }

CacheStatus cacheLocal() { return {"ociproxy; detail=local", "local"}; }

CacheStatus cacheServed(const Findings& findings) {
    if (findings.startedFill || findings.fetchedManifest) {
        return {cat(withStatus("ociproxy; fwd=uri-miss", findings.upstreamStatus), "; stored"),
                "miss"};
    }
    if (findings.collapsed) return {"ociproxy; fwd=uri-miss; collapsed", "collapsed"};
    if (findings.unconfirmed) return {"ociproxy; fwd=stale; detail=served-stale", "stale"};
    if (findings.tagChecked) {
        return {cat(withStatus("ociproxy; fwd=stale", findings.upstreamStatus),
                    "; detail=head-unchanged"), "revalidated"};
    }
    if (findings.confirmed) {
        return {cat(withStatus("ociproxy; fwd=stale", findings.upstreamStatus),
                    "; detail=link-confirmed"), "revalidated"};
    }
    return cacheHit();
}

CacheStatus cacheHead(const Findings& findings) {
    return {withStatus("ociproxy; fwd=uri-miss", findings.upstreamStatus), "miss"};
}

CacheStatus cachePassed(const Findings& findings) {
    const Passed& passed = *findings.passed;
    const bool verified = passed.digest && !passed.partAt;
    const char* const forward = passed.digest ? "ociproxy; fwd=uri-miss" : "ociproxy; fwd=bypass";
    return {cat(withStatus(forward, findings.upstreamStatus), "; stored=?0; detail=",
                verified ? passReasonText(passed.reason) : "unverified"),
            "bypass"};
}

CacheStatus cacheError(const Refusal& refusal, const Findings& findings) {
    const bool asked = refusal.upstreamStatus != 0 || findings.upstreamStatus != 0;
    if (!asked && refusal.status < 500) return cacheLocal();
    const int status = refusal.upstreamStatus != 0 ? refusal.upstreamStatus
                                                   : findings.upstreamStatus;
    return {withStatus("ociproxy; fwd=uri-miss", status), "error"};
}

CacheStatus unverified(CacheStatus status) {
    status.header += "; detail=unverified";
    return status;
}

}  // namespace ociproxy
