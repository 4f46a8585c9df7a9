// Finding slots: by key, for a new key, and all of them.
#include <cstring>

#include "shm/claim_guard.h"
#include "shm/claim_slot.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

// An orphan that nobody has taken over for so long is given up when its slot is
// needed. Watchers claim as soon as they are woken; their bits outlive their wish.
constexpr Millis kOrphanKeep{60'000};
constexpr Millis kWatchedOrphanKeep{600'000};

// In the order in which slots are given to new keys.
enum class Room { kFree, kForgotten, kOldOrphan, kEnded, kNone };

Room roomIn(const ClaimSlot& slot, std::int64_t nowNs) noexcept {
    const ClaimState state = stateOf(slot);
    if (state == ClaimState::kFree) return Room::kFree;
    const std::int64_t age = nowNs - slot.endedNs;
    if (state == ClaimState::kOrphaned) {
        const Millis keep = slot.watchers == 0 ? kOrphanKeep : kWatchedOrphanKeep;
        return age > nanoseconds(keep) ? Room::kOldOrphan : Room::kNone;
    }
    if (!isEnded(state) || age < nanoseconds(kBriefly)) return Room::kNone;
    return isRemembered(slot, nowNs) ? Room::kEnded : Room::kForgotten;
}

ClaimSlot* bucketOf(ClaimSlot* slots, std::uint32_t slotCount, const ClaimKey& key) noexcept {
    std::uint64_t hash = 0;
    std::memcpy(&hash, key.data(), sizeof hash);
    return slots + hash % (slotCount / kBucketSlots) * kBucketSlots;
}

}  // namespace

ClaimSlot* ClaimTable::findSlot(const ClaimKey& key) noexcept {
    ClaimSlot* bucket = bucketOf(slots_, slotCount_, key);
    for (ClaimSlot* slot = bucket; slot != bucket + kBucketSlots; ++slot) {
        if (slot->key == key && stateOf(*slot) != ClaimState::kFree) return slot;
    }
    return nullptr;
}

// The best kind of room, and within it the slot that ended first.
ClaimSlot* ClaimTable::freeSlot(const ClaimKey& key) noexcept {
    const std::int64_t nowNs = monotonicNs();
    ClaimSlot* bucket = bucketOf(slots_, slotCount_, key);
    ClaimSlot* best = nullptr;
    Room bestRoom = Room::kNone;
    for (ClaimSlot* slot = bucket; slot != bucket + kBucketSlots; ++slot) {
        const Room room = roomIn(*slot, nowNs);
        if (room > bestRoom || room == Room::kNone) continue;
        if (room == bestRoom && slot->endedNs >= best->endedNs) continue;
        best = slot;
        bestRoom = room;
    }
    return best;
}

unsigned ClaimTable::sweep(const WorkerId& dead) noexcept {
    const std::int64_t nowNs = monotonicNs();
    const std::uint64_t bell = std::uint64_t{1} << (dead.index % kMaxWorkers);
    unsigned count = 0;
    Guard guard(this);
    // Also for what the dead one ended, but was killed before it could ring.
    guard.ringAll();
    for (std::uint32_t i = 0; guard && i < slotCount_; ++i) {
        ClaimSlot& slot = slots_[i];
        slot.watchers &= ~bell;
        if (!isRunning(stateOf(slot)) || !(ownerOf(slot) == dead)) continue;
        guard.change(&slot);
        orphan(&slot, nowNs);
        ++count;
    }
    return count;
}

std::optional<std::set<std::uint64_t>> ClaimTable::lineagesInUse() {
    std::vector<std::uint64_t> found(slotCount_);  // no allocation under the lock
    std::size_t count = 0;
    const std::int64_t nowNs = monotonicNs();
    {
        Guard guard(this);
        if (!guard) return std::nullopt;
        for (std::uint32_t i = 0; i < slotCount_; ++i) {
            const ClaimState state = stateOf(slots_[i]);
            const bool orphaned = state == ClaimState::kOrphaned &&
                                  roomIn(slots_[i], nowNs) != Room::kOldOrphan;
            if (isRunning(state) || orphaned) {
                found[count++] = slots_[i].lineage;
            }
        }
    }
    return std::set<std::uint64_t>(found.data(), found.data() + count);
}

std::optional<ClaimTable::Census> ClaimTable::census() noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    if (!guard) return std::nullopt;
    Census census;
    census.slots = slotCount_;
    for (std::uint32_t i = 0; i < slotCount_; ++i) {
        ClaimState state = stateOf(slots_[i]);
        if (isEnded(state) && !isRemembered(slots_[i], nowNs)) state = ClaimState::kFree;
        ++census.inState[static_cast<std::size_t>(state)];
    }
    return census;
}

}  // namespace ociproxy
