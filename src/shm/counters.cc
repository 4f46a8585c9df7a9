#include "ociproxy/shm/counters.h"

#include "ociproxy/base/error.h"
#include "shm/layout.h"

namespace ociproxy {

namespace {

constexpr const char* kNames[] = {
    "connections",       "requests",      "bad_requests",      "hits",
    "misses",            "collapsed",     "fills",             "fills_failed",
    "fills_taken_over",  "digest_mismatches", "bytes_sent",    "bytes_fetched",
    "upstream_requests", "tokens_fetched", "claim_table_full", "lock_repaired",
};
static_assert(sizeof kNames / sizeof *kNames == static_cast<std::size_t>(Counter::kCount));

std::atomic<std::uint64_t>& at(CounterBlock* block, Counter counter) noexcept {
    OCIPROXY_ASSERT(counter < Counter::kCount);
    return block->counters[static_cast<std::size_t>(counter)].value;
}

std::atomic<std::uint64_t>& at(CounterBlock* block, Gauge gauge) noexcept {
    OCIPROXY_ASSERT(gauge < Gauge::kCount);
    return block->gauges[static_cast<std::size_t>(gauge)].value;
}

}  // namespace

const char* counterName(Counter counter) noexcept {
    OCIPROXY_ASSERT(counter < Counter::kCount);
    return kNames[static_cast<std::size_t>(counter)];
}

// Relaxed: a counter says nothing of other memory.
void Counters::add(Counter counter, std::uint64_t amount) noexcept {
    at(block_, counter).fetch_add(amount, std::memory_order_relaxed);
}

std::uint64_t Counters::get(Counter counter) const noexcept {
    return at(block_, counter).load(std::memory_order_relaxed);
}

void Counters::set(Gauge gauge, std::uint64_t value) noexcept {
    at(block_, gauge).store(value, std::memory_order_relaxed);
}

std::uint64_t Counters::get(Gauge gauge) const noexcept {
    return at(block_, gauge).load(std::memory_order_relaxed);
}

}  // namespace ociproxy
