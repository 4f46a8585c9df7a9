#ifndef OCIPROXY_SRC_SHM_CLAIM_GUARD_H
#define OCIPROXY_SRC_SHM_CLAIM_GUARD_H

#include "ociproxy/shm/claim_table.h"

namespace ociproxy {

// Holds the claim table's lock for a scope. Repairs the table if the last holder died.
// Bells that were asked for ring after the lock was given back: ringing is a system call.
class ClaimTable::Guard {
public:
    explicit Guard(ClaimTable* table) noexcept;
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    // False: the lock could not be had in time; the table must not be touched.
    explicit operator bool() const noexcept { return locked_; }
    // The slot that `handle` still owns, else (also without the lock) nullptr.
    ClaimSlot* owned(const ClaimHandle& handle) const noexcept;
    // To be said of every slot before it is changed, but for those that owned() gives.
    void change(const ClaimSlot* slot) const noexcept;

    void ring(const ClaimSlot& slot) noexcept;
    void ringAll() noexcept;

private:
    void recallNumbers() noexcept;
    void repair() noexcept;

    ClaimTable* table_;
    bool locked_ = false;
    std::uint64_t bells_ = 0;  // a bit for each worker index
};

}  // namespace ociproxy

#endif
