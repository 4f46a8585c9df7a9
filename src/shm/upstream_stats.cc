#include "ociproxy/shm/upstream_stats.h"

#include <cstring>
#include <map>

#include "ociproxy/base/error.h"
#include "shm/layout.h"
#include "shm/observe.h"

namespace ociproxy {

namespace {

constexpr std::size_t kOutcomes = static_cast<std::size_t>(UpstreamOutcome::kCount);
constexpr const char* kOutcomeNames[] = {"2xx", "3xx", "4xx", "5xx", "error"};
static_assert(sizeof kOutcomeNames / sizeof *kOutcomeNames == kOutcomes);

std::string_view nameOf(const UpstreamCells& cells) noexcept {
    return {cells.name, cells.nameLength};
}

// A length that no program wrote makes no name.
bool isNamed(const UpstreamCells& cells) noexcept {
    return cells.state.load(std::memory_order_acquire) == UpstreamCells::kNamed &&
           cells.nameLength <= UpstreamStats::kMaxNameLength;
}

// False when somebody else has taken the row meanwhile. One who is killed in between
// leaves a row that nobody uses.
bool nameRow(UpstreamCells* cells, std::string_view name) noexcept {
    std::uint32_t expected = UpstreamCells::kFree;
    if (!cells->state.compare_exchange_strong(expected, UpstreamCells::kNaming)) return false;
    std::memcpy(cells->name, name.data(), name.size());
    cells->nameLength = static_cast<std::uint32_t>(name.size());
    cells->state.store(UpstreamCells::kNamed, std::memory_order_release);
    return true;
}

void add(const UpstreamCells& cells, UpstreamStats::Row* row) noexcept {
    for (std::size_t i = 0; i < kOutcomes; ++i) {
        row->requests[i] += cells.requests[i].load(std::memory_order_relaxed);
    }
    row->duration.add(cells.duration);
}

}  // namespace

const char* upstreamOutcomeName(UpstreamOutcome outcome) noexcept {
    OCIPROXY_ASSERT(outcome < UpstreamOutcome::kCount);
    return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

// Does not wait for a row that is being named just now: two of one name do no harm,
// rows() adds them up.
UpstreamCells& UpstreamStats::row(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kMaxNames && name.size() <= kMaxNameLength; ++i) {
        UpstreamCells& cells = cells_[i];
        if (isNamed(cells) ? nameOf(cells) == name : nameRow(&cells, name)) return cells;
    }
    return cells_[kMaxNames];
}

void UpstreamStats::observe(std::string_view upstream, UpstreamOutcome outcome,
                            Micros duration) noexcept {
    OCIPROXY_ASSERT(outcome < UpstreamOutcome::kCount);
    UpstreamCells& cells = row(upstream);
    bump(&cells.requests[static_cast<std::size_t>(outcome)]);
    ociproxy::observe(&cells.duration, duration);
}

std::vector<UpstreamStats::Row> UpstreamStats::rows() const {
    std::map<std::string, Row> byName;
    for (std::size_t i = 0; i < kMaxNames; ++i) {
        if (isNamed(cells_[i])) add(cells_[i], &byName[std::string(nameOf(cells_[i]))]);
    }
    Row other;
    add(cells_[kMaxNames], &other);
    if (other.duration.count() > 0) add(cells_[kMaxNames], &byName["other"]);
    std::vector<Row> rows;
    for (auto& [name, row] : byName) {
        row.name = name;
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace ociproxy
