#ifndef OCIPROXY_SRC_UPSTREAM_HOP_POLICY_H
#define OCIPROXY_SRC_UPSTREAM_HOP_POLICY_H

#include <cstdint>
#include <string>

#include "ociproxy/upstream/address_guard.h"

namespace ociproxy {

// What a hop is for: registry traffic with its redirects, or a token with its
// redirects, for which plain http is narrower.
enum class HopPurpose : std::uint8_t { kContent, kToken };

// admitsHop() and admitsAddress() with the rule for tokens on top: over http a realm
// must be on a host of an http origin of the upstream, or at an address in
// allowAddresses. Pure functions; any thread.
bool admitsHopFor(HopPurpose purpose, const Upstream& upstream, const Origin& hop,
                  std::string* why);
bool admitsAddressFor(HopPurpose purpose, const Upstream& upstream, const Origin& hop,
                      const IpAddress& address, std::string* why);

}  // namespace ociproxy

#endif
