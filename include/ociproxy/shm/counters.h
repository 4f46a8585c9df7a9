#ifndef OCIPROXY_SHM_COUNTERS_H
#define OCIPROXY_SHM_COUNTERS_H

#include <cstdint>

namespace ociproxy {

enum class Counter : std::uint32_t {
    kConnections,        // accepted
    kRequests,           // requests whose head was understood
    kBadRequests,        // refused by the parser
    kHits,               // served from the store without asking the upstream
    kMisses,
    kCollapsed,          // answered from a fill that another request had started
    kFills,              // fills begun
    kFillsFailed,
    kFillsTakenOver,     // after the death of a worker
    kDigestMismatches,
    kBytesSent,          // to clients, bodies
    kBytesFetched,       // from upstreams, bodies
    kUpstreamRequests,
    kTokensFetched,
    kClaimTableFull,
    kLockRepaired,
    kCount
};
const char* counterName(Counter counter) noexcept;

enum class Gauge : std::uint32_t { kStoreBytes, kStoreFiles, kCount };

struct CounterBlock;  // src/shm: the shared layout

// Counters that survive reloads and the death of workers. Lock-free; any thread of
// any process.
class Counters {
public:
    explicit Counters(CounterBlock* block) : block_(block) {}

    void add(Counter counter, std::uint64_t amount = 1) noexcept;
    std::uint64_t get(Counter counter) const noexcept;
    void set(Gauge gauge, std::uint64_t value) noexcept;
    std::uint64_t get(Gauge gauge) const noexcept;

private:
    CounterBlock* block_;
};

}  // namespace ociproxy

#endif
