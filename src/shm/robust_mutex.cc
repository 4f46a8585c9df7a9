#include "shm/robust_mutex.h"

#include <cerrno>
#include <ctime>
#include <linux/futex.h>
#include <unistd.h>

#if defined(OCIPROXY_TSAN) || defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

void check(int code) {
    if (code != 0) throwErrno("set up a robust mutex", code);
}

// ThreadSanitizer knows no timed lock but that of the wall clock, which may jump.
#if defined(OCIPROXY_TSAN) || defined(__SANITIZE_THREAD__)
constexpr clockid_t kClock = CLOCK_REALTIME;
int lockUntil(pthread_mutex_t* mutex, const timespec& at) noexcept {
    return ::pthread_mutex_timedlock(mutex, &at);
}
#else
constexpr clockid_t kClock = CLOCK_MONOTONIC;
int lockUntil(pthread_mutex_t* mutex, const timespec& at) noexcept {
    return ::pthread_mutex_clocklock(mutex, kClock, &at);
}
#endif

timespec timeIn(Millis delay) noexcept {
    timespec at{};
    ::clock_gettime(kClock, &at);
    at.tv_sec += static_cast<std::time_t>(delay.count() / 1000);
    at.tv_nsec += static_cast<long>(delay.count() % 1000) * 1'000'000;
    if (at.tv_nsec >= 1'000'000'000) {
        at.tv_nsec -= 1'000'000'000;
        ++at.tv_sec;
    }
    return at;
}

// ThreadSanitizer takes a timed lock that ended with EOWNERDEAD for one that failed
// (it does know the plain and the try lock): it has to be told.
void tellSanitizerLocked([[maybe_unused]] pthread_mutex_t* mutex) noexcept {
#if defined(OCIPROXY_TSAN) || defined(__SANITIZE_THREAD__)
    __tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
    __tsan_mutex_post_lock(mutex, __tsan_mutex_try_lock, 0);
#endif
}

void initRobust(pthread_mutex_t* mutex) {
    pthread_mutexattr_t attributes;
    check(::pthread_mutexattr_init(&attributes));
    check(::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    check(::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    check(::pthread_mutex_init(mutex, &attributes));
    ::pthread_mutexattr_destroy(&attributes);
}

int kindOfOurs() noexcept {
    static const int kind = [] {
        pthread_mutex_t model;
        initRobust(&model);
        return model.__data.__kind;
    }();
    return kind;
}

// Whether a thread of that id can hold a lock of ours: all who share it are of the process
// group in which their master made it. The calling thread waits for it, so it is not that.
bool canHold(unsigned thread) noexcept {
    const pid_t id = static_cast<pid_t>(thread);
    return id != 0 && id != ::gettid() && ::getpgid(id) == ::getpgid(0);
}

}  // namespace

void RobustMutex::init() {
    initRobust(&mutex);
}

// Does what the kernel does for the dead: the next one who locks hears of it. The word is
// the kernel's own format (FUTEX_TID_MASK and so on), which glibc therefore cannot change.
bool RobustMutex::buryNobody() noexcept {
    unsigned* word = reinterpret_cast<unsigned*>(&mutex.__data.__lock);
    unsigned seen = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (seen == 0 || canHold(seen & FUTEX_TID_MASK)) return false;
    const unsigned dead = (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    return __atomic_compare_exchange_n(word, &seen, dead, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

MutexLock LockPatience::lock(RobustMutex* mutex) noexcept {
    const MutexLock lock = mutex->lock(inVain_.load() ? kLockTimeoutInVain : kLockTimeout);
    inVain_.store(lock == MutexLock::kTimedOut);
    return lock;
}

RobustMutex::Lock RobustMutex::lock(Millis atMost) noexcept {
    // Another kind would be locked, and unlocked, in another way.
    if (__atomic_load_n(&mutex.__data.__kind, __ATOMIC_RELAXED) != kindOfOurs()) {
        __atomic_store_n(&mutex.__data.__kind, kindOfOurs(), __ATOMIC_RELAXED);
    }
    int code = ::pthread_mutex_trylock(&mutex);
    if (code == EBUSY) {
        code = lockUntil(&mutex, timeIn(atMost));
        if (code == EOWNERDEAD) tellSanitizerLocked(&mutex);
        if (code == ETIMEDOUT && buryNobody()) code = ::pthread_mutex_trylock(&mutex);
    }
    if (code == 0) return Lock::kLocked;
    return code == EOWNERDEAD ? Lock::kOwnerDied : Lock::kTimedOut;
}

void RobustMutex::consistent() noexcept {
    OCIPROXY_ASSERT(::pthread_mutex_consistent(&mutex) == 0);
}

void RobustMutex::unlock() noexcept {
    OCIPROXY_ASSERT(::pthread_mutex_unlock(&mutex) == 0);
}

}  // namespace ociproxy
