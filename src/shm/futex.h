#ifndef OCIPROXY_SRC_SHM_FUTEX_H
#define OCIPROXY_SRC_SHM_FUTEX_H

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ociproxy {

// Futexes on words of shared memory: without FUTEX_PRIVATE_FLAG, so that they work
// between processes. Any thread of any process; a killed waiter leaves nothing behind.
static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "the kernel looks at the bare word");

// Sleeps while `*word` is `expected`, at most `atMostNs`. May return earlier.
inline void futexWait(const std::atomic<std::uint32_t>* word, std::uint32_t expected,
                      std::int64_t atMostNs) noexcept {
    timespec relative{};  // CLOCK_MONOTONIC
    relative.tv_sec = static_cast<std::time_t>(atMostNs / 1'000'000'000);
    relative.tv_nsec = static_cast<long>(atMostNs % 1'000'000'000);
    ::syscall(SYS_futex, word, FUTEX_WAIT, expected, &relative, nullptr, 0);
}

inline void futexWakeAll(std::atomic<std::uint32_t>* word) noexcept {
    ::syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace ociproxy

#endif
