#ifndef OCIPROXY_UPSTREAM_ADDRESS_GUARD_H
#define OCIPROXY_UPSTREAM_ADDRESS_GUARD_H

#include <string>

#include "ociproxy/base/address.h"
#include "ociproxy/upstream/settings.h"

namespace ociproxy {

// Which hops an upstream may lead us to (`allow_addresses` of
// ociproxy.conf). Pure functions; any thread.

// Before anything is resolved: scheme, host form and port of a redirect target or
// token realm. An origin of the upstream itself is always admitted. https to port
// 443 is admitted; http only where an origin of the upstream is http, to port 80;
// other ports, and http elsewhere, only if `allowAddresses` is not empty (the
// address decides then, by admitsAddress). https to http is refused while no origin
// is http. IP literals that are not public need allowAddresses.
// `*why` gets a reason for the log.
bool admitsHop(const Upstream& upstream, const Origin& hop, std::string* why);

// Before connecting, for every resolved address, and again for the connected peer.
// An origin that is configured may be anywhere. Else the address must be public
// with a default port, or lie in allowAddresses.
bool admitsAddress(const Upstream& upstream, const Origin& hop, const IpAddress& address,
                   std::string* why);

}  // namespace ociproxy

#endif
