#include "ociproxy/shm/claim_table.h"

#include <algorithm>
#include <string>

#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "shm/claim_guard.h"
#include "shm/claim_slot.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

struct Claimant {
    const ClaimKey& key;
    const WorkerId& me;
    const Sha256& requester;
};

void take(ClaimHeader* header, ClaimSlot* slot, const Claimant& by) noexcept {
    slot->generation = nextNumber(&header->lastGeneration);
    slot->ownerIndex = by.me.index;
    slot->ownerEpoch = by.me.epoch;
    slot->requester = by.requester;
    slot->rungBytes = slot->bytes;
    slot->rungNs = slot->wantedNs = monotonicNs();
    publish(slot, ClaimState::kRunning);
}

// In a new file. The slot keeps its watchers if it was this key's before.
void begin(ClaimHeader* header, ClaimSlot* slot, const Claimant& by, std::uint32_t attempt,
           Bytes bytes = Bytes::kThrownAway) noexcept {
    publish(slot, ClaimState::kFree);
    if (slot->key != by.key) {
        slot->key = by.key;
        slot->watchers = 0;
    }
    slot->attempt = attempt;
    renewLineage(header, slot, bytes);
    take(header, slot, by);
}

// The owner's process is gone: its file may be adopted.
void inherit(ClaimHeader* header, ClaimSlot* slot, const Claimant& by) noexcept {
    orphan(slot, monotonicNs());
    slot->adopted = true;
    take(header, slot, by);
}

// The attempt that a new try of a failed claim is.
std::uint32_t attemptAfter(const ClaimSlot& slot, const Claimant& by, std::int64_t nowNs) noexcept {
    if (stateOf(slot) != ClaimState::kFailed || !isRemembered(slot, nowNs)) return 1;
    if (slot.requester == by.requester) {
        return slot.attempt < ClaimTable::kMaxAttempts ? slot.attempt + 1 : 1;
    }
    // What may pass is the upstream's trouble, whoever asks: the count goes on, or two
    // repositories would try in turns for ever.
    return slot.failure.retryable ? std::min(slot.attempt + 1, ClaimTable::kMaxAttempts) : 1;
}

bool answersForFailure(const ClaimSlot& slot, const Claimant& by, std::int64_t nowNs) noexcept {
    return stateOf(slot) == ClaimState::kFailed && nowNs < slot.keepUntilNs &&
           slot.requester == by.requester &&
           (!slot.failure.retryable || slot.attempt >= ClaimTable::kMaxAttempts);
}

// Its owner could not get the lock to say that it had ended.
bool isDropped(const ClaimSlot& slot) noexcept {
    return slot.dropped.load() == slot.generation;
}

bool isResponsive(const ClaimSlot& slot, const WorkerTable& workers) noexcept {
    return !isDropped(slot) && workers.isResponsive(ownerOf(slot));
}

Adoption adoptionOf(const ClaimSlot& slot) noexcept {
    Adoption out;
    out.lineage = slot.lineage;
    out.bytes = slot.bytes;
    out.total = slot.total;
    out.started = slot.started;
    return out;
}

// The owner may wake and write: not one byte of its file is trusted unread.
Adoption overtake(ClaimHeader* header, ClaimSlot* slot, const Claimant& by) noexcept {
    Adoption out = adoptionOf(*slot);
    out.ownerLives = true;
    begin(header, slot, by, slot->attempt, Bytes::kCopied);
    return out;
}

// How the claimant fares with a slot that holds its key; kOwner: it has been taken.
ClaimTable::Outcome meet(ClaimHeader* header, ClaimSlot* slot, const WorkerTable& workers,
                         const Claimant& by, std::optional<Adoption>* adoption) noexcept {
    const ClaimState state = stateOf(*slot);
    if (state == ClaimState::kOrphaned) {
        inherit(header, slot, by);
    } else if (isRunning(state)) {
        if (isResponsive(*slot, workers)) return ClaimTable::Outcome::kTaken;
        if (workers.isCurrent(ownerOf(*slot))) {
            *adoption = overtake(header, slot, by);
        } else {
            inherit(header, slot, by);
        }
    } else {
        const std::int64_t nowNs = monotonicNs();
        if (answersForFailure(*slot, by, nowNs)) return ClaimTable::Outcome::kFailed;
        begin(header, slot, by, attemptAfter(*slot, by, nowNs));
    }
    return ClaimTable::Outcome::kOwner;
}

}  // namespace

