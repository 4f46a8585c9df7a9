// Sizes and durations: the part of base/text.h that configuration reads and prints.
#include <cstddef>
#include <limits>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

struct Unit {
    const char* name;
    std::uint64_t factor;
};

// Largest first: printing takes the first that divides. "m" is only read.
constexpr Unit kSizes[] = {
    {"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20}, {"K", 1ull << 10}, {"", 1}};
constexpr Unit kDurations[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000},
                               {"s", 1000},       {"ms", 1},        {"m", 60'000}};

template <std::size_t N>
std::optional<std::uint64_t> parseWithUnit(std::string_view text, const Unit (&units)[N]) noexcept {
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
    std::optional<std::uint64_t> number = parseUnsigned(text.substr(0, digits));
    if (!number) return std::nullopt;
    for (const Unit& unit : units) {
        if (text.substr(digits) != unit.name) continue;
        if (*number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
        return *number * unit.factor;
    }
    return std::nullopt;
}

template <std::size_t N>
std::string formatWithUnit(std::uint64_t value, const Unit (&units)[N]) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0) return cat(value / unit.factor, unit.name);
    }
    return "0";
}

}  // namespace

std::optional<std::uint64_t> parseSize(std::string_view text) noexcept {
    return parseWithUnit(text, kSizes);
}

std::optional<std::uint64_t> parseDuration(std::string_view text) noexcept {
    if (text == "0") return 0;
    return parseWithUnit(text, kDurations);
}

std::string formatDuration(std::uint64_t milliseconds) {
    return formatWithUnit(milliseconds, kDurations);
}

std::string formatSize(std::uint64_t bytes) {
    return formatWithUnit(bytes, kSizes);
}

}  // namespace ociproxy
