#ifndef OCIPROXY_SRC_PROXY_PASS_REASON_H
#define OCIPROXY_SRC_PROXY_PASS_REASON_H

#include <cstdint>
#include <optional>

#include "ociproxy/shm/claim_table.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {

// Why a reply comes from the upstream past the store.
enum class PassReason : std::uint8_t {
    kStoreTrouble,      // our disk cannot be written to or read
    kNoRoom,            // larger than the cache, or full and nothing to evict
    kTableFull,         // no claim was to be had
    kFarRange,          // a range that a running fill reaches only much later
    kForsaken,          // the rest of a fill whose disk failed in the middle
    kUnknownAlgorithm,  // a digest that we cannot compute
};

const char* passReasonText(PassReason reason) noexcept;  // "store-trouble"
Counter passCounter(PassReason reason) noexcept;

// Whether a fill that failed so leaves its requests to pass-throughs, and why.
std::optional<PassReason> passReasonOf(const ClaimFailure& failure) noexcept;

}  // namespace ociproxy

#endif
