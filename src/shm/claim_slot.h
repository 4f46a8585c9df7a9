// Reading and changing one slot of the claim table; the table's lock is held.
#ifndef OCIPROXY_SRC_SHM_CLAIM_SLOT_H
#define OCIPROXY_SRC_SHM_CLAIM_SLOT_H

#include <algorithm>
#include <cstddef>

#include "ociproxy/base/clock.h"
#include "shm/layout.h"
#include "shm/seal.h"

namespace ociproxy {

// How long an end is found at least, for those who watch: they look within milliseconds.
constexpr Millis kBriefly{1'000};

inline std::uint64_t sealOf(const ClaimSlot& slot) noexcept {
    constexpr std::size_t first = offsetof(ClaimSlot, generation);
    const char* begin = reinterpret_cast<const char*>(&slot) + first;
    const std::uint64_t seed = (std::uint64_t{slot.attempt} << 32) | slot.state.load();
    return sealOfBytes(seed, begin, offsetof(ClaimSlot, seal) - first);
}

inline void seal(ClaimSlot* slot) noexcept {
    slot->seal = sealOf(*slot);
}

inline bool hasKnownState(const ClaimSlot& slot) noexcept {
    return slot.state.load() <= static_cast<std::uint32_t>(ClaimState::kOrphaned);
}

// What no program wrote counts as free.
inline ClaimState stateOf(const ClaimSlot& slot) noexcept {
    const ClaimState state = static_cast<ClaimState>(slot.state.load());
    if (state == ClaimState::kFree || !hasKnownState(slot)) return ClaimState::kFree;
    return slot.seal == sealOf(slot) ? state : ClaimState::kFree;
}

// Keeps the compiler from moving stores across: see layout.h for why their order counts.
inline void storeBarrier() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

// The one store that ends an update; who dies before the seal leaves it to the repair.
inline void publish(ClaimSlot* slot, ClaimState state) noexcept {
    storeBarrier();
    slot->state.store(static_cast<std::uint32_t>(state));
    storeBarrier();
    seal(slot);
}

// Numbers that go round: whether `a` was given after `b`.
inline bool isLater(std::uint64_t a, std::uint64_t b) noexcept {
    return static_cast<std::int64_t>(a - b) > 0;
}

// Zero is nobody's number.
inline std::uint64_t nextNumber(std::uint64_t* last) noexcept {
    if (++*last == 0) ++*last;
    return *last;
}

inline bool isRunning(ClaimState state) noexcept {
    return state == ClaimState::kRunning || state == ClaimState::kVerified;
}

inline bool isEnded(ClaimState state) noexcept {
    return state == ClaimState::kCommitted || state == ClaimState::kFailed;
}

inline WorkerId ownerOf(const ClaimSlot& slot) noexcept {
    return {slot.ownerIndex, slot.ownerEpoch};
}

inline std::int64_t nanoseconds(Millis time) noexcept {
    return std::chrono::nanoseconds(time).count();
}

// Whether the end of a claim is still to be found; otherwise the slot is as good as free.
inline bool isRemembered(const ClaimSlot& slot, std::int64_t nowNs) noexcept {
    return nowNs < std::max(slot.keepUntilNs, slot.endedNs + nanoseconds(kBriefly));
}

inline void orphan(ClaimSlot* slot, std::int64_t nowNs) noexcept {
    slot->endedNs = nowNs;
    publish(slot, ClaimState::kOrphaned);
}

inline void endAs(ClaimSlot* slot, ClaimState state, Millis keep, std::int64_t nowNs) noexcept {
    slot->endedNs = nowNs;
    slot->keepUntilNs = nowNs + nanoseconds(keep);
    publish(slot, state);
}

// Whether the bytes of the old lineage come again in the new one.
enum class Bytes { kThrownAway, kCopied };

// The zero comes first: the old file never seems to be the adoptable beginning of the new
// one, nor the new one longer than it is.
inline void renewLineage(ClaimHeader* header, ClaimSlot* slot, Bytes bytes) noexcept {
    slot->bytes = 0;
    slot->started = false;
    slot->total = kUnknownLength;
    slot->rungBytes = 0;
    slot->adopted = false;
    const std::uint64_t lineage = nextNumber(&header->lastLineage);
    if (bytes == Bytes::kThrownAway) slot->origin = lineage;
    storeBarrier();
    slot->lineage = lineage;
}

}  // namespace ociproxy

#endif
