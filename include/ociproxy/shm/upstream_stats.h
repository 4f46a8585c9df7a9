#ifndef OCIPROXY_SHM_UPSTREAM_STATS_H
#define OCIPROXY_SHM_UPSTREAM_STATS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/shm/histogram.h"

namespace ociproxy {

// How one exchange with an upstream ended: with a final status, or without an answer.
enum class UpstreamOutcome : std::uint8_t { k2xx, k3xx, k4xx, k5xx, kFailed, kCount };
const char* upstreamOutcomeName(UpstreamOutcome outcome) noexcept;  // "2xx", "error"

struct UpstreamCells;  // src/shm: the shared layout

// Requests to upstreams and how long they took, by the upstream's name. The first
// kMaxNames names that are used have a row of their own, as long as the master lives; all
// others share the row "other", as do names that are too long.
//
// Lock-free; any thread of any process.
class UpstreamStats {
public:
    static constexpr std::size_t kMaxNames = 64;
    static constexpr std::size_t kMaxNameLength = 255;

    explicit UpstreamStats(UpstreamCells* cells) noexcept : cells_(cells) {}

    void observe(std::string_view upstream, UpstreamOutcome outcome, Micros duration) noexcept;

    struct Row {
        std::string name;
        std::array<std::uint64_t, static_cast<std::size_t>(UpstreamOutcome::kCount)> requests{};
        Histogram duration;
    };
    // By name; "other" only if it was used.
    std::vector<Row> rows() const;

private:
    UpstreamCells& row(std::string_view name) noexcept;

    UpstreamCells* cells_;  // kMaxNames, then "other"
};

}  // namespace ociproxy

#endif