const char* claimStateName(ClaimState state) noexcept {
    switch (state) {
        case ClaimState::kFree: return "free";
        case ClaimState::kRunning: return "running";
        case ClaimState::kVerified: return "verified";
        case ClaimState::kCommitted: return "committed";
        case ClaimState::kFailed: return "failed";
        case ClaimState::kOrphaned: return "orphaned";
    }
    return "unknown";
}

ClaimKey claimKey(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view& part : parts) {
        if (&part != parts.begin()) text.push_back('\0');
        text.append(part);
    }
    return sha256Of(text);
}

ClaimTable::ClaimTable(ClaimHeader* header, ClaimSlot* slots, WorkerTable* workers,
                       Counters* counters)
    : header_(header), slots_(slots), slotCount_(header->slotCount), workers_(workers),
      counters_(counters), seenGeneration_(header->lastGeneration),
      seenLineage_(header->lastLineage) {
    OCIPROXY_ASSERT(header->magic == kLayoutMagic && header->version == kLayoutVersion);
    OCIPROXY_ASSERT(slotCount_ >= kBucketSlots && slotCount_ % kBucketSlots == 0);
}

ClaimTable::Result ClaimTable::claim(const ClaimKey& key, const WorkerId& me,
                                     const Sha256& requester) noexcept {
    const Claimant by{key, me, requester};
    Result result;
    Guard guard(this);
    ClaimSlot* slot = guard ? findSlot(key) : nullptr;
    if (slot) {
        guard.change(slot);
        result.outcome = meet(header_, slot, *workers_, by, &result.adoption);
    } else if (guard && (slot = freeSlot(key)) != nullptr) {
        guard.change(slot);
        begin(header_, slot, by, 1);
        result.outcome = Outcome::kOwner;
    } else {
        counters_->add(Counter::kClaimTableFull);
        return result;
    }
    if (result.outcome != Outcome::kOwner) {
        result.view = view(*slot);
        return result;
    }
    result.handle = {static_cast<std::uint32_t>(slot - slots_), slot->generation};
    result.lineage = slot->lineage;
    result.attempt = slot->attempt;
    if (slot->adopted) result.adoption = adoptionOf(*slot);
    guard.ring(*slot);
    return result;
}

std::optional<ClaimView> ClaimTable::find(const ClaimKey& key,
                                          std::optional<std::uint32_t> watcher) noexcept {
    OCIPROXY_ASSERT(!watcher || *watcher < kMaxWorkers);
    Guard guard(this);
    ClaimSlot* slot = guard ? findSlot(key) : nullptr;
    if (!slot) return std::nullopt;
    const std::int64_t nowNs = monotonicNs();
    if (watcher) {
        slot->watchers |= std::uint64_t{1} << *watcher;
        slot->wantedNs = nowNs;
    }
    if (isEnded(stateOf(*slot)) && !isRemembered(*slot, nowNs)) return std::nullopt;
    return view(*slot);
}

ClaimView ClaimTable::view(const ClaimSlot& slot) const noexcept {
    ClaimView out;
    out.state = stateOf(slot);
    out.generation = slot.generation;
    out.owner = ownerOf(slot);
    out.ownerResponsive = isResponsive(slot, *workers_);
    out.lineage = slot.lineage;
    out.origin = slot.origin;
    out.started = slot.started;
    out.adopted = slot.adopted;
    out.bytes = slot.bytes;
    out.total = slot.total;
    out.requester = slot.requester;
    out.attempt = slot.attempt;
    if (out.state == ClaimState::kFailed) out.failure = slot.failure;
    return out;
}

}  // namespace ociproxy
