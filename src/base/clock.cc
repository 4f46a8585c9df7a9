#include "ociproxy/base/clock.h"

#include <algorithm>
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

// Not snprintf: every reply and every log line has a date.
void appendNumber(int value, std::size_t digits, std::string* out) {
    const std::size_t begin = out->size();
    out->append(digits, '0');
    for (std::size_t i = digits; i-- > 0; value /= 10) {
        (*out)[begin + i] = static_cast<char>('0' + value % 10);
    }
}

void appendTime(const std::tm& t, std::string* out) {
    appendNumber(t.tm_hour, 2, out);
    *out += ':';
    appendNumber(t.tm_min, 2, out);
    *out += ':';
    appendNumber(t.tm_sec, 2, out);
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
    static const char* const kDays[] = {"Sun, ", "Mon, ", "Tue, ", "Wed, ",
                                        "Thu, ", "Fri, ", "Sat, "};
    static const char* const kMonths[] = {" Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ",
                                          " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec "};
    const std::tm t = utc(wallSeconds);
    std::string out = kDays[t.tm_wday];
    appendNumber(t.tm_mday, 2, &out);
    out += kMonths[t.tm_mon];
    appendNumber(t.tm_year + 1900, 4, &out);
    out += ' ';
    appendTime(t, &out);
    out += " GMT";
    return out;
}

std::string logTime() {
    const timespec now = read(CLOCK_REALTIME);
    const std::tm t = utc(now.tv_sec);
    std::string out;
    out.reserve(24);
    appendNumber(t.tm_year + 1900, 4, &out);
    out += '-';
    appendNumber(t.tm_mon + 1, 2, &out);
    out += '-';
    appendNumber(t.tm_mday, 2, &out);
    out += 'T';
    appendTime(t, &out);
    out += '.';
    appendNumber(static_cast<int>(now.tv_nsec / 1'000'000), 3, &out);
    out += 'Z';
    return out;
}

}  // namespace ociproxy
