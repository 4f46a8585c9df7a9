// Whether and how fast what is in the cache is hashed again.
#include <optional>

#include "conf/value_parts.h"
#include "conf/values.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kLowestRate = 1024;
constexpr std::uint64_t kHighestRate = 1024 * 1024 * 1024;

}  // namespace

void setVerifyOnRead(const ParamTarget& target, const std::string& value) {
    if (value == "off") target.config->verifyOnRead = VerifySetting::kOff;
    else if (value == "first") target.config->verifyOnRead = VerifySetting::kFirst;
    else if (value == "always") target.config->verifyOnRead = VerifySetting::kAlways;
    else bad("off, first or always is expected");
}
Lines printVerifyOnRead(const ParamTarget& target) {
    switch (target.config->verifyOnRead) {
    case VerifySetting::kFirst: return {"first"};
    case VerifySetting::kAlways: return {"always"};
    default: return {"off"};
    }
}

void setScrubRate(const ParamTarget& target, const std::string& value) {
    target.config->scrubRate = 0;
    if (value == "off") return;
    const std::optional<std::uint64_t> rate = parseSize(value);
    if (!rate || *rate < kLowestRate || *rate > kHighestRate) {
        bad("off or a size from 1K to 1G, such as 4M, is expected");
    }
    target.config->scrubRate = *rate;
}
Lines printScrubRate(const ParamTarget& target) {
    const std::uint64_t rate = target.config->scrubRate;
    return {rate == 0 ? "off" : formatSize(rate)};
}

}  // namespace ociproxy
