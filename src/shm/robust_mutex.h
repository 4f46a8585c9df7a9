#ifndef OCIPROXY_SRC_SHM_ROBUST_MUTEX_H
#define OCIPROXY_SRC_SHM_ROBUST_MUTEX_H

#include <pthread.h>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// A process-shared mutex that outlives its holder: if the holder is killed, the next
// one gets the lock with kOwnerDied, repairs what it guards and calls consistent().
// Killed in the midst of the repair, it leaves the same task to the next.
//
// Lives in shared memory: no constructor, init() instead, by one process before the
// others exist; never destroyed, because others may still use it.
struct RobustMutex {
    enum class Lock { kLocked, kOwnerDied, kTimedOut };

    // Throws SysError.
    void init();
    // Waits at most `atMost`, whatever the wall clock does meanwhile; a holder that was
    // stopped, not killed, keeps the lock.
    Lock lock(Millis atMost) noexcept;
    void consistent() noexcept;
    void unlock() noexcept;

    pthread_mutex_t mutex;
};

// How long the tables wait for their locks, which are held for microseconds.
constexpr Millis kLockTimeout{2'000};

}  // namespace ociproxy

#endif
