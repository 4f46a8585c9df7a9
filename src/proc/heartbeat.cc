#include "proc/heartbeat.h"

namespace ociproxy {

namespace {

constexpr Millis kEvery{1'000};

}  // namespace

Heartbeat::Heartbeat(WorkerTable* table, const WorkerId& self) : table_(table), self_(self) {
    table_->beat(self_);
    thread_ = std::thread([this] { run(); });
}

Heartbeat::~Heartbeat() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Heartbeat::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!wake_.wait_for(lock, kEvery, [this] { return stop_; })) table_->beat(self_);
}

}  // namespace ociproxy
