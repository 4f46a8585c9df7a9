#ifndef OCIPROXY_SRC_PROXY_BLOB_FILLER_H
#define OCIPROXY_SRC_PROXY_BLOB_FILLER_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/fill_count.h"
#include "proxy/work_context.h"

namespace ociproxy {

// One download of one blob into the store: claims the digest, streams the upstream's
// body into the temporary file, hashing as it goes, publishes progress, verifies,
// commits, announces. The fill belongs to the proxy: clients come and go.
//
// A broken connection is resumed with Range where the file stands;
// an upstream that answers the whole body again has the known part skipped, for the
// digest is checked over the file. The unfinished file of a dead owner is adopted the
// same way. Content that was put together from pieces and does not match is thrown
// away and fetched once more from the start, as a new lineage.
class BlobFiller : public Work {
public:
    BlobFiller(const WorkOrder& order, const Target& target, WorkContext* context);
    void run() noexcept override;

private:
    // How one exchange with the upstream went.
    enum class Pull : std::uint8_t {
        kComplete,      // the body ended as announced
        kBroken,        // cut in the middle: may be resumed
        kUnauthorized,
        kFailed,        // `failure_` says why
        kFenced,        // somebody else owns the claim now
    };

    void fill(OwnedClaim* claim);
    bool alreadyStored(OwnedClaim* claim);
    void adopt(const OwnedClaim& claim);
    Pull pullToEnd(OwnedClaim* claim);
    Pull pullOnce(OwnedClaim* claim);
    Pull accept(OwnedClaim* claim, UpstreamResponse& response);
    Pull begin(OwnedClaim* claim, UpstreamResponse& response, std::uint64_t from);
    Pull copy(OwnedClaim* claim, UpstreamResponse& response, std::uint64_t skip);
    Pull fail(const ClaimFailure& failure);
    bool completeAt416(const UpstreamResponse& response) const;
    bool authenticateAgain();
    void pauseBeforeRetry(unsigned attempt);
    bool verifyAndCommit(OwnedClaim* claim);
    bool startOver(OwnedClaim* claim);
    void conclude(OwnedClaim* claim, Pull pull);
    void releaseStarted();

    WorkContext& context_;
    const Target target_;
    const Digest digest_;
    const bool lastAuthentication_;

    std::optional<FillCount> count_;
    std::unique_ptr<ContentWriter> writer_;
    std::optional<std::uint64_t> total_;
    std::uint64_t lineage_ = 0;
    bool started_ = false;   // the claim's start() was published
    bool patched_ = false;   // the file is put together from more than one exchange
    bool startedOver_ = false;
    bool isPublic_ = true;   // every exchange that gave bytes was public
    unsigned authentications_ = 0;
    int upstreamStatus_ = 0;
    ClaimFailure failure_;
    std::vector<char> buffer_;
};

}  // namespace ociproxy

#endif
