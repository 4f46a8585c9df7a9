// The claim table under any order of operations by three workers that may die, and with
// slots in which somebody wrote nonsense: two bytes are one operation.
#include <map>

#include "fuzz/targets.h"
#include "shm/claim_slot.h"
#include "support/shared_tables.h"

namespace ociproxy::fuzz {
namespace {

constexpr std::uint32_t kSlots = 16;
constexpr unsigned kWorkers = 3;
constexpr unsigned kKeys = 6;

// What one worker was told that it owns.
struct Held {
    ClaimHandle handle;
    unsigned key = 0;
    unsigned worker = 0;
    std::uint64_t bytes = 0;
};

class Drama {
public:
    Drama() {
        for (unsigned i = 0; i < kWorkers; ++i) workers_[i] = tables_.workers.raise(i);
    }

    void act(unsigned operation, unsigned detail) {
        const unsigned worker = detail % kWorkers;
        const unsigned key = detail / kWorkers % kKeys;
        switch (operation % 12) {
        case 0: case 1: case 2: claim(key, worker); break;
        case 3: die(worker); break;
        case 4: look(key, worker); break;
        case 5: age(detail); break;
        case 6: scribble(operation, detail); break;
        default: if (!held_.empty()) use(operation, detail);
        }
        checkOwners();
    }

private:
    static ClaimKey keyOf(unsigned key) { return claimKey({"fuzz", std::string(1, char('a' + key))}); }

    void claim(unsigned key, unsigned worker) {
        const ClaimTable::Result result =
            claims_.claim(keyOf(key), workers_[worker], Sha256{});
        if (result.outcome != ClaimTable::Outcome::kOwner) return;
        FUZZ_CHECK(claims_.owns(result.handle) && result.lineage != 0 && result.attempt >= 1);
        FUZZ_CHECK(!result.adoption || result.adoption->lineage == result.lineage);
        FUZZ_CHECK(generations_.insert(result.handle.generation).second);
        held_.push_back({result.handle, key, worker,
                         result.adoption ? result.adoption->bytes : 0});
    }

    // Nothing that it held is its any more.
    void die(unsigned worker) {
        const WorkerId dead = workers_[worker];
        workers_[worker] = tables_.workers.raise(worker);
        claims_.sweep(dead);
        for (const Held& held : held_) {
            FUZZ_CHECK(held.worker != worker || nonsense_ || !claims_.owns(held.handle));
        }
        forget(worker);
    }

    void forget(unsigned worker) {
        std::vector<Held> others;
        for (const Held& held : held_) {
            if (held.worker != worker) others.push_back(held);
        }
        held_ = std::move(others);
    }

    void look(unsigned key, unsigned worker) {
        const std::optional<ClaimView> view = claims_.find(keyOf(key), worker);
        if (!view) return;
        FUZZ_CHECK(view->state != ClaimState::kFree && view->generation != 0);
        FUZZ_CHECK(std::string_view(claimStateName(view->state)).size() > 1);
        const auto census = claims_.census();
        std::uint32_t sum = 0;
        for (std::uint32_t count : census->inState) sum += count;
        FUZZ_CHECK(census->slots == kSlots && sum == kSlots);
        FUZZ_CHECK(claims_.lineagesInUse()->size() <= kSlots);
    }

    void age(unsigned detail) {
        ClaimSlot& slot = tables_.claimSlots[detail % kSlots];
        slot.endedNs -= 3'600'000'000'000;
        slot.keepUntilNs -= 3'600'000'000'000;
        seal(&slot);  // a free slot stays free
    }

    void scribble(unsigned operation, unsigned detail) {
        ClaimSlot& slot = tables_.claimSlots[detail % kSlots];
        if (operation < 128) slot.state = operation + detail;
        else slot.ownerIndex = operation * 0x01010101u;
        nonsense_ = true;
    }

    void use(unsigned operation, unsigned detail) {
        Held& held = held_[detail % held_.size()];
        const bool owned = claims_.owns(held.handle);
        bool done = false;
        bool ends = false;
        switch (operation % 12) {
        case 7: done = claims_.start(held.handle, detail); break;
        case 8: done = claims_.progress(held.handle, held.bytes += operation); break;
        case 9: done = claims_.verified(held.handle, held.bytes); break;
        case 10: done = claims_.newLineage(held.handle) != 0; held.bytes = 0; break;
        default: ends = true; done = end(held, operation);
        }
        FUZZ_CHECK(done == owned);
        if (ends) FUZZ_CHECK(!claims_.owns(held.handle));
    }

    bool end(const Held& held, unsigned operation) {
        if (operation % 3 == 0) return claims_.finish(held.handle);
        if (operation % 3 == 1) return claims_.abandon(held.handle);
        ClaimFailure failure;
        failure.retryable = operation % 2 == 0;
        return claims_.fail(held.handle, failure, Millis{operation});
    }

    // What must happen once has one owner at most.
    void checkOwners() {
        std::map<unsigned, unsigned> owners;
        for (const Held& held : held_) {
            if (claims_.owns(held.handle)) FUZZ_CHECK(++owners[held.key] == 1);
        }
    }

    SharedTables<kSlots> tables_;
    ClaimTable claims_ = tables_.claims();
    WorkerId workers_[kWorkers];
    std::vector<Held> held_;
    std::set<std::uint64_t> generations_;
    bool nonsense_ = false;
};

}  // namespace

FUZZ_TARGET(claim_table) {
    Drama drama;
    for (unsigned left = 200; left > 0 && !input.empty(); --left) {
        const unsigned operation = takeByte(&input);
        drama.act(operation, takeByte(&input));
    }
}

}  // namespace ociproxy::fuzz
