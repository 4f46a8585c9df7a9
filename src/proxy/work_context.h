#ifndef OCIPROXY_SRC_PROXY_WORK_CONTEXT_H
#define OCIPROXY_SRC_PROXY_WORK_CONTEXT_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/shm/claim_table.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/client.h"
#include "proxy/byte_pipe.h"
#include "proxy/failure_map.h"
#include "proxy/findings.h"
#include "proxy/step.h"
#include "proxy/store_trouble.h"
#include "proxy/target.h"
#include "proxy/work.h"

namespace ociproxy {

class Counters;
class Log;
class StoreBudget;

// What works share; outlives them.
struct WorkContext {
    WorkerId self;
    ClaimTable* claims = nullptr;
    Counters* counters = nullptr;
    Store* store = nullptr;
    UpstreamClient* client = nullptr;
    Log* log = nullptr;
    StoreTrouble* trouble = nullptr;
    StoreBudget* budget = nullptr;
    Replanner* replanner = nullptr;
    Millis firstByteTimeout{25'000};
    Millis failureKeep{1'500};
    Millis retryPause{100};        // before the first resume; doubles with each
    Millis unwantedAfter{3'000};   // how long nobody asks for a fill before it is left
    std::uint64_t finishBelow = 64 * 1024 * 1024;  // smaller fills go on all the same
    bool keepPartials = true;      // what failed may be gone on with later
    PipePace pace;  // of pass-throughs
    std::atomic<bool> stopping{false};
};

// The work that an order asks for.
WorkPtr makeWork(const WorkOrder& order, const Target& target, WorkContext* context);

// The claim of one work: made by claim(), ended by exactly one of finish, fail, abandon and
// a leaveUnwanted() that is true, and failed by the destructor if an exception kept it from
// that.
class OwnedClaim {
public:
    OwnedClaim(WorkContext* context, const ClaimKey& key, const Target& target);
    ~OwnedClaim();
    OwnedClaim(const OwnedClaim&) = delete;
    OwnedClaim& operator=(const OwnedClaim&) = delete;

    bool owned() const noexcept { return result_.outcome == ClaimTable::Outcome::kOwner; }
    const ClaimTable::Result& result() const noexcept { return result_; }
    const ClaimHandle& handle() const noexcept { return result_.handle; }
    // To write under, also where no claim was to be had and the work goes on alone.
    std::uint64_t lineage() const noexcept { return lineage_; }

    // These do nothing for who does not own the claim.
    void finish() noexcept;
    void fail(const ClaimFailure& failure, Millis keep) noexcept;
    void abandon() noexcept;
    bool leaveUnwanted(Millis unwanted) noexcept;

private:
    WorkContext* context_;
    ClaimTable::Result result_;
    std::uint64_t lineage_;
    bool ended_;
};

// What sessions of a claim that is not ours are told; they plan again and find the
// owner's state in the table.
WorkResult notOwnedResult(const OwnedClaim& claim, const Target& target);

// A request for this target's content.
UpstreamRequest requestFor(const Target& target, UpstreamMethod method,
                           const std::string& reference, const WorkContext& context);

// After a 401: whether another try with another token may help. If not, `*result`
// has the refusal.
bool mayAuthenticate(const WorkContext& context, const Target& target, bool last,
                     WorkResult* result);

// Whether what this response brings may be served to everybody.
bool isPublicContent(const Target& target, const UpstreamResponse& response);

// A failed exchange, for the log: "fill of blob sha256:... from docker.io/library/x failed: why".
void logFailure(const WorkContext& context, const Target& target, const std::string& what,
                const std::string& why);

}  // namespace ociproxy

#endif
