#ifndef OCIPROXY_SRC_PROC_CAPABILITIES_H
#define OCIPROXY_SRC_PROC_CAPABILITIES_H

#include <cstdint>

namespace ociproxy {

// Sets of capabilities: bit N is capability N of linux/capability.h.
struct Capabilities {
    std::uint64_t effective = 0;
    std::uint64_t permitted = 0;
    std::uint64_t inheritable = 0;
};

constexpr std::uint64_t capabilityBit(unsigned number) noexcept {
    return std::uint64_t{1} << number;
}

// Those of this thread. Throw SysError.
Capabilities ownCapabilities();
void setOwnCapabilities(const Capabilities& wanted);

// No program that this process executes gets a capability from its file. As far as
// CAP_SETPCAP is there to allow it; NO_NEW_PRIVS says the same.
void emptyBoundingSet() noexcept;

}  // namespace ociproxy

#endif
