#include "integration/crowd.h"

#include <utility>

namespace ociproxy::itest {

Crowd::Crowd(unsigned count, std::function<void(unsigned)> work) : work_(std::move(work)) {
    for (unsigned index = 0; index < count; ++index) {
        threads_.emplace_back([this, index] { run(index); });
    }
    start_.awaitArrivals(count);
    start_.open();
}

Crowd::~Crowd() { joinAll(); }

void Crowd::run(unsigned index) {
    start_.pass();
    try {
        work_(index);
    } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
    }
}

void Crowd::joinAll() {
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void Crowd::join() {
    joinAll();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace ociproxy::itest
