#ifndef OCIPROXY_SRC_FRONT_FORWARDED_H
#define OCIPROXY_SRC_FRONT_FORWARDED_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ociproxy/base/address.h"
#include "ociproxy/front/message.h"

namespace ociproxy {

// A client as a proxy in front names it.
struct ForwardedClient {
    IpAddress address;
    std::uint16_t port = 0;  // 0: not named

    std::string text() const;  // "192.0.2.1", "[2001:db8::1]:5000"
};

// Who sent a request that came from a trusted proxy, by its fields Forwarded (RFC 7239)
// or, without one, X-Forwarded-For. Each proxy adds whom it has seen on the right, so the
// client is the first from there that is no trusted proxy; what stands further left is
// that client's own word, and not looked at. If all are trusted it is the leftmost.
//
// Names that are no addresses ("unknown", "_hidden") end the search, and so do fields
// that are not well-formed: nullopt, or the last one that was known for sure.
std::optional<ForwardedClient> forwardedClient(const Headers& headers,
                                               const std::vector<Network>& trusted);

}  // namespace ociproxy

#endif
