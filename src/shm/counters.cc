#include "ociproxy/shm/counters.h"

#include "ociproxy/base/error.h"
#include "shm/layout.h"
#include "shm/observe.h"

namespace ociproxy {

namespace {

constexpr std::uint32_t kNoWorker = kMaxWorkers;  // the cells of master and janitor

constexpr const char* kResultNames[] = {"hit",    "miss",  "follow", "stale",
                                        "bypass", "error", "local"};
static_assert(sizeof kResultNames / sizeof *kResultNames ==
              static_cast<std::size_t>(RequestResult::kCount));

template <class Enum>
std::size_t placeOf(Enum what) noexcept {
    OCIPROXY_ASSERT(what < Enum::kCount);
    return static_cast<std::size_t>(what);
}

// What `cell` picks of each worker's cells, added up.
template <class Value, class Cell>
Value sumOf(const CounterBlock& block, const Cell& cell) noexcept {
    Value sum = 0;
    for (const WorkerCells& cells : block.cells) {
        sum += cell(cells).load(std::memory_order_relaxed);
    }
    return sum;
}

}  // namespace

const char* requestResultName(RequestResult result) noexcept {
    return kResultNames[placeOf(result)];
}

Counters::Counters(CounterBlock* block) noexcept : block_(block), self_(kNoWorker) {}

void Counters::workAs(std::uint32_t index) noexcept {
    OCIPROXY_ASSERT(index < kMaxWorkers);
    self_ = index;
}

WorkerCells& Counters::own() const noexcept {
    return block_->cells[self_];
}

void Counters::add(Counter counter, std::uint64_t amount) noexcept {
    bump(&own().counters[placeOf(counter)], amount);
}

std::atomic<std::uint64_t>* Counters::cell(Counter counter) const noexcept {
    return &own().counters[placeOf(counter)];
}

std::uint64_t Counters::get(Counter counter) const noexcept {
    const std::size_t place = placeOf(counter);
    return sumOf<std::uint64_t>(
        *block_, [place](const WorkerCells& cells) -> auto& { return cells.counters[place]; });
}

void Counters::set(Gauge gauge, std::uint64_t value) noexcept {
    block_->gauges[placeOf(gauge)].store(value, std::memory_order_relaxed);
}

std::uint64_t Counters::get(Gauge gauge) const noexcept {
    return block_->gauges[placeOf(gauge)].load(std::memory_order_relaxed);
}

void Counters::change(WorkerGauge gauge, std::int64_t by) noexcept {
    own().gauges[placeOf(gauge)].fetch_add(by, std::memory_order_relaxed);
}

std::int64_t Counters::get(WorkerGauge gauge) const noexcept {
    const std::size_t place = placeOf(gauge);
    return sumOf<std::int64_t>(
        *block_, [place](const WorkerCells& cells) -> auto& { return cells.gauges[place]; });
}

void Counters::forgetGauges(std::uint32_t index) noexcept {
    OCIPROXY_ASSERT(index < kMaxWorkers);
    for (std::atomic<std::int64_t>& gauge : block_->cells[index].gauges) gauge.store(0);
}

void Counters::finished(RequestResult result, Micros firstByte, Micros duration) noexcept {
    observe(&own().firstByte[placeOf(result)], firstByte);
    observe(&own().duration[placeOf(result)], duration);
}

Histogram Counters::firstByte(RequestResult result) const noexcept {
    Histogram sum;
    for (const WorkerCells& cells : block_->cells) sum.add(cells.firstByte[placeOf(result)]);
    return sum;
}

Histogram Counters::duration(RequestResult result) const noexcept {
    Histogram sum;
    for (const WorkerCells& cells : block_->cells) sum.add(cells.duration[placeOf(result)]);
    return sum;
}

void Counters::fillFailed(std::uint32_t cause) noexcept {
    OCIPROXY_ASSERT(cause < kMaxFailureCauses);
    bump(&own().failures[cause]);
}

std::uint64_t Counters::fillsFailed(std::uint32_t cause) const noexcept {
    OCIPROXY_ASSERT(cause < kMaxFailureCauses);
    return sumOf<std::uint64_t>(
        *block_, [cause](const WorkerCells& cells) -> auto& { return cells.failures[cause]; });
}

}  // namespace ociproxy
