#include "front/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <vector>

#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

using Status = ProxyHeaderParser::Status;

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

// Of version 2, from the first byte on.
constexpr std::size_t kCommandAt = 12;
constexpr std::size_t kFamilyAt = 13;
constexpr std::size_t kLengthAt = 14;
constexpr std::size_t kAddressAt = 16;

constexpr unsigned kLocal = 0x20;  // version and command
constexpr unsigned kProxy = 0x21;
constexpr unsigned kUnspecified = 0x00;  // family and transport
constexpr unsigned kTcp4 = 0x11;
constexpr unsigned kTcp6 = 0x21;
constexpr unsigned kUnixStream = 0x31;

constexpr std::size_t kExtensionHead = 3;  // type and length
constexpr unsigned kChecksumType = 0x03;

unsigned byteAt(std::string_view bytes, std::size_t place) {
    return static_cast<unsigned char>(bytes[place]);
}

unsigned shortAt(std::string_view bytes, std::size_t place) {
    return byteAt(bytes, place) << 8 | byteAt(bytes, place + 1);
}

// Whether one is the beginning of the other.
bool agree(std::string_view a, std::string_view b) {
    const std::size_t size = std::min(a.size(), b.size());
    return a.substr(0, size) == b.substr(0, size);
}

// --- version 1

std::optional<std::uint16_t> parsePort(std::string_view text) {
    if (text.size() > 5 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    const std::optional<std::uint64_t> port = parseUnsigned(text);
    if (!port || *port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*port);
}

// As its family is written in a line, which knows no brackets.
std::optional<IpAddress> parseAddress(std::string_view text, bool v6) {
    if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
    if (startsWith(text, "[")) return std::nullopt;
    return IpAddress::parse(text);
}

// --- version 2

std::size_t addressSize(unsigned family) {
    switch (family) {
        case kTcp4: return 12;
        case kTcp6: return 36;
        case kUnixStream: return 216;
        default: return 0;
    }
}

bool isFamily(unsigned family) {
    return family == kUnspecified || addressSize(family) > 0;
}

IpAddress addressV4(std::string_view bytes) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
    return IpAddress::fromSockaddr(reinterpret_cast<const sockaddr*>(&v4)).value();
}

IpAddress addressV6(std::string_view bytes) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
    return IpAddress::fromSockaddr(reinterpret_cast<const sockaddr*>(&v6)).value();
}

constexpr std::array<std::uint32_t, 256> makeChecksumTable() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
        table[i] = value;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> kChecksums = makeChecksumTable();

// CRC-32C (RFC 4960 appendix B) of `bytes` as if those from `hole` on were four zeros.
std::uint32_t checksum(std::string_view bytes, std::size_t hole) {
    std::uint32_t value = 0xffffffff;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const unsigned byte = i >= hole && i < hole + 4 ? 0 : byteAt(bytes, i);
        value = value >> 8 ^ kChecksums[(value ^ byte) & 0xff];
    }
    return ~value;
}

bool hasRightChecksum(std::string_view header, std::size_t place, std::size_t length) {
    if (length != 4) return false;
    const std::uint32_t told = shortAt(header, place) << 16 | shortAt(header, place + 2);
    return told == checksum(header, place);
}

}  // namespace

Status ProxyHeaderParser::advance(std::string_view input) {
    if (input.empty()) return Status::kIncomplete;
    if (agree(input, kLineStart)) return advanceLine(input);
    if (agree(input, kSignature)) return advanceBinary(input);
    return Status::kRefused;
}

Status ProxyHeaderParser::advanceLine(std::string_view input) {
    const std::string_view line = input.substr(0, kLongestLine);
    for (; scanned_ < line.size(); ++scanned_) {
        const char c = line[scanned_];
        if (c == '\r') {
            if (scanned_ + 1 == line.size()) break;
            if (line[scanned_ + 1] != '\n') return Status::kRefused;
            size_ = scanned_ + 2;
            return finishLine(line.substr(0, scanned_));
        }
        if (!isPrintable(line.substr(scanned_, 1))) return Status::kRefused;
    }
    return line.size() == kLongestLine ? Status::kRefused : Status::kIncomplete;
}

// Without its CR LF. What follows UNKNOWN is for nobody.
Status ProxyHeaderParser::finishLine(std::string_view line) {
    const std::vector<std::string_view> parts = split(line, ' ');
    if (parts.size() > 1 && parts[1] == "UNKNOWN") return Status::kComplete;
    if (parts.size() != 6 || (parts[1] != "TCP4" && parts[1] != "TCP6")) return Status::kRefused;
    const bool v6 = parts[1] == "TCP6";
    const std::optional<IpAddress> address = parseAddress(parts[2], v6);
    const std::optional<std::uint16_t> port = parsePort(parts[4]);
    if (!address || !port) return Status::kRefused;
    if (!parseAddress(parts[3], v6) || !parsePort(parts[5])) return Status::kRefused;
    client_ = ProxiedClient{*address, *port};
    return Status::kComplete;
}

Status ProxyHeaderParser::advanceBinary(std::string_view input) {
    if (size_ == 0 && !takePrologue(input)) return Status::kRefused;
    if (size_ == 0 || input.size() < size_) return Status::kIncomplete;
    const std::string_view header = input.substr(0, size_);
    if (extensions_ == 0) return Status::kComplete;
    takeAddress(header);
    return checkExtensions(header) ? Status::kComplete : Status::kRefused;
}

// What stands before the addresses, as far as it is there; false: it cannot be.
bool ProxyHeaderParser::takePrologue(std::string_view input) {
    if (input.size() <= kCommandAt) return true;
    const unsigned command = byteAt(input, kCommandAt);
    if (command != kLocal && command != kProxy) return false;
    if (input.size() <= kFamilyAt) return true;
    // LOCAL is the proxy's own, such as a health check; its block says nothing.
    const unsigned family = command == kLocal ? kUnspecified : byteAt(input, kFamilyAt);
    if (!isFamily(family)) return false;
    if (input.size() < kAddressAt) return true;
    const std::size_t length = shortAt(input, kLengthAt);
    size_ = kAddressAt + length;
    if (family != kUnspecified) extensions_ = kAddressAt + addressSize(family);
    return length >= addressSize(family) && size_ <= kLongestHeader;
}

void ProxyHeaderParser::takeAddress(std::string_view header) {
    const std::string_view block = header.substr(kAddressAt);
    const unsigned family = byteAt(header, kFamilyAt);
    if (family == kTcp4) {
        client_ = ProxiedClient{addressV4(block), static_cast<std::uint16_t>(shortAt(block, 8))};
    } else if (family == kTcp6) {
        client_ = ProxiedClient{addressV6(block), static_cast<std::uint16_t>(shortAt(block, 32))};
    }
}

// One checksum at most: each costs a look at the whole header.
bool ProxyHeaderParser::checkExtensions(std::string_view header) const {
    bool checked = false;
    std::size_t place = extensions_;
    while (place < header.size()) {
        if (header.size() - place < kExtensionHead) return false;
        const std::size_t length = shortAt(header, place + 1);
        const bool isChecksum = byteAt(header, place) == kChecksumType;
        place += kExtensionHead;
        if (length > header.size() - place) return false;
        if (isChecksum && (checked || !hasRightChecksum(header, place, length))) return false;
        checked = checked || isChecksum;
        place += length;
    }
    return true;
}

}  // namespace ociproxy
