#include "ociproxy/base/clock.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace ociproxy {

namespace {

// 9999-12-31T23:59:59Z: the last second that has a four-digit year.
constexpr std::int64_t kLastSecond = 253402300799;

timespec read(clockid_t clock) noexcept {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time;
}

std::tm utc(std::int64_t seconds) noexcept {
    std::time_t time = std::clamp<std::int64_t>(seconds, 0, kLastSecond);
    std::tm fields{};
    ::gmtime_r(&time, &fields);
    return fields;
}

}  // namespace

std::int64_t monotonicNs() noexcept {
    timespec time = read(CLOCK_MONOTONIC);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::int64_t wallSeconds() noexcept {
    return read(CLOCK_REALTIME).tv_sec;
}

std::string httpDate(std::int64_t wallSeconds) {
    // Not strftime: its names follow the locale.
    static const char* const kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char* const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm t = utc(wallSeconds);
    char out[80];
    int length = std::snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                               kDays[t.tm_wday], t.tm_mday, kMonths[t.tm_mon], t.tm_year + 1900,
                               t.tm_hour, t.tm_min, t.tm_sec);
    return std::string(out, static_cast<std::size_t>(length));
}

std::string logTime() {
    timespec now = read(CLOCK_REALTIME);
    std::tm t = utc(now.tv_sec);
    char out[80];
    int length = std::snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ",
                               t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                               t.tm_sec, now.tv_nsec / 1'000'000);
    return std::string(out, static_cast<std::size_t>(length));
}

}  // namespace ociproxy
