#ifndef OCIPROXY_BASE_ADDRESS_H
#define OCIPROXY_BASE_ADDRESS_H

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace ociproxy {

// An IPv4 or IPv6 address; a plain value. An IPv4-mapped IPv6 address
// (::ffff:a.b.c.d) is kept as the IPv4 address it is.
class IpAddress {
public:
    // Only the full textual forms of inet_pton: no "127.1", no "0x7f.1".
    // IPv6 with or without brackets, without a zone.
    static std::optional<IpAddress> parse(std::string_view text);
    // nullopt when it is neither AF_INET nor AF_INET6.
    static std::optional<IpAddress> fromSockaddr(const sockaddr* address);

    bool isV4() const noexcept { return v4_; }
    // 16 bytes; an IPv4 address is in the last four, the rest is zero.
    const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
    std::string text() const;  // without brackets

    friend bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
        return a.v4_ == b.v4_ && a.bytes_ == b.bytes_;
    }

private:
    bool v4_ = true;
    std::array<std::uint8_t, 16> bytes_{};
    friend class Network;
};

// A CIDR range: "127.0.0.0/8", "fd00::/8", or one address. A plain value.
class Network {
public:
    // nullopt when malformed or when bits below the prefix are set.
    static std::optional<Network> parse(std::string_view text);
    bool contains(const IpAddress& address) const noexcept;
    std::string text() const;

private:
    IpAddress lowestAddress(const IpAddress& address) const noexcept;  // bits beyond zeroed

    IpAddress base_;
    unsigned prefix_ = 0;  // in bits of the address's own family
};

bool isOneOf(const std::vector<Network>& networks, const IpAddress& address) noexcept;

// Whether the address is one of the public internet: not in any range of
// the IANA special-purpose registries, addresses that embed an IPv4 address (mapped,
// compatible, NAT64, 6to4) judged by what they embed.
bool isPublicAddress(const IpAddress& address) noexcept;

}  // namespace ociproxy

#endif
