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
// commits, announces. The fill belongs to the proxy: clients come and go. When nobody
// wants it any more it goes on if little is left to do, and else leaves claim and file
// to whoever comes next, as a death would.
//
// It goes on with what is there: the file of a dead owner, a copy of the prefix of one
// that hangs, what an earlier download of the digest has left (a partial). A broken
// connection is resumed with Range where the file stands, by asking the origin again for
// a fresh redirect, up to 5 times with growing pauses; what brings progress is not
// counted. An upstream that answers the whole body has the known part skipped, and one
// that answers another range is asked for the whole: the digest is checked over the file
// in any case. Content that was put together from pieces and does not match is thrown
// away and fetched once more from the start, as a new lineage.
//
// A failure ends the claim at once. What our own disk did wrong, before the first byte or
// after it, is FillFailure::kStore until the digest is verified and kCommit from then on;
// the file is gone then. What an upstream did wrong that may pass leaves a partial.
class BlobFiller : public Work {
public:
    BlobFiller(const WorkOrder& order, const Target& target, WorkContext* context);
    void run() noexcept override;

private:
    // How one exchange with the upstream went.
    enum class Pull : std::uint8_t {
        kComplete,      // the body ended as announced
        kBroken,        // cut in the middle: may be resumed
        kAskWhole,      // the range was not answered as asked
        kUnauthorized,
        kFailed,        // `failure_` says why
        kFenced,        // somebody else owns the claim now
        kLeft,          // nobody wanted it: left to whoever comes next
    };

    void fill(OwnedClaim* claim);
    bool alreadyStored(OwnedClaim* claim);
    void goOnWithWhatIsThere(const OwnedClaim& claim);
    std::unique_ptr<ContentWriter> earlierFile(const OwnedClaim& claim);
    std::unique_ptr<ContentWriter> partial();
    bool verifyAndCommit(OwnedClaim* claim);
    void commit(OwnedClaim* claim);
    bool startOver(OwnedClaim* claim);
    void conclude(OwnedClaim* claim, Pull pull);
    void keepPartial(const OwnedClaim& claim);

    // blob_pull.cc: the exchanges.
    Pull pullToEnd(OwnedClaim* claim);
    Pull pullOnce(OwnedClaim* claim);
    UpstreamRequest nextRequest() const;
    Pull accept(OwnedClaim* claim, UpstreamResponse& response);
    Pull acceptRange(OwnedClaim* claim, UpstreamResponse& response);
    Pull acceptEnd(OwnedClaim* claim, UpstreamResponse& response);
    Pull begin(OwnedClaim* claim, UpstreamResponse& response, std::uint64_t from);
    bool publishStart(OwnedClaim* claim);
    Pull copy(OwnedClaim* claim, UpstreamResponse& response, std::uint64_t skip);
    Pull copied(OwnedClaim* claim);
    Pull fail(const ClaimFailure& failure);
    bool authenticateAgain();
    Pull pauseBeforeRetry(OwnedClaim* claim, unsigned attempt);
    bool leaveIfUnwanted(OwnedClaim* claim);
    bool followed(const OwnedClaim& claim) const;
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
    bool askWhole_ = false;  // this upstream does not answer ranges as asked
    bool encoded_ = false;   // the body had a Content-Encoding
    bool isPublic_ = true;   // every exchange that gave bytes was public
    std::string etag_;       // a strong validator of what was answered last, or empty
    unsigned authentications_ = 0;
    int upstreamStatus_ = 0;
    TimePoint wantedCheckAt_;
    ClaimFailure failure_;
    std::vector<char> buffer_;
};

}  // namespace ociproxy

#endif
