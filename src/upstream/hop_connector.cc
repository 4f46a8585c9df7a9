#include "upstream/hop_connector.h"

#include <algorithm>

#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"
#include "ociproxy/upstream/resolver.h"

namespace ociproxy {

namespace {

[[noreturn]] void prohibited(const std::string& why) {
    throw UpstreamError(UpstreamFailure::kAddressProhibited, cat("prohibited: ", why));
}

[[noreturn]] void tooLate(const std::string& what) {
    throw UpstreamError(UpstreamFailure::kConnectionTimeout, cat(what, ": timed out"));
}

}  // namespace

std::unique_ptr<HopConnection> HopConnector::connect(HopPurpose purpose, const Upstream& upstream,
                                                     const Origin& hop, TimePoint deadline) {
    const std::vector<IpAddress> addresses = admittedAddresses(purpose, upstream, hop);
    for (std::size_t i = 0;; ++i) {
        if (now() >= deadline) tooLate("connect");
        try {
            std::unique_ptr<HopConnection> connection =
                dial(hop, addresses[i], deadline);
            std::string why;
            if (!admitsAddressFor(purpose, upstream, hop, connection->peer(), &why)) {
                prohibited(why);
            }
            if (hop.tls) startTls(*connection, upstream, hop, deadline);
            return connection;
        } catch (const UpstreamError&) {
            if (i + 1 == addresses.size()) throw;
        }
    }
}

// All of them must be admitted: a name that also leads inside is not trusted at all.
std::vector<IpAddress> HopConnector::admittedAddresses(HopPurpose purpose,
                                                       const Upstream& upstream,
                                                       const Origin& hop) {
    std::vector<IpAddress> addresses = resolver_.resolve(hop.host);
    if (addresses.empty()) {
        throw UpstreamError(UpstreamFailure::kNameResolution, "the name has no address");
    }
    std::string why;
    for (const IpAddress& address : addresses) {
        if (!admitsAddressFor(purpose, upstream, hop, address, &why)) prohibited(why);
    }
    return addresses;
}

std::unique_ptr<HopConnection> HopConnector::dial(const Origin& hop, const IpAddress& address,
                                                  TimePoint deadline) {
    const TimePoint end = std::min(deadline, now() + connectTimeout_);
    try {
        return std::make_unique<HopConnection>(HopSocket::connect(address, hop.port, end));
    } catch (const UpstreamError& e) {
        throw UpstreamError(e.failure(), cat(address.text(), ": ", e.what()));
    }
}

void HopConnector::startTls(HopConnection& connection, const Upstream& upstream,
                            const Origin& hop, TimePoint deadline) {
    connection.setPatience(Patience::until(std::min(deadline, now() + connectTimeout_)));
    try {
        connection.startTls(contexts_.get(upstream.caFile), hop.host);
    } catch (const UpstreamError& e) {
        const std::string where = connection.peer().text();
        if (e.failure() == UpstreamFailure::kResponseTimeout) {
            tooLate(cat(where, ": TLS handshake"));
        }
        throw UpstreamError(e.failure(), cat(where, ": ", e.what()));
    }
}

}  // namespace ociproxy
