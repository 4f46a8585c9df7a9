#ifndef OCIPROXY_SRC_PROXY_STORE_TROUBLE_H
#define OCIPROXY_SRC_PROXY_STORE_TROUBLE_H

#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <string_view>

#include "ociproxy/base/clock.h"

namespace ociproxy {

class Counters;
class Log;

// What the store does wrong while requests are served in spite of it: every trouble is
// counted, and each kind of it (an errno) logged at most once a minute by a process, with
// how often it has come since. Any thread.
class StoreTrouble {
public:
    StoreTrouble(Log* log, Counters* counters, Millis pause = Millis{60'000})
        : log_(log), counters_(counters), pause_(pause) {}

    // `what` was tried: "fill of blob sha256:...".
    void report(std::string_view what, const std::exception& cause) noexcept;

private:
    struct Kind {
        TimePoint logged;
        std::uint64_t since = 0;  // reports that were not logged
    };

    // Whether it is time for a line; then `*unsaid` is how many had none since the last.
    bool due(int code, std::uint64_t* unsaid);

    Log* const log_;
    Counters* const counters_;
    const Millis pause_;
    std::mutex mutex_;
    std::map<int, Kind> kinds_;
};

}  // namespace ociproxy

#endif
