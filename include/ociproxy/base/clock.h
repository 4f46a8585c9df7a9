// Two clocks: every time-out, deadline and age within a process group is
// monotonic; wall time is for HTTP dates, logs and what survives a restart.
#ifndef OCIPROXY_BASE_CLOCK_H
#define OCIPROXY_BASE_CLOCK_H

#include <chrono>
#include <cstdint>
#include <string>

namespace ociproxy {

using Millis = std::chrono::milliseconds;
// CLOCK_MONOTONIC: comparable between the processes of one machine.
using TimePoint = std::chrono::steady_clock::time_point;

inline TimePoint now() noexcept { return std::chrono::steady_clock::now(); }

// CLOCK_MONOTONIC in nanoseconds: the form of times in shared memory.
std::int64_t monotonicNs() noexcept;

// Seconds since the epoch.
std::int64_t wallSeconds() noexcept;
// "Mon, 23 Nov 2026 20:00:00 GMT" (RFC 9110 5.6.7).
std::string httpDate(std::int64_t wallSeconds);
// "2026-11-23T20:00:00.123Z" of now, for log lines.
std::string logTime();

}  // namespace ociproxy

#endif
