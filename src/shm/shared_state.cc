#include "ociproxy/shm/shared_state.h"

#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

constexpr std::uint32_t kMaxSlots = 1u << 20;  // of either table: far beyond sense
constexpr std::uint64_t kLineageOffset = (std::uint64_t{1} << 48) - 1;

boost::interprocess::mapped_region map(std::size_t size) {
    try {
        return boost::interprocess::anonymous_shared_memory(size);
    } catch (const std::exception& e) {
        throw Error(cat("cannot map ", size, " bytes of shared memory: ", e.what()));
    }
}

// Every part is a multiple of a cache line long: so they may follow each other.
template <class T>
constexpr std::size_t sizeOf(std::size_t count = 1) {
    static_assert(sizeof(T) % kCacheLine == 0 && alignof(T) == kCacheLine);
    static_assert(std::is_trivially_destructible_v<T>);
    return sizeof(T) * count;
}

std::size_t regionSize(const SharedState::Options& options) {
    OCIPROXY_ASSERT(options.claimSlots >= kBucketSlots && options.claimSlots <= kMaxSlots);
    OCIPROXY_ASSERT(options.claimSlots % kBucketSlots == 0);
    OCIPROXY_ASSERT(options.tokenSlots >= 1 && options.tokenSlots <= kMaxSlots);
    return sizeOf<CounterBlock>() + sizeOf<UpstreamCells>(UpstreamStats::kMaxNames + 1) +
           sizeOf<StoreCells>() + sizeOf<BudgetCells>() + sizeOf<WorkerSlot>(kMaxWorkers) +
           sizeOf<ClaimHeader>() + sizeOf<ClaimSlot>(options.claimSlots) +
           sizeOf<TokenHeader>() + sizeOf<TokenSlot>(options.tokenSlots);
}

}  // namespace

// The mapping and where in it the parts are. Never shared between masters: its name
// is that it has none.
class SharedState::Region {
public:
    explicit Region(const Options& options) : mapping_(map(regionSize(options))) {
        std::memset(mapping_.get_address(), 0, mapping_.get_size());  // touches every page
        next_ = static_cast<char*>(mapping_.get_address());
        counters = place<CounterBlock>(1);
        upstreams = place<UpstreamCells>(UpstreamStats::kMaxNames + 1);
        store = place<StoreCells>(1);
        budget = place<BudgetCells>(1);
        workers = place<WorkerSlot>(kMaxWorkers);
        claimHeader = place<ClaimHeader>(1);
        claimSlots = place<ClaimSlot>(options.claimSlots);
        tokenHeader = place<TokenHeader>(1);
        tokenSlots = place<TokenSlot>(options.tokenSlots);
        initialize(claimHeader, options.claimSlots);
        initialize(tokenHeader, options.tokenSlots);
        claimHeader->lastLineage = random64() & kLineageOffset;
    }

    CounterBlock* counters = nullptr;
    UpstreamCells* upstreams = nullptr;
    StoreCells* store = nullptr;
    BudgetCells* budget = nullptr;
    WorkerSlot* workers = nullptr;
    ClaimHeader* claimHeader = nullptr;
    ClaimSlot* claimSlots = nullptr;
    TokenHeader* tokenHeader = nullptr;
    TokenSlot* tokenSlots = nullptr;

private:
    template <class T>
    T* place(std::size_t count) {
        T* first = reinterpret_cast<T*>(next_);
        for (std::size_t i = 0; i < count; ++i) new (next_ + i * sizeof(T)) T();
        next_ += sizeOf<T>(count);
        return first;
    }

    template <class Header>
    static void initialize(Header* header, std::uint32_t slotCount) {
        header->magic = kLayoutMagic;
        header->version = kLayoutVersion;
        header->slotCount = slotCount;
        header->mutex.init();
    }

    boost::interprocess::mapped_region mapping_;
    char* next_ = nullptr;
};

SharedState::SharedState(const Options& options)
    : region_(std::make_unique<Region>(options)),
      counters_(std::make_unique<Counters>(region_->counters)),
      upstreams_(std::make_unique<UpstreamStats>(region_->upstreams)),
      budget_(std::make_unique<StoreBudget>(region_->budget)),
      workers_(std::make_unique<WorkerTable>(region_->workers, counters_.get())) {
    claims_ = std::make_unique<ClaimTable>(region_->claimHeader, region_->claimSlots,
                                           workers_.get(), counters_.get());
    tokens_ =
        std::make_unique<TokenBoard>(region_->tokenHeader, region_->tokenSlots, counters_.get());
}

SharedState::~SharedState() = default;

std::atomic<std::uint64_t>& SharedState::storeGeneration() noexcept {
    return region_->store->generation;
}

}  // namespace ociproxy
