#ifndef OCIPROXY_SRC_FRONT_PROXY_HEADER_H
#define OCIPROXY_SRC_FRONT_PROXY_HEADER_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ociproxy/base/address.h"

namespace ociproxy {

// What HAProxy's PROXY protocol says of a client.
struct ProxiedClient {
    IpAddress address;
    std::uint16_t port = 0;
};

// Reads one header of the PROXY protocol, version 1 or 2 (proxy-protocol.txt 2.1 and 2.2
// of HAProxy), strictly. The result depends on the bytes alone, not on the pieces in which
// they came. What is no header is refused with its first wrong byte, so that neither HTTP
// nor a TLS hello waits for a time-out; a line with a wrong field once it has ended.
//
// Version 1: the one line, of TCP4, TCP6 or UNKNOWN. Version 2: LOCAL, and PROXY for
// streams of IPv4, IPv6, unix sockets or an unknown family. TLVs are skipped, but they
// have to fit, and a CRC-32C among them has to be right. What describes a datagram does
// not describe our connection, and is refused. Not synchronized; a value per header.
class ProxyHeaderParser {
public:
    enum class Status { kIncomplete, kComplete, kRefused };

    // A line of version 1 with its CR LF, as the specification has it.
    static constexpr std::size_t kLongestLine = 107;
    // All of version 2. Addresses and the usual TLVs take some 300 bytes, and even a name
    // or certificate in a TLV fits; it is what an unfinished header may hold in memory.
    static constexpr std::size_t kLongestHeader = 4096;

    // REQUIRES: `input` begins as in all earlier calls. Not called again once it has
    // returned something other than kIncomplete.
    Status advance(std::string_view input);

    // After kComplete. What stands behind consumed() is the client's.
    std::size_t consumed() const noexcept { return size_; }
    // nullopt: the header names no internet address, so that the connection's own holds.
    const std::optional<ProxiedClient>& client() const noexcept { return client_; }

private:
    Status advanceLine(std::string_view input);
    Status finishLine(std::string_view line);
    Status advanceBinary(std::string_view input);
    bool takePrologue(std::string_view input);
    void takeAddress(std::string_view header);
    bool checkExtensions(std::string_view header) const;

    std::size_t size_ = 0;     // of the whole header, once known
    std::size_t scanned_ = 0;  // of a line: bytes before it were checked
    std::size_t extensions_ = 0;  // where TLVs begin; 0: they are not looked at
    std::optional<ProxiedClient> client_;
};

}  // namespace ociproxy

#endif
