#include "ociproxy/upstream/resolver.h"

#include <algorithm>
#include <memory>
#include <netdb.h>
#include <optional>
#include <sys/socket.h>

#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"

namespace ociproxy {

namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// No AI_ADDRCONFIG: it hides loopback names on machines without a network. An
// address of a family that is not there fails at once, and the next is tried.
AddressList lookUp(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    AddressList list(found, &::freeaddrinfo);
    if (code == 0) return list;
    const UpstreamFailure failure =
        code == EAI_AGAIN ? UpstreamFailure::kNameTimeout : UpstreamFailure::kNameResolution;
    throw UpstreamError(failure, cat("cannot resolve ", host, ": ", ::gai_strerror(code)));
}

}  // namespace

std::vector<IpAddress> SystemResolver::resolve(const std::string& host) {
    if (std::optional<IpAddress> literal = IpAddress::parse(host)) return {*literal};
    const AddressList list = lookUp(host);
    std::vector<IpAddress> out;
    for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
        const std::optional<IpAddress> address = IpAddress::fromSockaddr(entry->ai_addr);
        if (address && std::find(out.begin(), out.end(), *address) == out.end()) {
            out.push_back(*address);
        }
    }
    if (out.empty()) {
        throw UpstreamError(UpstreamFailure::kNameResolution,
                            cat("cannot resolve ", host, ": it has no address"));
    }
    return out;
}

}  // namespace ociproxy
