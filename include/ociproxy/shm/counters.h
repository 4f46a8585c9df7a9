#ifndef OCIPROXY_SHM_COUNTERS_H
#define OCIPROXY_SHM_COUNTERS_H

#include <atomic>
#include <cstdint>

#include "ociproxy/shm/histogram.h"

namespace ociproxy {

enum class Counter : std::uint32_t {
    kConnections,      // accepted
    kRequests,         // requests whose head was understood
    kBadRequests,      // refused by the parser
    kTlsHandshakes,    // done
    kTlsResumed,       // of these: sessions taken up again
    kTlsFailures,      // handshakes that failed, plain text and time-outs included
    kRefusedTooMany,          // connections: above the limit
    kRefusedTooManyOfClient,  // ... above that of one client
    kRefusedUntrusted,        // ... from who is no trusted proxy, where only these may come
    kRefusedProxyHeader,      // ... without a valid PROXY header, likewise
    kBytesSent,        // to clients, bodies
    kBytesSaved,       // of these: what nobody had to fetch for them
    kBytesFetched,     // from upstreams, bodies
    kFillsCommitted,
    kFillsTakenOver,   // after the death of a worker
    kFillsResumed,     // went on after a broken connection, where the file stood
    kDigestMismatches,
    kContentDamaged,   // stored things that were found damaged or foreign
    kContentVerified,  // bytes of stored content that were hashed again
    kUpstreamRequests,
    kTokensFetched,
    kClaimTableFull,
    kEvictedFiles,
    kEvictedBytes,     // of content
    kLockRepaired,
    kLogDropped,       // log records that could not be written
    kWorkerStarts,
    kDeathsExit,       // workers that ended with status 0, as told
    kDeathsConfig,     // ... because their configuration was unusable
    kDeathsFailed,     // ... with any other status
    kDeathsKilled,     // ... by KILL
    kDeathsAborted,    // ... by ABRT: an assertion, or hung
    kDeathsCrashed,    // ... by SEGV, BUS, ILL, FPE, SYS or TRAP
    kDeathsSignal,     // ... by another signal
    kStoreTroubles,          // the store failed while a request was served
    kPassedStoreTrouble,     // replies past the store: because it fails
    kPassedNoRoom,           // ... has no room
    kPassedTableFull,        // ... no claim was to be had
    kPassedFarRange,         // ... the range is far ahead of its fill
    kPassedForsaken,         // ... the rest of a fill that failed in the middle
    kPassedUnknownAlgorithm, // ... the digest cannot be computed
    kCount
};

// Said by one process for all.
enum class Gauge : std::uint32_t {
    kStoreBytes,
    kStoreFiles,
    kStoreWritable,  // 1: it was at the last look
    kStoreUsed,      // bytes that content, records and downloads take on disk
    kStoreLimit,     // bytes that they may take; 0: no bound
    kCount
};

// Each worker's own; all workers' are added up.
enum class WorkerGauge : std::uint32_t {
    kConnectionsSecuring,   // a TLS handshake is not done yet
    kConnectionsIdle,
    kConnectionsReading,    // part of a head is there
    kConnectionsHandled,    // a request waits for its reply
    kConnectionsSending,
    kConnectionsBlocked,    // the client does not take what is ready
    kConnectionsFollowing,  // everything was sent that its download has brought so far
    kConnectionsLingering,  // until the client has taken a last reply
    kFollowers,             // replies from a download that was running when they began
    kFillsRunning,
    kCount
};

// What a request was answered from; each has exactly one.
enum class RequestResult : std::uint8_t {
    kHit,     // the store, also after the upstream was asked whether that is still right
    kMiss,    // the upstream
    kFollow,  // a download that another request had started
    kStale,   // the store, though the upstream could not be asked
    kBypass,  // the upstream, past the store
    kError,   // an error, whoever's
    kLocal,   // neither store nor upstream: /v2/
    kCount
};
const char* requestResultName(RequestResult result) noexcept;  // "hit"

// Capacity for causes of failed fills; what they mean is the proxy's.
constexpr std::uint32_t kMaxFailureCauses = 32;

struct CounterBlock;  // src/shm: the shared layout
struct WorkerCells;

// Counters that survive reloads and the death of workers. Every worker adds to cells of
// its own, so that nothing on the way of a request is written by two workers; whoever
// reads adds them up. A new worker in an old place goes on adding: nothing ever goes back.
//
// Lock-free; any thread of any process, but for workAs().
class Counters {
public:
    explicit Counters(CounterBlock* block) noexcept;

    // From here on this process uses the cells of that worker index; until then those of
    // master and janitor. REQUIRES: no other thread yet.
    void workAs(std::uint32_t index) noexcept;

    void add(Counter counter, std::uint64_t amount = 1) noexcept;
    std::uint64_t get(Counter counter) const noexcept;

    // This process's cell of a counter, for who cannot know this class; lives as long as
    // the shared memory.
    std::atomic<std::uint64_t>* cell(Counter counter) const noexcept;

    void set(Gauge gauge, std::uint64_t value) noexcept;
    std::uint64_t get(Gauge gauge) const noexcept;

    void change(WorkerGauge gauge, std::int64_t by) noexcept;
    std::int64_t get(WorkerGauge gauge) const noexcept;
    // Nothing is left of what a dead worker was doing. Called by the master alone, through
    // WorkerTable::raise(), while no process uses the index.
    void forgetGauges(std::uint32_t index) noexcept;

    // A request that got the head of a reply. Both times count from its complete head.
    void finished(RequestResult result, Micros firstByte, Micros duration) noexcept;
    Histogram firstByte(RequestResult result) const noexcept;
    Histogram duration(RequestResult result) const noexcept;

    // REQUIRES: cause < kMaxFailureCauses.
    void fillFailed(std::uint32_t cause) noexcept;
    std::uint64_t fillsFailed(std::uint32_t cause) const noexcept;

private:
    WorkerCells& own() const noexcept;

    CounterBlock* block_;
    std::uint32_t self_;
};

}  // namespace ociproxy

#endif
