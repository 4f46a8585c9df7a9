// Hashing stored content again and again, slowly.
#ifndef OCIPROXY_STORE_SCRUB_H
#define OCIPROXY_STORE_SCRUB_H

#include <atomic>
#include <cstdint>
#include <memory>

#include "ociproxy/base/clock.h"
#include "ociproxy/store/store.h"
#include "ociproxy/store/throttle.h"

namespace ociproxy {

// Goes through all content, round by round, and sets aside what is damaged as an open
// would. How far it is stands in <cache_dir>/scrub, so that a restart goes on there. One
// thread of one process at a time on a directory.
class Scrub {
public:
    struct Options {
        Store::Options store;
        std::uint64_t rate = 0;  // bytes per second; 0: no limit
        // Counts bytes that were hashed; may be nullptr.
        std::atomic<std::uint64_t>* verified = nullptr;
        // From the beginning of a round to that of the next, at the least.
        std::int64_t roundSeconds = 24 * 3600;
        Millis saveEvery{60'000};
        Throttle::Sleep sleep;  // as for Throttle
    };

    // Throws Error as the store's constructor.
    explicit Scrub(const Options& options);
    ~Scrub();
    Scrub(const Scrub&) = delete;
    Scrub& operator=(const Scrub&) = delete;

    // Does one directory, a 256th of the store; returns how long to wait before the next.
    // Throws SysError; the next call tries again.
    Millis work();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
