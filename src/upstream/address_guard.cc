#include "ociproxy/upstream/address_guard.h"

#include <algorithm>
#include <optional>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/names.h"
#include "upstream/hop_policy.h"

namespace ociproxy {

namespace {

bool isOrigin(const Upstream& upstream, const Origin& hop) {
    return std::find(upstream.origins.begin(), upstream.origins.end(), hop) !=
           upstream.origins.end();
}

bool hasHttpOrigin(const Upstream& upstream) {
    return std::any_of(upstream.origins.begin(), upstream.origins.end(),
                       [](const Origin& origin) { return !origin.tls; });
}

bool inAllowed(const Upstream& upstream, const IpAddress& address) {
    return std::any_of(upstream.allowAddresses.begin(), upstream.allowAddresses.end(),
                       [&](const Network& network) { return network.contains(address); });
}

bool hasDefaultPort(const Origin& hop) noexcept {
    return hop.port == (hop.tls ? 443 : 80);
}

bool refuse(std::string* why, std::string reason) {
    *why = std::move(reason);
    return false;
}

// The host as it is written; what a name leads to is decided by its addresses.
bool admitsHostForm(const Upstream& upstream, const Origin& hop, std::string* why) {
    const std::optional<IpAddress> literal = IpAddress::parse(hop.host);
    if (literal) {
        if (isPublicAddress(*literal) || inAllowed(upstream, *literal)) return true;
        return refuse(why, cat(hop.host, " is not a public address"));
    }
    if (isPublicHostName(hop.host) || !upstream.allowAddresses.empty()) return true;
    return refuse(why, cat(hop.host, " is not a public host name"));
}

// Whether plain http to this host needs an address in allowAddresses.
bool isStrangeHttpRealm(HopPurpose purpose, const Upstream& upstream, const Origin& hop) {
    if (purpose != HopPurpose::kToken || hop.tls) return false;
    return std::none_of(
        upstream.origins.begin(), upstream.origins.end(),
        [&](const Origin& origin) { return !origin.tls && origin.host == hop.host; });
}

}  // namespace

bool admitsHop(const Upstream& upstream, const Origin& hop, std::string* why) {
    if (isOrigin(upstream, hop)) return true;
    if (!hop.tls && !hasHttpOrigin(upstream)) {
        return refuse(why, "plain http, but the upstream speaks https");
    }
    if (!hasDefaultPort(hop) && upstream.allowAddresses.empty()) {
        return refuse(why, cat("port ", unsigned{hop.port}, " is not allowed"));
    }
    return admitsHostForm(upstream, hop, why);
}

bool admitsAddress(const Upstream& upstream, const Origin& hop, const IpAddress& address,
                   std::string* why) {
    if (upstream.configured && isOrigin(upstream, hop)) return true;
    if (inAllowed(upstream, address)) return true;
    if (!isPublicAddress(address)) {
        return refuse(why, cat(address.text(), " is not a public address"));
    }
    if (hasDefaultPort(hop)) return true;
    return refuse(why, cat("port ", unsigned{hop.port}, " at ", address.text(),
                           " is not allowed"));
}

bool admitsHopFor(HopPurpose purpose, const Upstream& upstream, const Origin& hop,
                  std::string* why) {
    if (!admitsHop(upstream, hop, why)) return false;
    if (!isStrangeHttpRealm(purpose, upstream, hop) || !upstream.allowAddresses.empty()) {
        return true;
    }
    return refuse(why, "plain http to a host that is not the upstream's");
}

bool admitsAddressFor(HopPurpose purpose, const Upstream& upstream, const Origin& hop,
                      const IpAddress& address, std::string* why) {
    if (!admitsAddress(upstream, hop, address, why)) return false;
    if (!isStrangeHttpRealm(purpose, upstream, hop) || inAllowed(upstream, address)) return true;
    return refuse(why, cat("plain http to ", address.text(), ", which is not the upstream"));
}

}  // namespace ociproxy
