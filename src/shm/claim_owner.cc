// What the owner of a claim may do with it.
#include "shm/claim_guard.h"
#include "shm/claim_slot.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

// Progress rings seldom: a bell is a system call for each watching worker.
constexpr std::uint64_t kRingBytes = 1024 * 1024;
constexpr Millis kRingEvery{100};

// Of times that anybody may have written: no difference overflows.
std::int64_t since(std::int64_t thenNs, std::int64_t nowNs) noexcept {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(nowNs) -
                                     static_cast<std::uint64_t>(thenNs));
}

bool progressIsNews(const ClaimSlot& slot, std::uint64_t bytes, std::int64_t nowNs) noexcept {
    const bool first = slot.bytes == 0;
    const bool complete = slot.bytes < slot.total && bytes >= slot.total;
    return first || complete || bytes - slot.rungBytes >= kRingBytes ||
           since(slot.rungNs, nowNs) >= nanoseconds(kRingEvery);
}

// Without the lock nothing can be said about a claim, but that nobody is at it any
// more: whoever asks finds its owner unresponsive and takes it over.
void drop(std::atomic<std::uint64_t>* dropped, std::uint64_t generation) noexcept {
    std::uint64_t present = dropped->load();
    while (isLater(generation, present) && !dropped->compare_exchange_weak(present, generation)) {
    }
}

}  // namespace

ClaimSlot* ClaimTable::owned(const ClaimHandle& handle) noexcept {
    if (handle.slot >= slotCount_ || handle.generation == 0) return nullptr;
    ClaimSlot* slot = slots_ + handle.slot;
    return slot->generation == handle.generation && isRunning(stateOf(*slot)) ? slot : nullptr;
}

bool ClaimTable::owns(const ClaimHandle& handle) noexcept {
    Guard guard(this);
    return guard.owned(handle) != nullptr;
}

bool ClaimTable::start(const ClaimHandle& handle, std::uint64_t total) noexcept {
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return false;
    slot->total = total;
    slot->wantedNs = monotonicNs();
    storeBarrier();
    slot->started = true;
    seal(slot);
    guard.ring(*slot);
    return true;
}

bool ClaimTable::progress(const ClaimHandle& handle, std::uint64_t bytes) noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return false;
    if (bytes <= slot->bytes) return true;  // followers have been told more already
    const bool news = progressIsNews(*slot, bytes, nowNs);
    slot->bytes = bytes;
    seal(slot);
    if (!news) return true;
    slot->rungBytes = bytes;
    slot->rungNs = nowNs;
    guard.ring(*slot);
    return true;
}

std::uint64_t ClaimTable::newLineage(const ClaimHandle& handle) noexcept {
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return 0;
    publish(slot, ClaimState::kRunning);  // what was verified is thrown away
    renewLineage(header_, slot, Bytes::kThrownAway);
    seal(slot);
    guard.ring(*slot);
    return slot->lineage;
}

bool ClaimTable::verified(const ClaimHandle& handle, std::uint64_t total) noexcept {
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return false;
    slot->bytes = total;
    slot->total = total;
    slot->started = true;
    publish(slot, ClaimState::kVerified);
    guard.ring(*slot);
    return true;
}

bool ClaimTable::finish(const ClaimHandle& handle) noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return release(guard, handle);
    endAs(slot, ClaimState::kCommitted, kKeepDone, nowNs);
    guard.ring(*slot);
    return true;
}

bool ClaimTable::fail(const ClaimHandle& handle, const ClaimFailure& failure,
                      Millis keep) noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return release(guard, handle);
    slot->failure = failure;
    endAs(slot, ClaimState::kFailed, keep, nowNs);
    guard.ring(*slot);
    return true;
}

// Back to what there was before: a dead owner's work, a failure that had allowed one
// more attempt, or nothing.
bool ClaimTable::abandon(const ClaimHandle& handle) noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot) return release(guard, handle);
    if (slot->adopted) {
        orphan(slot, nowNs);
    } else if (slot->attempt > 1 && isRemembered(*slot, nowNs)) {
        --slot->attempt;
        publish(slot, ClaimState::kFailed);
    } else {
        publish(slot, ClaimState::kFree);
    }
    guard.ring(*slot);
    return true;
}

// The watchers' bits go, too: who still has a wish sets its own again when it looks, and an
// orphan that nobody watches does not keep its slot for long.
bool ClaimTable::leaveUnwanted(const ClaimHandle& handle, Millis unwanted) noexcept {
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    ClaimSlot* slot = guard.owned(handle);
    if (!slot || stateOf(*slot) != ClaimState::kRunning) return false;
    if (since(slot->wantedNs, nowNs) < nanoseconds(unwanted)) return false;
    guard.ring(*slot);
    slot->watchers = 0;
    orphan(slot, nowNs);
    return true;
}

bool ClaimTable::release(Guard& guard, const ClaimHandle& handle) noexcept {
    if (!guard && handle.slot < slotCount_) {
        drop(&slots_[handle.slot].dropped, handle.generation);
        guard.ringAll();
    }
    return false;
}

}  // namespace ociproxy
