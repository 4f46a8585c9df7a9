// Configuration: immutable values, read once from one file. The table in
// src/conf/params.inc defines every key; parser, -T and the sample are made from it.
#ifndef OCIPROXY_CONF_CONFIG_H
#define OCIPROXY_CONF_CONFIG_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/registry/names.h"

namespace ociproxy {

// What a configuration file says is wrong. what() begins with "FILE:LINE: ".
class ConfigError : public Error {
public:
    using Error::Error;
};

// One address to listen on: the unix socket `path`, or without one `address`; without
// that all addresses, IPv6 and IPv4 on one socket (IPv4 alone where there is no IPv6).
struct ListenAddress {
    std::string text;  // as written, without the words behind the address
    std::string path;  // absolute
    bool tls = false;
    bool proxyProtocol = false;  // each connection begins with a header of that protocol
    int line = 0;                // in the file; 0: a default
    std::optional<IpAddress> address;
    std::uint16_t port = 0;  // 0: chosen by the kernel
};

enum class DurabilitySetting : std::uint8_t { kFull, kData, kNone };
enum class PublicSetting : std::uint8_t { kAuto, kYes, kNo };

// http:// or https:// with host and port that are really dialled.
struct UpstreamUrl {
    bool tls = true;
    std::string host;  // lower case; IPv6 literals without brackets
    std::uint16_t port = 443;
    std::string text() const;
};

// One [upstream NAME] section.
struct UpstreamConfig {
    std::string name;  // canonical (canonicalRegistry())
    int line = 0;
    std::vector<UpstreamUrl> urls;  // never empty: default https://NAME
    std::vector<std::string> aliases;
    PublicSetting isPublic = PublicSetting::kAuto;
    std::vector<Network> allowAddresses;
    std::string caFile;
};

struct Config {
    std::string file;  // empty: built-in defaults
    std::vector<ListenAddress> listen;
    std::string tlsCertificate;  // paths of PEM files; empty: none
    std::string tlsKey;
    std::string tlsClientCa;
    std::vector<ListenAddress> adminListen;  // one, or none: off
    std::vector<Network> trustedProxies;     // whose word on clients' addresses counts
    std::string user;   // empty: auto
    std::string group;  // empty: auto
    std::string cacheDir;
    DurabilitySetting durability = DurabilitySetting::kFull;
    std::optional<unsigned> workers;  // nullopt: auto
    std::string pidFile;  // auto, off, or a path
    Millis drainTimeout{300'000};
    Millis headerTimeout{10'000};
    Millis keepaliveTimeout{30'000};
    Millis writeTimeout{15'000};
    std::uint64_t minRate = 1024;               // bytes per second; 0: any
    std::optional<std::size_t> maxConnections;  // of each worker; nullopt: auto
    std::optional<std::size_t> maxConnectionsPerClient;  // nullopt: auto; 0: off
    std::string log;
    LogLevel logLevel = LogLevel::kInfo;
    std::string accessLog;
    LogFormat accessLogFormat = LogFormat::kText;
    std::optional<Millis> followAfter;  // nullopt: never
    bool unverifiedRanges = true;
    std::vector<std::string> allowUpstreams;  // names, *.suffix, *
    std::vector<UpstreamConfig> upstreams;

    // Whether clients are served through TLS somewhere.
    bool speaksTls() const noexcept;
    // `workers`, or the number of cores, at most 32 and at least 1.
    unsigned workerCount() const;
};

// The built-in defaults.
Config defaultConfig();

// Reads and checks `file`. Throws ConfigError with file and line for unknown keys
// and sections, bad values, repeated single keys, two sections or aliases of one
// name, accounts that this machine does not know; SysError if it cannot be read or the
// accounts cannot be looked up. Touches nothing.
Config loadConfig(const std::string& file);
// The same for text that is already there; `file` is for messages.
Config parseConfig(const std::string& text, const std::string& file);

// The effective configuration in the file's own syntax, for -T: parseConfig() of
// it gives the same Config. Values that are secret print as "***".
std::string dumpConfig(const Config& config);

// Takes over into `fresh` what `running` has and what cannot change while it runs (the
// parameters that are not reloadable); returns a line for each that differed.
std::vector<std::string> keepFixedParams(const Config& running, Config* fresh);

// A commented sample with every key and its default, from the table.
std::string sampleConfig();

}  // namespace ociproxy

#endif
