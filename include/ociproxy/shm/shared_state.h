#ifndef OCIPROXY_SHM_SHARED_STATE_H
#define OCIPROXY_SHM_SHARED_STATE_H

#include <atomic>
#include <cstdint>
#include <memory>

#include "ociproxy/shm/claim_table.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"
#include "ociproxy/shm/token_board.h"
#include "ociproxy/shm/upstream_stats.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

// Everything that master, workers and janitor share: one anonymous shared
// mapping of fixed-size plain structures, made by the master before the first
// fork and gone with the last process. No allocator lives in it, no pointer is
// stored in it. What is not atomic is guarded by process-shared robust mutexes, held
// for microseconds: one of the claim table, one of the token board, never both at once.
//
// The parts may be used from any thread of any process.
class SharedState {
public:
    struct Options {
        std::uint32_t claimSlots = 4096;  // multiple of 16
        std::uint32_t tokenSlots = 256;
    };

    // Maps and initializes the region and touches all its pages, so that a lack
    // of memory shows here. Throws Error.
    explicit SharedState(const Options& options);
    ~SharedState();
    SharedState(const SharedState&) = delete;
    SharedState& operator=(const SharedState&) = delete;

    WorkerTable& workers() noexcept { return *workers_; }
    ClaimTable& claims() noexcept { return *claims_; }
    TokenBoard& tokens() noexcept { return *tokens_; }
    Counters& counters() noexcept { return *counters_; }
    UpstreamStats& upstreams() noexcept { return *upstreams_; }
    StoreBudget& budget() noexcept { return *budget_; }
    // Raised whenever something that was in the store, or a permission to serve it, was
    // taken away: what was looked up under an earlier number is to be looked up again.
    std::atomic<std::uint64_t>& storeGeneration() noexcept;

private:
    class Region;
    std::unique_ptr<Region> region_;
    std::unique_ptr<Counters> counters_;
    std::unique_ptr<UpstreamStats> upstreams_;
    std::unique_ptr<StoreBudget> budget_;
    std::unique_ptr<WorkerTable> workers_;
    std::unique_ptr<ClaimTable> claims_;
    std::unique_ptr<TokenBoard> tokens_;
};

}  // namespace ociproxy

#endif
