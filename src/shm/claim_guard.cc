#include "shm/claim_guard.h"

#include "ociproxy/shm/counters.h"
#include "shm/claim_slot.h"
#include "shm/layout.h"

namespace ociproxy {

ClaimTable::Guard::Guard(ClaimTable* table) noexcept : table_(table) {
    RobustMutex& mutex = table_->header_->mutex;
    const RobustMutex::Lock lock = mutex.lock(kLockTimeout);
    locked_ = lock != RobustMutex::Lock::kTimedOut;
    if (lock != RobustMutex::Lock::kOwnerDied) return;
    repair();
    mutex.consistent();
}

ClaimTable::Guard::~Guard() {
    if (locked_) table_->header_->mutex.unlock();
    for (std::uint32_t index = 0; bells_ != 0; ++index, bells_ >>= 1) {
        if ((bells_ & 1u) != 0) table_->workers_->ring(index);
    }
}

// A torn slot is one of those that layout.h names; all of them are true as they stand.
// Owners that the master has already declared dead need not wait for its sweep.
void ClaimTable::Guard::repair() noexcept {
    const std::int64_t nowNs = monotonicNs();
    for (std::uint32_t i = 0; i < table_->header_->slotCount; ++i) {
        ClaimSlot& slot = table_->slots_[i];
        const ClaimState state = stateOf(slot);
        if (state == ClaimState::kFree) {
            publish(&slot, ClaimState::kFree);  // whatever was there
        } else if (isRunning(state) && !table_->workers_->isCurrent(ownerOf(slot))) {
            orphan(&slot, nowNs);
        }
    }
    table_->counters_->add(Counter::kLockRepaired);
    ringAll();  // the dead one can have changed anything without ringing
}

ClaimSlot* ClaimTable::Guard::owned(const ClaimHandle& handle) const noexcept {
    return locked_ ? table_->owned(handle) : nullptr;
}

void ClaimTable::Guard::ring(const ClaimSlot& slot) noexcept {
    bells_ |= slot.watchers;
}

void ClaimTable::Guard::ringAll() noexcept {
    bells_ = UINT64_MAX;
}

}  // namespace ociproxy
