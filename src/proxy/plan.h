#ifndef OCIPROXY_SRC_PROXY_PLAN_H
#define OCIPROXY_SRC_PROXY_PLAN_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/front/message.h"
#include "ociproxy/shm/claim_table.h"
#include "ociproxy/store/store.h"
#include "ociproxy/upstream/client.h"
#include "proxy/cache_status.h"
#include "proxy/findings.h"
#include "proxy/hold_back.h"
#include "proxy/replies.h"
#include "proxy/step.h"
#include "proxy/target.h"

namespace ociproxy {

class ReadVerifier;
class StoreTrouble;

// Makes bodies that follow a running fill.
class FollowerSource {
public:
    virtual ~FollowerSource() = default;
    // nullptr when the temporary file is not there any more: the fill has just ended.
    virtual std::shared_ptr<GrowingBody> follow(const Target& target, const Digest& digest,
                                                const ClaimView& view) = 0;
};

// A range that begins so many bytes ahead of its fill is not waited for: at the rate of most
// upstreams the fill needs longer to get there than a request of its own does.
constexpr std::uint64_t kFarAhead = 8 * 1024 * 1024;

// Makes `next`, whose manifest is in the store now, the digest of the tag. Only while it
// still is what the last check saw: a newer one must not be undone. Throws what the
// store throws.
void promoteTag(Store* store, const RepositoryKey& where, const std::string& tag,
                const Digest& next);

// Decides the next step of one request. Looks at local state only (store, claim
// table, token board) and at what this request found so far; never asks an upstream
// and never waits. May be asked again at any time: the answer depends on nothing else.
//
// A work is repeated only after a lost claim or a changed token, and nothing is begun
// after the request's first-byte deadline: so a request ends.
//
// Any thread; one at a time for the same Findings. Throws what the store throws.
class Planner {
public:
    struct Options {
        Store* store = nullptr;
        ClaimTable* claims = nullptr;
        UpstreamClient* client = nullptr;
        FollowerSource* followers = nullptr;
        StoreTrouble* trouble = nullptr;
        ReadVerifier* verifier = nullptr;  // nullptr: hits are not hashed again
        std::uint32_t self = 0;  // worker index whose doorbell rings
        std::optional<Millis> followAfter;
        bool unverifiedRanges = true;
        std::int64_t linkTtl = 0;   // seconds
        std::int64_t staleMax = 0;  // seconds
    };

    explicit Planner(const Options& options) : options_(options) {}

    // REQUIRES: a target with an upstream, a GET or HEAD of a blob or manifest.
    Step plan(const Request& request, const Target& target, Findings* findings) const;

private:
    struct Inquiry;  // request, target, findings and what was looked up

    Step next(const Inquiry& inquiry) const;
    Step planTag(const Inquiry& inquiry) const;
    Step checkTag(const Inquiry& inquiry) const;
    Step planContent(const Inquiry& inquiry, const Digest& digest, bool byTag) const;
    Step planHead(const Inquiry& inquiry, const Digest& digest, bool byTag) const;
    Step planMiss(const Inquiry& inquiry, const Digest& digest, bool byTag) const;
    Step runningFill(const Inquiry& inquiry, const Digest& digest, bool byTag,
                     const ClaimView& view) const;
    Step confirm(const Inquiry& inquiry, const Digest& digest) const;
    // nullopt: it was found damaged and is not there any more.
    std::optional<Step> stored(const Inquiry& inquiry, const Digest& digest, bool byTag,
                               const StoredContent& content) const;
    bool vouch(const Inquiry& inquiry, const Digest& digest, const StoredContent& content,
               Reply* reply, bool* remember) const;

    // As the store's, but what cannot be read is absent.
    std::optional<StoredContent> open(const Inquiry& inquiry, const Digest& digest) const;
    std::optional<TagEntry> tagEntry(const Inquiry& inquiry) const;
    std::optional<Link> linkOf(const Inquiry& inquiry, const Digest& digest) const;
    void promote(const Inquiry& inquiry, const Digest& next) const;
    void trouble(std::string_view what, const SysError& cause) const noexcept;

    Step passThrough(const Inquiry& inquiry, const std::optional<Digest>& digest,
                     PassReason reason) const;
    bool isFarAhead(const Inquiry& inquiry, const Digest& digest, const ClaimView& view) const;

    bool mayServe(const Inquiry& inquiry, const Digest& digest, const ContentInfo& info) const;
    bool linked(const Inquiry& inquiry, const Digest& digest) const;
    bool mayStream(const Inquiry& inquiry, const Digest& digest, const ClaimView& view) const;
    std::shared_ptr<GrowingBody> streamNow(const Inquiry& inquiry, const Digest& digest,
                                           const ClaimView& view) const;
    TimePoint waitUntil(const Inquiry& inquiry, const ClaimView& view) const;

    // The token that the upstream is known to want, if it is not there yet.
    std::optional<Step> tokenFirst(const Inquiry& inquiry, WorkKind behind) const;
    Step tokenFailed(const Inquiry& inquiry, WorkKind behind, const ClaimView& view) const;
    Step work(const Inquiry& inquiry, WorkKind kind, std::optional<Digest> digest) const;
    Step wait(const Inquiry& inquiry, const ClaimKey& key, const ClaimView& view,
              TimePoint until) const;
    // The refusal that a failed claim means for this request, if it is to be shared.
    std::optional<Refusal> sharedFailure(const Inquiry& inquiry, const ClaimView& view) const;
    Step withinDeadline(const Inquiry& inquiry, Step step) const;

    Options options_;
};

}  // namespace ociproxy

#endif
