#ifndef OCIPROXY_SRC_PROXY_FAILURE_CAUSE_H
#define OCIPROXY_SRC_PROXY_FAILURE_CAUSE_H

#include <cstdint>

#include "ociproxy/shm/claim_table.h"

namespace ociproxy {

// The kinds of ClaimFailure as small numbers with names, for counters: 0 to
// failureCauses() - 1, the last for kinds that have no name.
std::uint32_t failureCauses() noexcept;
std::uint32_t failureCause(const ClaimFailure& failure) noexcept;
const char* failureCauseName(std::uint32_t cause) noexcept;  // "connection_refused"

}  // namespace ociproxy

#endif
