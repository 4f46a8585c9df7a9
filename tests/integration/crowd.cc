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

bool Crowd::failed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return failure_ != nullptr;
}

void Crowd::rethrow() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Crowd::await(const std::string& what, const std::function<bool()>& condition) {
    itest::await(what, [&] { return failed() || condition(); });
    rethrow();
}

void Crowd::join() {
    joinAll();
    rethrow();
}

}  // namespace ociproxy::itest
