#ifndef OCIPROXY_SRC_PROXY_STEP_H
#define OCIPROXY_SRC_PROXY_STEP_H

#include <cstdint>
#include <optional>
#include <variant>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/front/message.h"
#include "ociproxy/shm/claim_table.h"
#include "proxy/pass_reason.h"

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
    kPassThrough,    // the content itself to this request, past the store
};

// Something to be asked of the upstream by the pool; then plan again.
struct WorkOrder {
    WorkKind kind = WorkKind::kFillBlob;
    // All but kCheckTag and kFetchToken; of a pass-through: if we can compute it.
    std::optional<Digest> digest;
    // Another 401 is final: this request has already been given a fresh token.
    bool lastAuthentication = false;

    // Of a pass-through.
    PassReason reason = PassReason::kStoreTrouble;
    std::uint64_t first = 0;            // with `last`: only this part, not verified
    std::optional<std::uint64_t> last;
    bool needsLength = false;           // the client takes no chunks
    bool headOnly = false;

    bool isPart() const noexcept { return first > 0 || last.has_value(); }
};

using Step = std::variant<Reply, Wait, WorkOrder>;

}  // namespace ociproxy

#endif
