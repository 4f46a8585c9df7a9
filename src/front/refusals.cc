#include "front/refusals.h"

#include <limits>
#include <new>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {
namespace {

constexpr TimePoint::duration kPause = std::chrono::minutes(1);

struct Words {
    Counter counter;
    LogLevel level;
    const char* text;
};

const Words& wordsOf(RefusalReason why) noexcept {
    static constexpr Words kWords[] = {
        {Counter::kRefusedTooMany, LogLevel::kWarning, "there are max_connections already"},
        {Counter::kRefusedTooManyOfClient, LogLevel::kInfo,
         "there are max_connections_per_client of that client already"},
        {Counter::kRefusedUntrusted, LogLevel::kInfo,
         "it came to an address with proxy_protocol and is not one of trusted_proxies"},
        {Counter::kRefusedProxyHeader, LogLevel::kInfo,
         "it did not begin with a valid PROXY header"},
    };
    static_assert(sizeof kWords / sizeof *kWords ==
                  static_cast<std::size_t>(RefusalReason::kCount));
    return kWords[static_cast<std::size_t>(why)];
}

}  // namespace

Refusals::Refusals(Log* log, Counters* counters) noexcept : log_(log), counters_(counters) {
    for (auto& next : next_) next.store(std::numeric_limits<TimePoint::rep>::min());
}

void Refusals::note(RefusalReason why, std::string_view peer) noexcept {
    const Words& words = wordsOf(why);
    if (counters_) counters_->add(words.counter);
    if (!log_ || !isDue(why, now())) return;
    try {
        log_->write(words.level, cat("connection from ", peer, " refused: ", words.text,
                                     " (said once a minute at most)"));
    } catch (const std::bad_alloc&) {
        return;  // the line is not worth more trouble
    }
}

bool Refusals::isDue(RefusalReason why, TimePoint time) noexcept {
    std::atomic<TimePoint::rep>& next = next_[static_cast<std::size_t>(why)];
    TimePoint::rep expected = next.load();
    if (time.time_since_epoch().count() < expected) return false;
    return next.compare_exchange_strong(expected, (time + kPause).time_since_epoch().count());
}

}  // namespace ociproxy
