#ifndef OCIPROXY_SRC_PROXY_STEP_H
#define OCIPROXY_SRC_PROXY_STEP_H

#include <cstdint>
#include <optional>
#include <variant>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/front/message.h"
#include "ociproxy/shm/claim_table.h"

namespace ociproxy {

// Wait until the claim differs from what was seen, or until the time is over; then
// plan again. Holds no thread.
struct Wait {
    ClaimKey key{};
    ClaimView seen;
    TimePoint until;
};

enum class WorkKind : std::uint8_t {
    kFillBlob,       // claim the digest, download, verify, commit
    kFetchManifest,  // the same in memory, at most 4 MiB
    kCheckTag,       // ask what a tag points to
    kConfirm,        // ask whether the repository has the digest
    kFetchToken,
};

// Something to be asked of the upstream by the pool; then plan again.
struct WorkOrder {
    WorkKind kind = WorkKind::kFillBlob;
    std::optional<Digest> digest;  // all but kCheckTag and kFetchToken
    // Another 401 is final: this request has already been given a fresh token.
    bool lastAuthentication = false;
};

using Step = std::variant<Reply, Wait, WorkOrder>;

}  // namespace ociproxy

#endif
