#ifndef OCIPROXY_SHM_LOCK_PATIENCE_H
#define OCIPROXY_SHM_LOCK_PATIENCE_H

#include <atomic>
#include <cstdint>

namespace ociproxy {

struct RobustMutex;  // src/shm
enum class MutexLock : std::uint8_t { kLocked, kOwnerDied, kTimedOut };

// How one process waits for a lock in shared memory: 2 s, since locks are held for
// microseconds, but briefly once that was in vain, until the lock was had again. One
// request needs a table several times, and its client must not pay for each.
//
// Not in shared memory. Any thread.
class LockPatience {
public:
    MutexLock lock(RobustMutex* mutex) noexcept;

private:
    std::atomic<bool> inVain_{false};
};

}  // namespace ociproxy

#endif
