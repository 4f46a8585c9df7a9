#ifndef OCIPROXY_SHM_STORE_BUDGET_H
#define OCIPROXY_SHM_STORE_BUDGET_H

#include <cstdint>
#include <optional>

#include "ociproxy/base/clock.h"

namespace ociproxy {

struct BudgetCells;  // src/shm: the shared layout

// How much of the disk the store may use and uses. The janitor measures, sets the bounds
// and evicts; workers ask before they store and say what they have stored. Figures may be
// some moments old: whoever is admitted may find the store above its bound for as long as
// an eviction takes.
//
// Bytes are those that a file takes on disk, see costOf(). Lock-free; any thread of any
// process; in a fresh region there is no bound.
class StoreBudget {
public:
    static constexpr std::uint64_t kUnlimited = 0;

    explicit StoreBudget(BudgetCells* cells) noexcept : cells_(cells) {}

    // diskCost(): what content of that size takes on disk.
    static std::uint64_t costOf(std::uint64_t size) noexcept;

    // Whether content of that size (nullopt: not known) may be stored: there is room, or
    // evicting makes room. False above all for what would be evicted at once because it
    // passes the mark alone, and for everything while the janitor has nothing left to evict.
    bool admits(std::optional<std::uint64_t> size) const noexcept;

    // Content of `size` bytes is in the store now. Rings for the janitor while more is
    // used than the mark from which it evicts.
    void committed(std::uint64_t size) noexcept;

    // ---- for the janitor alone

    // `bytes`: kUnlimited or the bound; eviction is to begin above `mark`.
    void setLimit(std::uint64_t bytes, std::uint64_t mark) noexcept;
    // What is counted was `now` of `then`: what has been committed since `then` was read
    // is kept on top. Bytes as used() gives them.
    void correct(std::uint64_t then, std::uint64_t now) noexcept;
    // Bytes in tmp/, and bytes of content that nothing protects from eviction.
    void setInFlight(std::uint64_t bytes) noexcept;
    void setEvictable(std::uint64_t bytes) noexcept;
    // Above a bound, with nothing left to evict.
    void setFull(bool full) noexcept;

    std::uint64_t limit() const noexcept;
    std::uint64_t mark() const noexcept;
    std::uint64_t used() const noexcept;  // content, with its metadata
    std::uint64_t inFlight() const noexcept;
    std::uint64_t evictable() const noexcept;
    bool full() const noexcept;

    // The doorbell, as WorkerTable's: read bell() before looking at what may change.
    std::uint32_t bell() const noexcept;
    void ring() noexcept;
    // Waits until the bell differs from `seen` or `atMost` has passed.
    void wait(std::uint32_t seen, Millis atMost) const noexcept;

private:
    BudgetCells* cells_;
};

}  // namespace ociproxy

#endif
