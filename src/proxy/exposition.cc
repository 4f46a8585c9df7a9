#include "proxy/exposition.h"

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kMicrosPerSecond = 1'000'000;

std::string escaped(std::string_view text, bool quotes) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || (quotes && c == '"')) out += '\\';
        out += c;
    }
    return out;
}

// Decimal and exact: "0.0005", "2.5", "300".
std::string seconds(std::uint64_t micros) {
    std::string fraction = std::to_string(micros % kMicrosPerSecond);
    fraction.insert(0, 6 - fraction.size(), '0');
    fraction.erase(fraction.find_last_not_of('0') + 1);
    const std::string whole = std::to_string(micros / kMicrosPerSecond);
    return fraction.empty() ? whole : cat(whole, ".", fraction);
}

}  // namespace

void Exposition::family(std::string_view name, const char* type, std::string_view help) {
    name_ = name;
    text_ += cat("# HELP ", name, " ", escaped(help, false), "\n# TYPE ", name, " ", type, "\n");
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view bound,
                      std::string_view value) {
    std::string inner;
    for (const Label& label : labels) {
        inner += cat(inner.empty() ? "" : ",", label.name, "=\"", escaped(label.value, true), "\"");
    }
    if (!bound.empty()) inner += cat(inner.empty() ? "" : ",", "le=\"", bound, "\"");
    text_ += cat(name_, suffix, inner.empty() ? "" : cat("{", inner, "}"), " ", value, "\n");
}

void Exposition::sample(std::uint64_t value, Labels labels) {
    line("", labels, "", std::to_string(value));
}

void Exposition::sample(const Histogram& value, Labels labels) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < kHistogramBuckets; ++i) {
        count += value.buckets[i];
        const bool last = i == kHistogramBounds.size();
        const std::string bound =
            last ? "+Inf" : seconds(static_cast<std::uint64_t>(kHistogramBounds[i].count()));
        line("_bucket", labels, bound, std::to_string(count));
    }
    line("_sum", labels, "", seconds(value.sumMicros));
    line("_count", labels, "", std::to_string(count));
}

}  // namespace ociproxy
