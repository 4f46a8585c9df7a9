#ifndef OCIPROXY_SRC_UPSTREAM_HOP_CONNECTOR_H
#define OCIPROXY_SRC_UPSTREAM_HOP_CONNECTOR_H

#include <memory>

#include "ociproxy/base/clock.h"
#include "upstream/hop_connection.h"
#include "upstream/hop_policy.h"
#include "upstream/tls_context.h"

namespace ociproxy {

class Resolver;

// Makes connections to hops: resolves the name once, refuses
// the hop if any of its addresses is not admitted, dials the addresses in order, and
// checks who is at the other end before a byte is sent. Any thread.
class HopConnector {
public:
    HopConnector(Resolver* resolver, Millis connectTimeout)
        : resolver_(*resolver), connectTimeout_(connectTimeout) {}

    // Connect and TLS handshake each get the connect time-out per address, and all
    // together end at `deadline`. Throws UpstreamError, the last address's one.
    std::unique_ptr<HopConnection> connect(HopPurpose purpose, const Upstream& upstream,
                                           const Origin& hop, TimePoint deadline);

private:
    std::vector<IpAddress> admittedAddresses(HopPurpose purpose, const Upstream& upstream,
                                             const Origin& hop);
    std::unique_ptr<HopConnection> dial(const Origin& hop, const IpAddress& address,
                                        TimePoint deadline);
    void startTls(HopConnection& connection, const Upstream& upstream, const Origin& hop,
                  TimePoint deadline);

    Resolver& resolver_;
    const Millis connectTimeout_;
    TlsContexts contexts_;
};

}  // namespace ociproxy

#endif
