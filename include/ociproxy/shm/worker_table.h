#ifndef OCIPROXY_SHM_WORKER_TABLE_H
#define OCIPROXY_SHM_WORKER_TABLE_H

#include <cstdint>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// Indices 0 to 63 cover the workers of both generations.
constexpr std::uint32_t kMaxWorkers = 64;

// One incarnation of a worker. Process ids are not used: they come again.
struct WorkerId {
    std::uint32_t index = 0;
    std::uint64_t epoch = 0;
    friend bool operator==(const WorkerId& a, const WorkerId& b) noexcept {
        return a.index == b.index && a.epoch == b.epoch;
    }
};

class Counters;
struct WorkerSlot;  // src/shm: the shared layout

// Who lives, and how to wake them. Lives in SharedState; all methods are lock-free
// and may be called from any thread of any process.
class WorkerTable {
public:
    // `counters`: whose gauges end with an incarnation; may be nullptr.
    explicit WorkerTable(WorkerSlot* slots, Counters* counters = nullptr)
        : slots_(slots), counters_(counters) {}

    // Begins a new incarnation: whatever an earlier one of this index owns is dead
    // from here on, and its gauges are zero. Called by the master alone: before fork with
    // the result handed to the child, and right after waitpid().
    WorkerId raise(std::uint32_t index) noexcept;

    // Whether `id` is the latest incarnation of its index.
    bool isCurrent(const WorkerId& id) const noexcept;
    // isCurrent() and a beat younger than kSilentAfter: its claims are its own. Watchers
    // look every half second: they are taken over within 10 s.
    bool isResponsive(const WorkerId& id) const noexcept;
    static constexpr Millis kSilentAfter{9'000};
    // Whoever has not beaten for so long is aborted by the master.
    static constexpr Millis kHungAfter{30'000};

    // Says again that `id` is the latest incarnation, whatever stands in the memory that
    // all can write to. Called by the master alone, of workers that live.
    void affirm(const WorkerId& id) noexcept;

    // Says that this worker lives; called every second by a thread of its own.
    void beat(const WorkerId& id) noexcept;
    std::int64_t lastBeatNs(std::uint32_t index) const noexcept;

    // Says whether this worker takes new connections; none does after raise().
    void setAccepting(const WorkerId& id, bool accepting) noexcept;
    // How many responsive workers take new connections.
    std::uint32_t acceptingCount() const noexcept;

    // The doorbell: ring() makes every wait() that has not seen it return. Lost
    // for nobody: read doorbell() before looking at the state that may change.
    std::uint32_t doorbell(std::uint32_t index) const noexcept;
    void ring(std::uint32_t index) noexcept;
    // Waits until the doorbell differs from `seen` or `atMost` has passed.
    void wait(std::uint32_t index, std::uint32_t seen, Millis atMost) const noexcept;

private:
    WorkerSlot* slots_;
    Counters* counters_;
};

}  // namespace ociproxy

#endif
