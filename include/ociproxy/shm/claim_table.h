#ifndef OCIPROXY_SHM_CLAIM_TABLE_H
#define OCIPROXY_SHM_CLAIM_TABLE_H

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/shm/lock_patience.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

class Counters;

// SHA-256 of a typed string such as "fill NUL blob NUL upstream NUL digest".
using ClaimKey = Sha256;

enum class ClaimState : std::uint32_t {
    kFree,       // nobody has it
    kRunning,    // the owner is at it
    kVerified,   // fills: all bytes are there and hash to the digest; the last may go out
    kCommitted,  // done: look where the result is kept
    kFailed,     // done in vain: see `failure`
    kOrphaned,   // the owner's process is gone; whoever claims next goes on
};
const char* claimStateName(ClaimState state) noexcept;

// Why a claim failed, as far as it is shared between processes.
struct ClaimFailure {
    std::uint32_t kind = 0;        // the owner's vocabulary (proxy: FailureKind)
    std::uint32_t status = 0;      // the upstream's status; 0 if there was none
    std::uint32_t retryAfter = 0;  // seconds; 0 if not given
    bool retryable = false;        // one more attempt may help
};

constexpr std::uint64_t kUnknownLength = UINT64_MAX;

// A snapshot of one claim.
struct ClaimView {
    ClaimState state = ClaimState::kFree;
    std::uint64_t generation = 0;  // grows with every claim of a slot, never repeats
    WorkerId owner;
    bool ownerResponsive = false;  // WorkerTable::isResponsive() of the owner
    std::uint64_t lineage = 0;     // names the temporary file
    // What is in the file of lineage `origin`, as far as it was announced, is in this one's
    // as well once it is announced there. It changes when bytes were thrown away.
    std::uint64_t origin = 0;
    bool started = false;          // the upstream has accepted: `total` means something
    bool adopted = false;          // begun by an owner that is dead, for another requester maybe
    std::uint64_t bytes = 0;       // bytes in the temporary file, hold-back not considered
    std::uint64_t total = kUnknownLength;
    Sha256 requester{};            // hash of (upstream, repository, credential) of the owner
    std::uint32_t attempt = 0;     // 1 for the first
    ClaimFailure failure;          // kFailed only
};

// What an owner holds. A plain value; worthless once the claim was taken over.
struct ClaimHandle {
    std::uint32_t slot = 0;
    std::uint64_t generation = 0;
};

// The unfinished work of an earlier owner. If its process is gone, or the owner has left it,
// the file may be adopted as it is; otherwise its announced bytes may be copied.
struct Adoption {
    std::uint64_t lineage = 0;
    std::uint64_t bytes = 0;  // these are in the file (but not yet re-hashed)
    std::uint64_t total = kUnknownLength;  // what followers were promised, if `started`
    bool started = false;
    bool ownerLives = false;  // and may write to the file: copy, do not adopt
};

struct ClaimSlot;    // src/shm: the shared layout
struct ClaimHeader;

// The claim table: everything that must happen once over all workers is claimed
// here first. Exactly one claimant becomes the owner; the others watch.
//
// A slot is a promise: its owner ends it by finish(), fail() or abandon(), and if
// the owner's process dies the master's sweep() does. Keys fall into buckets of 16
// slots; a bucket without a free or finished slot is "full".
//
// Owners are fenced: every operation on a handle checks its generation under the
// lock and answers false once somebody else has taken the claim over.
//
// All methods may be called from any thread of any process. Critical sections do
// not allocate, throw, log or make system calls; the robust mutex is repaired when
// its holder was killed, and waited for at most 2 s (a stopped holder), then 50 ms at a
// time until it was had again: without it a method answers as if the table were full or
// the handle fenced. A claim whose end could not be told for that reason has no
// responsive owner from then on.
//
// Memory that a stray write has spoiled ends no process: a slot that is not as it was
// sealed counts as free (its owner is fenced, its watchers find no trace of it), and a
// lock whose holder does not exist is repaired like that of a dead one.
//
// A watcher's bit stays until the slot is given to another key or the watcher's
// worker is swept, also over takeovers: followers go on being rung.
class ClaimTable {
public:
    ClaimTable(ClaimHeader* header, ClaimSlot* slots, WorkerTable* workers, Counters* counters);

    enum class Outcome : std::uint8_t {
        kOwner,   // the caller must end `handle`
        kTaken,   // somebody else is at it: see `view`
        kFailed,  // it failed a moment ago for the same requester: see `view.failure`
        kFull,    // no slot, or the lock could not be had
    };
    struct Result {
        Outcome outcome = Outcome::kFull;
        ClaimHandle handle;                // kOwner
        std::uint64_t lineage = 0;         // kOwner: the lineage to write under
        std::uint32_t attempt = 0;         // kOwner
        // kOwner, of what an earlier owner left: of `lineage`, or of another one (`ownerLives`).
        std::optional<Adoption> adoption;
        ClaimView view;                    // kTaken, kFailed
    };

