// Which addresses belong to the public internet (the table of base/address.h).
#include <cstddef>
#include <cstdint>

#include "ociproxy/base/address.h"

namespace ociproxy {

namespace {

struct V4Range {
    std::uint8_t base[4];
    unsigned prefix;
};

// IANA's special-purpose registry, multicast, reserved, and the metadata service
// that one cloud puts on an address of its public space.
constexpr V4Range kV4[] = {
    {{0, 0, 0, 0}, 8},        {{10, 0, 0, 0}, 8},       {{100, 64, 0, 0}, 10},
    {{127, 0, 0, 0}, 8},      {{169, 254, 0, 0}, 16},   {{172, 16, 0, 0}, 12},
    {{192, 0, 0, 0}, 24},     {{192, 0, 2, 0}, 24},     {{192, 88, 99, 0}, 24},
    {{192, 168, 0, 0}, 16},   {{198, 18, 0, 0}, 15},    {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24},   {{224, 0, 0, 0}, 4},      {{240, 0, 0, 0}, 4},
    {{168, 63, 129, 16}, 32},
};

struct V6Range {
    std::uint8_t base[6];  // no range here has a longer prefix
    unsigned prefix;
};

constexpr V6Range kV6[] = {
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48},  // NAT64 of local use
    {{0x01, 0x00, 0, 0, 0, 0}, 64},              // discard
    {{0x20, 0x01, 0, 0, 0, 0}, 23},              // IETF protocols, Teredo
    {{0x20, 0x01, 0x0d, 0xb8, 0, 0}, 32},        // documentation
    {{0x3f, 0xff, 0, 0, 0, 0}, 20},              // documentation
    {{0x5f, 0x00, 0, 0, 0, 0}, 16},              // segment routing
    {{0xfc, 0, 0, 0, 0, 0}, 7},                  // unique local
    {{0xfe, 0x80, 0, 0, 0, 0}, 10},              // link local
    {{0xfe, 0xc0, 0, 0, 0, 0}, 10},              // site local
    {{0xff, 0, 0, 0, 0, 0}, 8},                  // multicast
};

// Whether the first `prefix` bits at `bytes` are those at `base`; bytes of the base
// beyond `size` are zero.
bool inRange(const std::uint8_t* bytes, const std::uint8_t* base, std::size_t size,
             unsigned prefix) noexcept {
    for (std::size_t i = 0; i * 8 < prefix; ++i) {
        unsigned rest = prefix - static_cast<unsigned>(i * 8);
        unsigned mask = rest >= 8 ? 0xffu : (0xff00u >> rest) & 0xffu;
        unsigned wanted = i < size ? base[i] : 0u;
        if ((bytes[i] & mask) != wanted) return false;
    }
    return true;
}

bool isPublicV4(const std::uint8_t* bytes) noexcept {
    for (const V4Range& range : kV4) {
        if (inRange(bytes, range.base, sizeof range.base, range.prefix)) return false;
    }
    return true;
}

// Where in an IPv6 address the IPv4 address stands that it leads to, or nullptr.
const std::uint8_t* embeddedV4(const std::uint8_t* bytes) noexcept {
    static constexpr std::uint8_t kNothing[1] = {};
    static constexpr std::uint8_t kNat64[4] = {0x00, 0x64, 0xff, 0x9b};
    static constexpr std::uint8_t k6to4[2] = {0x20, 0x02};
    if (inRange(bytes, kNothing, 0, 96)) return bytes + 12;  // ::, ::1 and compatible
    if (inRange(bytes, kNat64, sizeof kNat64, 96)) return bytes + 12;
    if (inRange(bytes, k6to4, sizeof k6to4, 16)) return bytes + 2;
    return nullptr;
}

}  // namespace

bool isPublicAddress(const IpAddress& address) noexcept {
    const std::uint8_t* bytes = address.bytes().data();
    if (address.isV4()) return isPublicV4(bytes + 12);
    const std::uint8_t* embedded = embeddedV4(bytes);
    if (embedded != nullptr) return isPublicV4(embedded);
    for (const V6Range& range : kV6) {
        if (inRange(bytes, range.base, sizeof range.base, range.prefix)) return false;
    }
    return true;
}

}  // namespace ociproxy
