#ifndef OCIPROXY_TESTS_SUPPORT_SHARED_TABLES_H
#define OCIPROXY_TESTS_SUPPORT_SHARED_TABLES_H

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <new>
#include <sched.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ociproxy/shm/claim_table.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/token_board.h"
#include "ociproxy/shm/worker_table.h"
#include "shm/layout.h"

namespace ociproxy {

// `Count` zeroed T in memory that forked children share. T: no pointers, no destructor.
template <class T, std::size_t Count = 1>
class SharedArray {
public:
    SharedArray() {
        void* memory = ::mmap(nullptr, sizeof(T) * Count, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::runtime_error("mmap");
        data_ = static_cast<T*>(memory);
        for (std::size_t i = 0; i < Count; ++i) new (data_ + i) T();
    }
    ~SharedArray() { ::munmap(data_, sizeof(T) * Count); }
    SharedArray(const SharedArray&) = delete;
    SharedArray& operator=(const SharedArray&) = delete;

    T* get() const { return data_; }
    T* operator->() const { return data_; }
    T& operator[](std::size_t i) const { return data_[i]; }

private:
    T* data_;
};

// The tables over memory of the test's own, so that it can see and age their slots.
template <std::uint32_t ClaimSlots = 16>
struct SharedTables {
    static constexpr std::uint32_t kTokenSlots = 4;

    SharedTables() {
        claimHeader->magic = tokenHeader->magic = kLayoutMagic;
        claimHeader->version = tokenHeader->version = kLayoutVersion;
        claimHeader->slotCount = ClaimSlots;
        tokenHeader->slotCount = kTokenSlots;
        claimHeader->mutex.init();
        tokenHeader->mutex.init();
    }

    SharedArray<WorkerSlot, kMaxWorkers> workerSlots;
    SharedArray<CounterBlock> counterBlock;
    SharedArray<ClaimHeader> claimHeader;
    SharedArray<ClaimSlot, ClaimSlots> claimSlots;
    SharedArray<TokenHeader> tokenHeader;
    SharedArray<TokenSlot, kTokenSlots> tokenSlots;
    Counters counters{counterBlock.get()};
    WorkerTable workers{workerSlots.get(), &counters};
    ClaimTable claims() {
        return ClaimTable(claimHeader.get(), claimSlots.get(), &workers, &counters);
    }
    TokenBoard tokens() { return TokenBoard(tokenHeader.get(), tokenSlots.get(), &counters); }
};

// Runs `body` in a child, which leaves without running the rest of the tests.
inline pid_t forkChild(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    try {
        body();
    } catch (...) {
        ::_exit(1);
    }
    ::_exit(0);
}

inline int waitForChild(pid_t pid) {
    int status = -1;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

template <class T>
void awaitAtLeast(const std::atomic<T>& word, T least) {
    while (word.load() < least) ::sched_yield();
}

}  // namespace ociproxy

#endif
