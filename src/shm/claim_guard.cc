#include "shm/claim_guard.h"

#include "ociproxy/shm/counters.h"
#include "shm/claim_slot.h"
#include "shm/layout.h"

namespace ociproxy {

ClaimTable::Guard::Guard(ClaimTable* table) noexcept : table_(table) {
    RobustMutex& mutex = table_->header_->mutex;
    const RobustMutex::Lock lock = table_->patience_.lock(&mutex);
    locked_ = lock != RobustMutex::Lock::kTimedOut;
    if (locked_) recallNumbers();
    if (lock != RobustMutex::Lock::kOwnerDied) return;
    repair();
    mutex.consistent();
}

ClaimTable::Guard::~Guard() {
    if (locked_) {
        table_->seenGeneration_ = table_->header_->lastGeneration;
        table_->seenLineage_ = table_->header_->lastLineage;
        table_->header_->mutex.unlock();
    }
    for (std::uint32_t index = 0; bells_ != 0; ++index, bells_ >>= 1) {
        if ((bells_ & 1u) != 0) table_->workers_->ring(index);
    }
}

// What this process has seen was given: never again, whatever the header says.
void ClaimTable::Guard::recallNumbers() noexcept {
    ClaimHeader& header = *table_->header_;
    if (isLater(table_->seenGeneration_, header.lastGeneration)) {
        header.lastGeneration = table_->seenGeneration_;
    }
    if (isLater(table_->seenLineage_, header.lastLineage)) {
        header.lastLineage = table_->seenLineage_;
    }
}

// A torn slot is one of those that layout.h names; all of them are true as they stand.
// Owners that the master has already declared dead need not wait for its sweep.
void ClaimTable::Guard::repair() noexcept {
    const std::int64_t nowNs = monotonicNs();
    const std::uint32_t torn = table_->header_->changing - 1;
    for (std::uint32_t i = 0; i < table_->slotCount_; ++i) {
        ClaimSlot& slot = table_->slots_[i];
        if (i == torn && hasKnownState(slot)) seal(&slot);
        const ClaimState state = stateOf(slot);
        if (state == ClaimState::kFree) {
            publish(&slot, ClaimState::kFree);  // whatever was there
        } else if (isRunning(state) && !table_->workers_->isCurrent(ownerOf(slot))) {
            change(&slot);
            orphan(&slot, nowNs);
        }
    }
    table_->counters_->add(Counter::kLockRepaired);
    ringAll();  // the dead one can have changed anything without ringing
}

ClaimSlot* ClaimTable::Guard::owned(const ClaimHandle& handle) const noexcept {
    ClaimSlot* slot = locked_ ? table_->owned(handle) : nullptr;
    if (slot) change(slot);
    return slot;
}

void ClaimTable::Guard::change(const ClaimSlot* slot) const noexcept {
    table_->header_->changing = static_cast<std::uint32_t>(slot - table_->slots_) + 1;
    storeBarrier();
}

void ClaimTable::Guard::ring(const ClaimSlot& slot) noexcept {
    bells_ |= slot.watchers;
}

void ClaimTable::Guard::ringAll() noexcept {
    bells_ = UINT64_MAX;
}

}  // namespace ociproxy
