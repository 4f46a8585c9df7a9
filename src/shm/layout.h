// What lies in shared memory, byte for byte. Fixed-size plain structures: no pointers,
// no constructors that matter, nothing that allocates; all zero is a valid beginning.
// Every process of a master has the same program, so the version only tells a reader
// of a core file what it sees.
//
// How a death in the midst of an update stays harmless. Whoever holds a lock may be
// killed between any two stores. So every update is ordered such that the table is true
// after each single store, and ends with the one that publishes it (`state`):
//   * a free slot's fields mean nothing: a slot is filled while it is free;
//   * a slot whose unfinished work may be adopted is orphaned while it changes owner,
//     and its lineage and bytes do not change meanwhile;
//   * in a new lineage the bytes are zero before the lineage has its new number, and the
//     origin, if it changes, has it before that;
//   * what goes with an end (failure, times) is written before the state says so.
// What remains for the repair are claims whose owners are gone, rings that their
// killers prevented, and the seal of the slot that was being changed.
//
// How memory that somebody else wrote to stays harmless. What followers and owners rely
// on in a slot is sealed: a slot whose seal does not fit counts as free, and its owner is
// fenced. Sizes and numbers that must not go back are kept in each process as well.
#ifndef OCIPROXY_SRC_SHM_LAYOUT_H
#define OCIPROXY_SRC_SHM_LAYOUT_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ociproxy/base/digest.h"
#include "ociproxy/shm/claim_table.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"
#include "ociproxy/shm/token_board.h"
#include "ociproxy/shm/upstream_stats.h"
#include "ociproxy/shm/worker_table.h"
#include "shm/robust_mutex.h"

namespace ociproxy {

constexpr std::uint32_t kLayoutMagic = 0x6f636970;  // "ocip"
constexpr std::uint32_t kLayoutVersion = 4;
constexpr std::size_t kCacheLine = 64;
constexpr std::uint32_t kBucketSlots = 16;

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
                  std::atomic<std::uint64_t>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "a lock in shared memory would die with its holder");

// Atomic throughout; no lock.
struct alignas(kCacheLine) WorkerSlot {
    std::atomic<std::uint64_t> epoch;  // 0: never raised
    std::atomic<std::int64_t> beatNs;
    std::atomic<std::uint32_t> doorbell;
    std::atomic<std::uint64_t> acceptingEpoch;  // the incarnation that accepts; 0: none does
};
static_assert(sizeof(WorkerSlot) == 64 && std::is_standard_layout_v<WorkerSlot>);

struct HistogramCells {
    std::atomic<std::uint64_t> buckets[kHistogramBuckets];
    std::atomic<std::uint64_t> sumMicros;
};

// One worker's own lines, but for the master's zeroes; one more for master and janitor.
struct alignas(kCacheLine) WorkerCells {
    std::atomic<std::int64_t> gauges[static_cast<std::size_t>(WorkerGauge::kCount)];
    std::atomic<std::uint64_t> counters[static_cast<std::size_t>(Counter::kCount)];
    HistogramCells firstByte[static_cast<std::size_t>(RequestResult::kCount)];
    HistogramCells duration[static_cast<std::size_t>(RequestResult::kCount)];
    std::atomic<std::uint64_t> failures[kMaxFailureCauses];
};
struct alignas(kCacheLine) CounterBlock {
    WorkerCells cells[kMaxWorkers + 1];
    std::atomic<std::uint64_t> gauges[static_cast<std::size_t>(Gauge::kCount)];
};
static_assert(std::is_standard_layout_v<CounterBlock>);

// A name is written once, by whoever took the free row, and read once it is there.
struct alignas(kCacheLine) UpstreamCells {
    enum State : std::uint32_t { kFree, kNaming, kNamed };
    std::atomic<std::uint32_t> state;
    std::uint32_t nameLength;
    char name[UpstreamStats::kMaxNameLength + 1];
    std::atomic<std::uint64_t> requests[static_cast<std::size_t>(UpstreamOutcome::kCount)];
    HistogramCells duration;
};
static_assert(std::is_standard_layout_v<UpstreamCells>);

// Read by every hit, so in a line that is seldom written to.
struct alignas(kCacheLine) StoreCells {
    std::atomic<std::uint64_t> generation;
};

// Written to by every commit, so not in the line above. No lock; see StoreBudget.
struct alignas(kCacheLine) BudgetCells {
    std::atomic<std::uint64_t> limit;
    std::atomic<std::uint64_t> mark;
    std::atomic<std::int64_t> used;  // a sum of changes by several: may pass below zero
    std::atomic<std::uint64_t> inFlight;
    std::atomic<std::uint64_t> evictable;
    std::atomic<std::uint32_t> full;
    std::atomic<std::uint32_t> bell;
};
static_assert(sizeof(BudgetCells) == 64 && std::is_standard_layout_v<BudgetCells>);

struct alignas(kCacheLine) ClaimHeader {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t slotCount;  // for who reads a core file; processes keep their own
    std::uint32_t changing;   // 1 + the slot that was changed last: the one that may be torn
    std::uint64_t lastGeneration;
    std::uint64_t lastLineage;  // begins at random: files of earlier runs are not ours
    RobustMutex mutex;
};
static_assert(sizeof(ClaimHeader) == 128 && std::is_standard_layout_v<ClaimHeader>);

// Guarded by ClaimHeader::mutex, but for `dropped`.
struct alignas(kCacheLine) ClaimSlot {
    std::atomic<std::uint32_t> state;  // ClaimState; stored last
    std::uint32_t attempt;
    std::uint64_t generation;
    std::uint64_t lineage;
    std::uint64_t bytes;
    std::uint64_t total;
    std::uint64_t ownerEpoch;
    std::uint32_t ownerIndex;
    bool started;
    bool adopted;               // the file is one that a dead owner began
    std::int64_t endedNs;       // when it was finished, failed or orphaned
    std::int64_t keepUntilNs;   // committed, failed: how long that is remembered
    std::uint64_t origin;       // the lineage whose bytes this one's begin with, maybe itself
    ClaimFailure failure;  // of the latest failure of this key, also while it is tried again
    ClaimKey key;
    Sha256 requester;
    std::uint64_t seal;  // of all above
    // From here on whatever is written does no harm that lasts.
    std::uint64_t watchers;   // a bit for each worker index
    std::uint64_t rungBytes;  // progress at the last ring
    std::int64_t rungNs;
    std::int64_t wantedNs;    // when somebody last claimed, started or watched it
    // The generation whose owner could not get the lock to say that it had ended.
    std::atomic<std::uint64_t> dropped;
};
static_assert(sizeof(ClaimSlot) == 256 && std::is_standard_layout_v<ClaimSlot>);
static_assert(std::is_trivially_copyable_v<ClaimFailure> && sizeof(ClaimFailure) == 16);

struct alignas(kCacheLine) TokenHeader {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t slotCount;  // for who reads a core file; processes keep their own
    std::uint32_t reserved;
    RobustMutex mutex;
};
static_assert(sizeof(TokenHeader) == 64 && std::is_standard_layout_v<TokenHeader>);

// Guarded by TokenHeader::mutex.
struct alignas(kCacheLine) TokenSlot {
    std::atomic<std::uint32_t> length;  // 0: free; stored last
    std::uint32_t reserved;
    std::int64_t notAfterNs;
    Sha256 key;
    std::uint64_t seal;  // of all others
    char token[TokenBoard::kMaxToken];
};
static_assert(sizeof(TokenSlot) == 64 + TokenBoard::kMaxToken);
static_assert(std::is_standard_layout_v<TokenSlot>);

}  // namespace ociproxy

#endif
