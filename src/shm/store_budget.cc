#include "ociproxy/shm/store_budget.h"

#include <algorithm>

#include "ociproxy/base/disk_cost.h"
#include "shm/futex.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

// Far beyond any disk; sums of two of these do not overflow.
constexpr std::uint64_t kMost = std::uint64_t{1} << 62;

std::uint64_t asBytes(std::int64_t value) noexcept {
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::int64_t asChange(std::uint64_t bytes) noexcept {
    return static_cast<std::int64_t>(std::min(bytes, kMost));
}

}  // namespace

std::uint64_t StoreBudget::costOf(std::uint64_t size) noexcept {
    return diskCost(size);
}

bool StoreBudget::admits(std::optional<std::uint64_t> size) const noexcept {
    if (full()) return false;
    const std::uint64_t bound = limit();
    if (bound == kUnlimited) return true;
    const std::uint64_t wanted = costOf(size.value_or(0));
    if (wanted > mark()) return false;
    // No more on account than this one needs or a tenth: were the janitor stopped, nobody
    // would evict.
    const std::uint64_t account = std::min(evictable(), std::max(wanted, bound / 10));
    return used() + inFlight() + wanted <= bound + account;
}

void StoreBudget::committed(std::uint64_t size) noexcept {
    const std::int64_t cost = asChange(costOf(size));
    cells_->used.fetch_add(cost);
    if (limit() != kUnlimited && used() + inFlight() > mark()) ring();
}

void StoreBudget::setLimit(std::uint64_t bytes, std::uint64_t mark) noexcept {
    cells_->mark.store(std::min(mark, kMost));
    cells_->limit.store(std::min(bytes, kMost));
}

void StoreBudget::correct(std::uint64_t then, std::uint64_t now) noexcept {
    cells_->used.fetch_add(asChange(now) - asChange(then));
}

void StoreBudget::setInFlight(std::uint64_t bytes) noexcept {
    cells_->inFlight.store(std::min(bytes, kMost));
}

void StoreBudget::setEvictable(std::uint64_t bytes) noexcept {
    cells_->evictable.store(bytes);
}

void StoreBudget::setFull(bool full) noexcept {
    cells_->full.store(full ? 1 : 0);
}

std::uint64_t StoreBudget::limit() const noexcept {
    return cells_->limit.load();
}

std::uint64_t StoreBudget::mark() const noexcept {
    return cells_->mark.load();
}

std::uint64_t StoreBudget::used() const noexcept {
    return asBytes(cells_->used.load());
}

std::uint64_t StoreBudget::inFlight() const noexcept {
    return cells_->inFlight.load();
}

std::uint64_t StoreBudget::evictable() const noexcept {
    return cells_->evictable.load();
}

bool StoreBudget::full() const noexcept {
    return cells_->full.load() != 0;
}

std::uint32_t StoreBudget::bell() const noexcept {
    return cells_->bell.load();
}

void StoreBudget::ring() noexcept {
    cells_->bell.fetch_add(1);
    futexWakeAll(&cells_->bell);
}

void StoreBudget::wait(std::uint32_t seen, Millis atMost) const noexcept {
    const std::int64_t until = monotonicNs() + std::chrono::nanoseconds(atMost).count();
    while (cells_->bell.load() == seen) {
        const std::int64_t left = until - monotonicNs();
        if (left <= 0) return;
        futexWait(&cells_->bell, seen, left);
    }
}

}  // namespace ociproxy
