// How long, how slow and how many clients may be, and whom to believe who they are.
#include "conf/value_parts.h"
#include "conf/values.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kShortestWait = 1'000;  // milliseconds
constexpr std::uint64_t kMostConnections = 1'000'000;
constexpr std::uint64_t kLongestKeep = 365 * kLongestWait;
constexpr std::uint64_t kLargestBlob = 1ull << 50;
constexpr std::uint64_t kHighestRate = 1'024 * 1'024 * 1'024;

Millis wait(const std::string& value) {
    const std::optional<std::uint64_t> time = parseDuration(value);
    if (!time || *time < kShortestWait || *time > kLongestWait) {
        bad("a duration from 1s to 1d is expected, such as 30s");
    }
    return Millis{*time};
}

Lines printWait(Millis time) {
    return {formatDuration(static_cast<std::uint64_t>(time.count()))};
}

std::size_t connections(const std::string& value, const char* words) {
    const std::optional<std::uint64_t> number = parseUnsigned(value);
    if (!number || *number < 1 || *number > kMostConnections) {
        bad(cat(words, " or a number from 1 to ", kMostConnections, " is expected"));
    }
    return static_cast<std::size_t>(*number);
}

}  // namespace

void setTrustedProxies(const ParamTarget& target, const std::string& value) {
    target.config->trustedProxies.clear();
    if (value != "none") target.config->trustedProxies = networks(value);
}
Lines printTrustedProxies(const ParamTarget& target) {
    if (target.config->trustedProxies.empty()) return {"none"};
    return joined(target.config->trustedProxies);
}

void setDrainTimeout(const ParamTarget& target, const std::string& value) {
    target.config->drainTimeout = wait(value);
}
Lines printDrainTimeout(const ParamTarget& target) {
    return printWait(target.config->drainTimeout);
}

void setHeaderTimeout(const ParamTarget& target, const std::string& value) {
    target.config->headerTimeout = wait(value);
}
Lines printHeaderTimeout(const ParamTarget& target) {
    return printWait(target.config->headerTimeout);
}

void setKeepaliveTimeout(const ParamTarget& target, const std::string& value) {
    target.config->keepaliveTimeout = wait(value);
}
Lines printKeepaliveTimeout(const ParamTarget& target) {
    return printWait(target.config->keepaliveTimeout);
}

void setWriteTimeout(const ParamTarget& target, const std::string& value) {
    target.config->writeTimeout = wait(value);
}
Lines printWriteTimeout(const ParamTarget& target) {
    return printWait(target.config->writeTimeout);
}

void setMinRate(const ParamTarget& target, const std::string& value) {
    const std::optional<std::uint64_t> rate = parseSize(value);
    if (!rate || *rate > kHighestRate) bad("a size up to 1G, such as 1K, or 0 is expected");
    target.config->minRate = *rate;
}
Lines printMinRate(const ParamTarget& target) { return {formatSize(target.config->minRate)}; }

void setFinishBelow(const ParamTarget& target, const std::string& value) {
    const std::optional<std::uint64_t> size = parseSize(value);
    if (!size || *size > kLargestBlob) bad("a size up to 1P, such as 64M, or 0 is expected");
    target.config->finishBelow = *size;
}
Lines printFinishBelow(const ParamTarget& target) {
    return {formatSize(target.config->finishBelow)};
}

void setPartialMaxAge(const ParamTarget& target, const std::string& value) {
    const std::optional<std::uint64_t> time = value == "off" ? 0 : parseDuration(value);
    if (!time || *time > kLongestKeep) {
        bad("a duration up to 365d, such as 1d or 12h, is expected, or off");
    }
    target.config->partialMaxAge = Millis{*time};
}
Lines printPartialMaxAge(const ParamTarget& target) {
    if (target.config->partialMaxAge.count() == 0) return {"off"};
    return printWait(target.config->partialMaxAge);
}

void setMaxConnections(const ParamTarget& target, const std::string& value) {
    target.config->maxConnections.reset();
    if (value != "auto") target.config->maxConnections = connections(value, "auto");
}
Lines printMaxConnections(const ParamTarget& target) {
    const std::optional<std::size_t>& most = target.config->maxConnections;
    return {most ? std::to_string(*most) : "auto"};
}

void setMaxConnectionsPerClient(const ParamTarget& target, const std::string& value) {
    std::optional<std::size_t>& most = target.config->maxConnectionsPerClient;
    most.reset();
    if (value == "off") most = 0;
    else if (value != "auto") most = connections(value, "auto, off");
}
Lines printMaxConnectionsPerClient(const ParamTarget& target) {
    const std::optional<std::size_t>& most = target.config->maxConnectionsPerClient;
    if (!most) return {"auto"};
    return {*most == 0 ? "off" : std::to_string(*most)};
}

}  // namespace ociproxy
