#ifndef OCIPROXY_SRC_FRONT_REFUSALS_H
#define OCIPROXY_SRC_FRONT_REFUSALS_H

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "ociproxy/base/clock.h"

namespace ociproxy {

class Counters;
class Log;

// Why a connection was refused before its first request.
enum class RefusalReason : std::uint8_t {
    kTooMany,
    kTooManyOfClient,
    kUntrusted,    // where only trusted proxies may connect
    kProxyHeader,  // no PROXY header, or a broken one
    kCount
};

// Counts refused connections, each, and tells the log of every kind at most once a minute:
// a flood of connections is not to become a flood of lines. Any thread.
class Refusals {
public:
    // Both may be nullptr.
    Refusals(Log* log, Counters* counters) noexcept;

    void note(RefusalReason why, std::string_view peer) noexcept;

private:
    bool isDue(RefusalReason why, TimePoint time) noexcept;

    Log* const log_;
    Counters* const counters_;
    std::array<std::atomic<TimePoint::rep>, static_cast<std::size_t>(RefusalReason::kCount)> next_;
};

}  // namespace ociproxy

#endif
