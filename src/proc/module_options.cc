#include "proc/module_options.h"

#include <algorithm>
#include <cerrno>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/version.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kOwnDescriptors = 256;
constexpr std::size_t kMaxConnections = 10'000;
constexpr std::uint64_t kMinConnections = 64;
constexpr std::size_t kAdminConnections = 64;
constexpr std::uint64_t kMinOpenFiles = 16;
constexpr std::uint64_t kMaxOpenFiles = 1'024;

Publicness publicnessFrom(PublicSetting setting) noexcept {
    switch (setting) {
        case PublicSetting::kYes: return Publicness::kYes;
        case PublicSetting::kNo: return Publicness::kNo;
        case PublicSetting::kAuto: break;
    }
    return Publicness::kAuto;
}

Durability durabilityFrom(DurabilitySetting setting) noexcept {
    switch (setting) {
        case DurabilitySetting::kData: return Durability::kData;
        case DurabilitySetting::kNone: return Durability::kNone;
        case DurabilitySetting::kFull: break;
    }
    return Durability::kFull;
}

void requireReadable(const Config& config, const UpstreamConfig& section) {
    if (section.caFile.empty() || ::access(section.caFile.c_str(), R_OK) == 0) return;
    throw ConfigError(cat(config.file, ":", section.line, ": upstream ", section.name,
                          ": cannot read ca_file ", section.caFile, ": ", errnoText(errno)));
}

// The sockets are in the order of `listen`, those that were passed to us too.
std::vector<FrontServer::Listener> listenersFrom(const Heritage& heritage) {
    const std::vector<ListenAddress>& words = heritage.config->listen;
    std::vector<FrontServer::Listener> out;
    for (int socket : heritage.listeners->descriptors()) {
        const std::size_t place = out.size();
        const bool known = place < words.size();
        out.emplace_back(socket, known && words[place].tls, known && words[place].proxyProtocol);
    }
    return out;
}

std::uint64_t descriptorLimit() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

// How many clients a process with this many descriptors can serve: each may need one
// for itself and one for what it is sent, and the rest of the process some.
std::size_t roomFor(std::uint64_t descriptors) noexcept {
    const std::uint64_t spare = descriptors > kOwnDescriptors ? descriptors - kOwnDescriptors : 0;
    return static_cast<std::size_t>(std::max(spare / 2, kMinConnections));
}

}  // namespace

Upstream upstreamFrom(const UpstreamConfig& section) {
    Upstream out;
    out.name = section.name;
    for (const UpstreamUrl& url : section.urls) {
        out.origins.push_back(Origin{url.tls, url.host, url.port});
    }
    out.aliases = section.aliases;
    out.publicness = publicnessFrom(section.isPublic);
    out.allowAddresses = section.allowAddresses;
    out.caFile = section.caFile;
    out.configured = true;
    out.computeId();
    return out;
}

UpstreamDirectory directoryFrom(const Config& config) {
    std::vector<Upstream> configured;
    for (const UpstreamConfig& section : config.upstreams) {
        requireReadable(config, section);
        configured.push_back(upstreamFrom(section));
    }
    return UpstreamDirectory(std::move(configured), config.allowUpstreams);
}

Store::Options storeOptions(const Heritage& heritage) {
    Store::Options out;
    out.directory = heritage.config->cacheDir;
    out.log = heritage.log;
    out.generation = &heritage.shared->storeGeneration();
    out.durability = durabilityFrom(heritage.config->durability);
    return out;
}

UpstreamClient::Options clientOptions(const Heritage& heritage) {
    UpstreamClient::Options out;
    out.log = heritage.log;
    out.tokens = &heritage.shared->tokens();
    out.counters = &heritage.shared->counters();
    out.stats = &heritage.shared->upstreams();
    out.userAgent = "ociproxy/" OCIPROXY_VERSION;
    out.instanceId = heritage.instanceId;
    return out;
}

Proxy::Options proxyOptions(const Heritage& heritage, const WorkerId& self) {
    Proxy::Options out;
    out.self = self;
    out.shared = heritage.shared;
    out.log = heritage.log;
    out.accessLog = heritage.accessLog;
    out.instanceId = heritage.instanceId;
    out.followAfter = heritage.config->followAfter;
    out.unverifiedRanges = heritage.config->unverifiedRanges;
    out.openFiles = openFileLimit(descriptorLimit());
    return out;
}

FrontServer::Options frontOptions(const Heritage& heritage) {
    FrontServer::Options out;
    const Config& config = *heritage.config;
    out.listeners = listenersFrom(heritage);
    out.tls = heritage.tls;
    out.trustedProxies = config.trustedProxies;
    out.maxConnections = connectionLimit(config, descriptorLimit());
    out.maxConnectionsPerClient = clientLimit(config, out.maxConnections);
    out.headerTimeout = config.headerTimeout;
    out.keepAliveTimeout = config.keepaliveTimeout;
    out.writeStall = config.writeTimeout;
    out.minRate = config.minRate;
    out.log = heritage.log;
    out.counters = &heritage.shared->counters();
    return out;
}

FrontServer::Options adminFrontOptions(const Heritage& heritage) {
    FrontServer::Options out;
    const std::vector<int> sockets = heritage.adminListeners->descriptors();
    out.listeners.assign(sockets.begin(), sockets.end());
    out.handlers = 2;
    out.senders = 2;
    out.maxConnections = kAdminConnections;
    out.maxQueued = kAdminConnections;
    out.log = heritage.log;
    return out;
}

StatusPages::Options statusOptions(const Heritage& heritage) {
    StatusPages::Options out;
    out.shared = heritage.shared;
    out.version = OCIPROXY_VERSION;
    return out;
}

std::size_t connectionLimit(const Config& config, std::uint64_t descriptors) noexcept {
    return std::min(config.maxConnections.value_or(kMaxConnections), roomFor(descriptors));
}

// Of `most` a quarter is left for others.
std::size_t clientLimit(const Config& config, std::size_t most) noexcept {
    const std::size_t usual = std::max<std::size_t>(most - most / 4, 1);
    return config.maxConnectionsPerClient.value_or(usual);
}

void warnOfLimits(const Config& config, Log& log) {
    const std::size_t possible = connectionLimit(config, descriptorLimit());
    if (!config.maxConnections || *config.maxConnections <= possible) return;
    log.warning(cat("max_connections = ", *config.maxConnections, " is lowered to ", possible,
                    ": the limit for open files (", descriptorLimit(), ") allows no more"));
}

std::size_t openFileLimit(std::uint64_t descriptors) noexcept {
    return static_cast<std::size_t>(std::clamp(descriptors / 16, kMinOpenFiles, kMaxOpenFiles));
}

}  // namespace ociproxy
