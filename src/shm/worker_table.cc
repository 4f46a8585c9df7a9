#include "ociproxy/shm/worker_table.h"

#include <algorithm>

#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "shm/futex.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

constexpr Millis kLongestWait{86'400'000};  // so that no sum of times overflows

WorkerSlot& at(WorkerSlot* slots, std::uint32_t index) noexcept {
    OCIPROXY_ASSERT(index < kMaxWorkers);
    return slots[index];
}

std::int64_t nanoseconds(Millis time) noexcept {
    return std::chrono::nanoseconds(time).count();
}

}  // namespace

WorkerId WorkerTable::raise(std::uint32_t index) noexcept {
    WorkerSlot& slot = at(slots_, index);
    // Before the epoch: the new incarnation is never seen with the beat of the old one.
    slot.beatNs.store(monotonicNs());
    if (counters_) counters_->forgetGauges(index);
    return {index, slot.epoch.fetch_add(1) + 1};
}

bool WorkerTable::isCurrent(const WorkerId& id) const noexcept {
    return id.index < kMaxWorkers && id.epoch != 0 && slots_[id.index].epoch.load() == id.epoch;
}

// No time of our own is negative: so no difference overflows.
bool WorkerTable::isResponsive(const WorkerId& id) const noexcept {
    if (!isCurrent(id)) return false;
    const std::int64_t beat = lastBeatNs(id.index);
    const std::int64_t age = monotonicNs() - std::max(beat, std::int64_t{0});
    return age < nanoseconds(kSilentAfter) && age > -nanoseconds(kSilentAfter);
}

void WorkerTable::affirm(const WorkerId& id) noexcept {
    WorkerSlot& slot = at(slots_, id.index);
    if (slot.epoch.load() != id.epoch) slot.epoch.store(id.epoch);
    const std::int64_t nowNs = monotonicNs();
    const std::int64_t beat = slot.beatNs.load();
    if (beat < 0 || beat > nowNs) slot.beatNs.store(nowNs);
}

void WorkerTable::beat(const WorkerId& id) noexcept {
    if (isCurrent(id)) slots_[id.index].beatNs.store(monotonicNs());
}

std::int64_t WorkerTable::lastBeatNs(std::uint32_t index) const noexcept {
    return at(slots_, index).beatNs.load();
}

void WorkerTable::setAccepting(const WorkerId& id, bool accepting) noexcept {
    if (isCurrent(id)) slots_[id.index].acceptingEpoch.store(accepting ? id.epoch : 0);
}

// An epoch rather than a flag: what a dead incarnation has said counts no more.
std::uint32_t WorkerTable::acceptingCount() const noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t index = 0; index < kMaxWorkers; ++index) {
        const WorkerId id{index, slots_[index].acceptingEpoch.load()};
        if (isResponsive(id)) ++count;
    }
    return count;
}

std::uint32_t WorkerTable::doorbell(std::uint32_t index) const noexcept {
    return at(slots_, index).doorbell.load();
}

void WorkerTable::ring(std::uint32_t index) noexcept {
    WorkerSlot& slot = at(slots_, index);
    slot.doorbell.fetch_add(1);
    futexWakeAll(&slot.doorbell);
}

void WorkerTable::wait(std::uint32_t index, std::uint32_t seen, Millis atMost) const noexcept {
    const WorkerSlot& slot = at(slots_, index);
    const std::int64_t until = monotonicNs() + nanoseconds(std::min(atMost, kLongestWait));
    while (slot.doorbell.load() == seen) {
        const std::int64_t left = until - monotonicNs();
        if (left <= 0) return;
        futexWait(&slot.doorbell, seen, left);
    }
}

}  // namespace ociproxy
