#include "proxy/pass_reason.h"

#include "proxy/failure_map.h"

namespace ociproxy {

const char* passReasonText(PassReason reason) noexcept {
    switch (reason) {
    case PassReason::kStoreTrouble: return "store-trouble";
    case PassReason::kNoRoom: return "no-room";
    case PassReason::kTableFull: return "table-full";
    case PassReason::kFarRange: return "far-range";
    case PassReason::kForsaken: return "forsaken";
    case PassReason::kUnknownAlgorithm: break;
    }
    return "unknown-algorithm";
}

Counter passCounter(PassReason reason) noexcept {
    switch (reason) {
    case PassReason::kStoreTrouble: return Counter::kPassedStoreTrouble;
    case PassReason::kNoRoom: return Counter::kPassedNoRoom;
    case PassReason::kTableFull: return Counter::kPassedTableFull;
    case PassReason::kFarRange: return Counter::kPassedFarRange;
    case PassReason::kForsaken: return Counter::kPassedForsaken;
    case PassReason::kUnknownAlgorithm: break;
    }
    return Counter::kPassedUnknownAlgorithm;
}

std::optional<PassReason> passReasonOf(const ClaimFailure& failure) noexcept {
    switch (static_cast<FillFailure>(failure.kind)) {
    case FillFailure::kStore:
    case FillFailure::kCommit: return PassReason::kStoreTrouble;
    case FillFailure::kNoRoom: return PassReason::kNoRoom;
    default: return {};
    }
}

}  // namespace ociproxy
