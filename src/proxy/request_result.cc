#include "proxy/request_result.h"

namespace ociproxy {

namespace {

constexpr int kFirstError = 400;

// Whether bytes of such a reply were fetched for another request, earlier or just now.
bool savesBytes(RequestResult result) noexcept {
    return result == RequestResult::kHit || result == RequestResult::kFollow ||
           result == RequestResult::kStale;
}

}  // namespace

RequestResult resultOf(int status, std::string_view cacheResult) noexcept {
    if (status >= kFirstError) return RequestResult::kError;
    if (cacheResult == "hit" || cacheResult == "revalidated") return RequestResult::kHit;
    if (cacheResult == "miss") return RequestResult::kMiss;
    if (cacheResult == "collapsed") return RequestResult::kFollow;
    if (cacheResult == "stale") return RequestResult::kStale;
    if (cacheResult == "bypass") return RequestResult::kBypass;
    return cacheResult == "local" ? RequestResult::kLocal : RequestResult::kError;
}

void countRequest(const Finished& finished, Counters* counters) noexcept {
    if (!finished.firstByte) return;
    const RequestResult result = resultOf(finished.status, finished.cacheResult);
    counters->finished(result, *finished.firstByte, finished.duration);
    if (savesBytes(result)) counters->add(Counter::kBytesSaved, finished.bodyBytes);
}

}  // namespace ociproxy
