// How much of the disk the cache may take, and what stays in it.
#include <optional>

#include "conf/value_parts.h"
#include "conf/values.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kSmallestCache = 1024 * 1024;

// nullopt: auto; 0: off.
std::optional<std::uint64_t> bound(const std::string& value, std::uint64_t least) {
    if (value == "auto") return std::nullopt;
    if (value == "off") return 0;
    const std::optional<std::uint64_t> size = parseSize(value);
    if (!size || (*size != 0 && *size < least)) {
        bad(cat("auto, off or a size of at least ", formatSize(least), " is expected"));
    }
    return size;
}

Lines printBound(const std::optional<std::uint64_t>& bytes) {
    if (!bytes) return {"auto"};
    return {*bytes == 0 ? "off" : formatSize(*bytes)};
}

}  // namespace

void setCacheMaxSize(const ParamTarget& target, const std::string& value) {
    target.config->cacheMaxSize = bound(value, kSmallestCache);
}
Lines printCacheMaxSize(const ParamTarget& target) {
    return printBound(target.config->cacheMaxSize);
}

void setCacheMinFree(const ParamTarget& target, const std::string& value) {
    target.config->cacheMinFree = bound(value, 1);
}
Lines printCacheMinFree(const ParamTarget& target) {
    return printBound(target.config->cacheMinFree);
}

void setPin(const ParamTarget& target, const std::string& value) {
    if (value.empty()) return;  // the default
    std::string problem;
    std::optional<Pin> pin = parsePin(value, &problem);
    if (!pin) bad(problem);
    target.config->pins.push_back(*std::move(pin));
}
Lines printPin(const ParamTarget& target) {
    Lines lines;
    for (const Pin& pin : target.config->pins) lines.push_back(pin.text());
    return lines;
}

}  // namespace ociproxy
