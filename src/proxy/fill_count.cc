#include "proxy/fill_count.h"

#include "ociproxy/shm/counters.h"
#include "proxy/failure_cause.h"

namespace ociproxy {

FillCount::FillCount(Counters* counters, bool takenOver) noexcept : counters_(counters) {
    counters_->change(WorkerGauge::kFillsRunning, 1);
    if (takenOver) counters_->add(Counter::kFillsTakenOver);
}

FillCount::~FillCount() {
    counters_->change(WorkerGauge::kFillsRunning, -1);
}

void FillCount::committed() noexcept {
    if (!ended_) counters_->add(Counter::kFillsCommitted);
    ended_ = true;
}

void FillCount::failed(const ClaimFailure& failure) noexcept {
    if (!ended_) counters_->fillFailed(failureCause(failure));
    ended_ = true;
}

}  // namespace ociproxy