    // Claims `key` for `me`. A claim that runs under a responsive owner is kTaken.
    // An orphaned one, or one whose owner is not current, is taken over with its
    // lineage and without counting an attempt; one whose owner merely does not
    // respond is taken over with a new lineage of the same origin (the old owner may wake
    // and write): who cannot copy its bytes calls newLineage() for another origin.
    // A fresh failure answers kFailed if `requester` is the same and the failure
    // is not retryable or kMaxAttempts are used up; otherwise it is tried again. The
    // count of attempts goes on over requesters while the failure is retryable.
    Result claim(const ClaimKey& key, const WorkerId& me, const Sha256& requester) noexcept;
    static constexpr std::uint32_t kMaxAttempts = 2;

    // The present state of `key`; nullopt if there is no trace of it. With
    // `watcher`, the doorbell of that worker index rings at every later change
    // of this claim (set under the same lock: no change is missed), and the claim counts
    // as wanted now.
    std::optional<ClaimView> find(const ClaimKey& key,
                                  std::optional<std::uint32_t> watcher = std::nullopt) noexcept;

    // Owner only; false: fenced, stop and leave the file to the new owner
    // (or, after a new lineage, unlink one's own).
    bool start(const ClaimHandle& handle, std::uint64_t total) noexcept;  // total or kUnknownLength
    // The first `bytes` bytes are in the file. REQUIRES: never shrinks in a lineage.
    // Rings for the first and the last bytes, else at most every 100 ms or 1 MiB.
    bool progress(const ClaimHandle& handle, std::uint64_t bytes) noexcept;
    // Starts a new lineage: the bytes so far are thrown away. 0: fenced.
    std::uint64_t newLineage(const ClaimHandle& handle) noexcept;
    bool verified(const ClaimHandle& handle, std::uint64_t total) noexcept;
    // Ends the claim well; watchers may read the result. Kept findable for kKeepDone.
    bool finish(const ClaimHandle& handle) noexcept;
    // Ends it badly; found as kFailed for `keep` (0: only by who watches now, briefly).
    bool fail(const ClaimHandle& handle, const ClaimFailure& failure, Millis keep) noexcept;
    // Gives it back as if never claimed; does not count as an attempt. Work adopted
    // from a dead owner may be adopted again, unless newLineage() threw it away: then
    // the file must be left where it is or be missing.
    bool abandon(const ClaimHandle& handle) noexcept;
    // Leaves a fill that is not verified to whoever claims it next, as a death would, if
    // nobody has claimed, started or watched it for so long: decided under the lock, so that
    // who comes just now finds it either running or left. True: it was left. The owner must
    // not write to the file any more and must not have it removed.
    bool leaveUnwanted(const ClaimHandle& handle, Millis unwanted) noexcept;
    // Whether the handle still owns its claim.
    bool owns(const ClaimHandle& handle) noexcept;
    static constexpr Millis kKeepDone{5'000};

    // Orphans every unfinished claim of an incarnation that is gone and wakes the
    // watchers; returns how many. Called by the master after raise(), nobody else.
    unsigned sweep(const WorkerId& dead) noexcept;

    // The lineages of unfinished claims, orphaned ones included as long as somebody may
    // still go on with them: files of other lineages are nobody's. Empty optional: the
    // lock could not be had.
    std::optional<std::set<std::uint64_t>> lineagesInUse();

    // How full the table is. Ends that are forgotten count as free. Empty optional: the
    // lock could not be had.
    struct Census {
        std::uint32_t slots = 0;
        std::array<std::uint32_t, 6> inState{};  // by ClaimState
    };
    std::optional<Census> census() noexcept;

private:
    class Guard;
    ClaimSlot* findSlot(const ClaimKey& key) noexcept;
    ClaimSlot* freeSlot(const ClaimKey& key) noexcept;
    ClaimSlot* owned(const ClaimHandle& handle) noexcept;
    ClaimView view(const ClaimSlot& slot) const noexcept;
    bool release(Guard& guard, const ClaimHandle& handle) noexcept;

    ClaimHeader* header_;
    ClaimSlot* slots_;
    const std::uint32_t slotCount_;  // what is in the header may have been spoiled
    WorkerTable* workers_;
    Counters* counters_;
    LockPatience patience_;
    // The last numbers that this process saw given; guarded by the table's lock.
    std::uint64_t seenGeneration_;
    std::uint64_t seenLineage_;
};

// The key of a typed string: parts are joined by NUL, the first is the type.
ClaimKey claimKey(std::initializer_list<std::string_view> parts);

}  // namespace ociproxy

#endif
