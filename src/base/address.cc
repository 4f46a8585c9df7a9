#include "ociproxy/base/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kV4Offset = 12;

bool isMapped(const std::uint8_t* bytes) noexcept {
    return std::memcmp(bytes, kMappedPrefix, sizeof kMappedPrefix) == 0;
}

bool isBracketed(std::string_view text) noexcept {
    return text.size() > 2 && text.front() == '[' && text.back() == ']';
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    bool bracketed = isBracketed(text);
    if (bracketed) text = text.substr(1, text.size() - 2);
    // inet_pton stops at a NUL; what stands behind it must not go unseen.
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    std::string terminated(text);
    IpAddress out;
    bool v6 = text.find(':') != std::string_view::npos;
    if (bracketed && !v6) return std::nullopt;
    if (!v6) {
        if (::inet_pton(AF_INET, terminated.c_str(), &out.bytes_[kV4Offset]) != 1) {
            return std::nullopt;
        }
        return out;
    }
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    if (::inet_pton(AF_INET6, terminated.c_str(), &address.sin6_addr) != 1) return std::nullopt;
    return fromSockaddr(reinterpret_cast<const sockaddr*>(&address));
}

std::optional<IpAddress> IpAddress::fromSockaddr(const sockaddr* address) {
    IpAddress out;
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::memcpy(&out.bytes_[kV4Offset], &v4.sin_addr, 4);
        return out;
    }
    if (address->sa_family != AF_INET6) return std::nullopt;
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    const std::uint8_t* bytes = v6.sin6_addr.s6_addr;
    out.v4_ = isMapped(bytes);
    std::size_t skip = out.v4_ ? kV4Offset : 0;
    std::copy(bytes + skip, bytes + 16, out.bytes_.begin() + static_cast<std::ptrdiff_t>(skip));
    return out;
}

std::string IpAddress::text() const {
    char out[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(v4_ ? AF_INET : AF_INET6, &bytes_[v4_ ? kV4Offset : 0], out, sizeof out);
    return out;
}

std::optional<Network> Network::parse(std::string_view text) {
    std::size_t slash = text.find('/');
    std::string_view host = text.substr(0, slash);
    std::optional<IpAddress> base = IpAddress::parse(host);
    if (!base) return std::nullopt;
    bool writtenAsV6 = host.find(':') != std::string_view::npos;
    unsigned bits = writtenAsV6 ? 128 : 32;
    std::uint64_t prefix = bits;
    if (slash != std::string_view::npos) {
        std::string_view digits = text.substr(slash + 1);
        std::optional<std::uint64_t> number = parseUnsigned(digits);
        if (!number || *number > bits || digits.size() > 3) return std::nullopt;
        prefix = *number;
    }
    // An IPv4-mapped range is kept as the IPv4 range that it is.
    if (writtenAsV6 && base->isV4()) {
        if (prefix < 96) return std::nullopt;
        prefix -= 96;
    }
    Network out;
    out.base_ = *base;
    out.prefix_ = static_cast<unsigned>(prefix);
    if (out.lowestAddress(*base).bytes() != base->bytes()) return std::nullopt;
    return out;
}

IpAddress Network::lowestAddress(const IpAddress& address) const noexcept {
    IpAddress out = address;
    std::size_t first = address.isV4() ? kV4Offset : 0;
    for (std::size_t i = first; i < out.bytes_.size(); ++i) {
        std::size_t before = (i - first) * 8;
        std::size_t kept = prefix_ <= before ? 0 : std::min<std::size_t>(prefix_ - before, 8);
        out.bytes_[i] = static_cast<std::uint8_t>(out.bytes_[i] & (0xff00u >> kept));
    }
    return out;
}

bool Network::contains(const IpAddress& address) const noexcept {
    return address.isV4() == base_.isV4() && lowestAddress(address) == base_;
}

bool isOneOf(const std::vector<Network>& networks, const IpAddress& address) noexcept {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const Network& network) { return network.contains(address); });
}

std::string Network::text() const {
    return cat(base_.text(), '/', prefix_);
}

}  // namespace ociproxy
