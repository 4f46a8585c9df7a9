#ifndef OCIPROXY_SRC_SHM_ROBUST_MUTEX_H
#define OCIPROXY_SRC_SHM_ROBUST_MUTEX_H

#include <pthread.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/shm/lock_patience.h"

namespace ociproxy {

// A process-shared mutex that outlives its holder: if the holder is killed, the next
// one gets the lock with kOwnerDied, repairs what it guards and calls consistent().
// Killed in the midst of the repair, it leaves the same task to the next.
//
// Lives in shared memory: no constructor, init() instead, by one process before the
// others exist; never destroyed, because others may still use it.
struct RobustMutex {
    using Lock = MutexLock;

    // Throws SysError.
    void init();
    // Waits at most `atMost`, whatever the wall clock does meanwhile; a holder that was
    // stopped, not killed, keeps the lock. A holder that is no thread of this family of
    // processes is none: somebody wrote there, and it has died.
    Lock lock(Millis atMost) noexcept;
    void consistent() noexcept;
    void unlock() noexcept;

    pthread_mutex_t mutex;

private:
    bool buryNobody() noexcept;
};

// How long the tables wait for their locks, which are held for microseconds.
constexpr Millis kLockTimeout{2'000};
constexpr Millis kLockTimeoutInVain{50};

}  // namespace ociproxy

#endif
