#ifndef OCIPROXY_UPSTREAM_RESOLVER_H
#define OCIPROXY_UPSTREAM_RESOLVER_H

#include <string>
#include <vector>

#include "ociproxy/base/address.h"

namespace ociproxy {

// From a host name to addresses. Any thread. Tests inject their own.
class Resolver {
public:
    virtual ~Resolver() = default;
    // All addresses of `host` (a name or an IP literal), in the order in which they
    // should be tried; never empty. Throws UpstreamError (kNameResolution,
    // kNameTimeout). May block for the resolver library's own time-outs.
    virtual std::vector<IpAddress> resolve(const std::string& host) = 0;
};

// getaddrinfo(3).
class SystemResolver : public Resolver {
public:
    std::vector<IpAddress> resolve(const std::string& host) override;
};

}  // namespace ociproxy

#endif
