#ifndef OCIPROXY_UPSTREAM_SETTINGS_H
#define OCIPROXY_UPSTREAM_SETTINGS_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/base/address.h"

namespace ociproxy {

// Scheme, host and port that are dialled. A plain value.
struct Origin {
    bool tls = true;
    std::string host;  // lower case, IPv6 literals without brackets
    std::uint16_t port = 443;

    std::string authority() const;  // for Host: brackets, no default port
    std::string text() const;       // "https://host:port", default port omitted
    friend bool operator==(const Origin& a, const Origin& b) noexcept {
        return a.tls == b.tls && a.port == b.port && a.host == b.host;
    }
};

enum class Publicness : std::uint8_t { kAuto, kYes, kNo };

// One upstream, configured or reachable through the allow-list. Immutable; shared
// between threads.
struct Upstream {
    std::string name;             // canonical: "docker.io", "demo.test"
    std::vector<Origin> origins;  // tried in order; never empty
    std::vector<std::string> aliases;
    Publicness publicness = Publicness::kAuto;
    // Private ranges that redirects and realms of this upstream may lead to, on any
    // port, and over http where an origin is http.
    std::vector<Network> allowAddresses;
    std::string caFile;  // trusted besides the system's; empty: none
    bool configured = false;  // by a section: its origins are allowed as written

    // `name` with a hash of everything above: what keys in shared memory use, so
    // that a reload with other settings does not meet the old one's claims.
    std::string id;
    void computeId();
};

using UpstreamPtr = std::shared_ptr<const Upstream>;

// Which upstreams there are: configured ones under their names and aliases, and
// those that the allow-list lets in. Immutable; any thread.
class UpstreamDirectory {
public:
    // `allow`: names, "*.suffix" patterns (on a label boundary), or "*" for any
    // public host name.
    UpstreamDirectory(std::vector<Upstream> configured, std::vector<std::string> allow);

    // By canonicalRegistry() name or alias. nullptr: not allowed. A name from the
    // allow-list must be a public host name with no port and is dialled as
    // https://NAME (docker.io: https://registry-1.docker.io). Never resolves names.
    UpstreamPtr find(std::string_view name) const;

    // Whether `component`, the first of a path, is meant as an upstream: it is a
    // configured name or alias, or host-like.
    bool isUpstreamComponent(std::string_view component) const;

private:
    UpstreamPtr findConfigured(std::string_view name, const std::string& canonical) const;

    std::vector<UpstreamPtr> configured_;
    std::vector<std::string> allow_;
};

}  // namespace ociproxy

#endif
