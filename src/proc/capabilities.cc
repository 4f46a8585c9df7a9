#include "proc/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

// The kernel's structures hold halves of 32 bits, the lower one first.
std::uint64_t joined(std::uint32_t low, std::uint32_t high) noexcept {
    return std::uint64_t{high} << 32 | low;
}

std::uint32_t low(std::uint64_t set) noexcept { return static_cast<std::uint32_t>(set); }
std::uint32_t high(std::uint64_t set) noexcept { return static_cast<std::uint32_t>(set >> 32); }

}  // namespace

Capabilities ownCapabilities() {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, data) != 0) throwErrno("capget");
    return Capabilities{joined(data[0].effective, data[1].effective),
                        joined(data[0].permitted, data[1].permitted),
                        joined(data[0].inheritable, data[1].inheritable)};
}

void setOwnCapabilities(const Capabilities& wanted) {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {low(wanted.effective), low(wanted.permitted), low(wanted.inheritable)},
        {high(wanted.effective), high(wanted.permitted), high(wanted.inheritable)}};
    if (::syscall(SYS_capset, &header, data) != 0) throwErrno("capset");
}

void emptyBoundingSet() noexcept {
    // Until the kernel says that there are no more.
    for (unsigned long number = 0; ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; ++number) {
        ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
    }
}

}  // namespace ociproxy
