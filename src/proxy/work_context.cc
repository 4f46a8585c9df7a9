#include "proxy/work_context.h"

#include <utility>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

OwnedClaim::OwnedClaim(WorkContext* context, const ClaimKey& key, const Target& target)
    : context_(context),
      result_(context->claims->claim(key, context->self, target.requester)),
      lineage_(owned() ? result_.lineage : random64()),
      ended_(!owned()) {}

OwnedClaim::~OwnedClaim() {
    if (!ended_) fail(failureOf(FillFailure::kStore), context_->failureKeep);
}

void OwnedClaim::finish() noexcept {
    if (std::exchange(ended_, true)) return;
    context_->claims->finish(result_.handle);
}

void OwnedClaim::fail(const ClaimFailure& failure, Millis keep) noexcept {
    if (std::exchange(ended_, true)) return;
    context_->claims->fail(result_.handle, failure, keep);
}

void OwnedClaim::abandon() noexcept {
    if (std::exchange(ended_, true)) return;
    context_->claims->abandon(result_.handle);
}

bool OwnedClaim::leaveUnwanted(Millis unwanted) noexcept {
    ended_ = context_->claims->leaveUnwanted(result_.handle, unwanted);
    return ended_;
}

WorkResult notOwnedResult(const OwnedClaim& claim, const Target& target) {
    WorkResult result;
    if (claim.result().outcome == ClaimTable::Outcome::kFailed) {
        explain(claim.result().view.failure, target, &result);
    } else if (claim.result().outcome == ClaimTable::Outcome::kFull) {
        result.passReason = PassReason::kTableFull;
    }
    return result;
}

UpstreamRequest requestFor(const Target& target, UpstreamMethod method,
                           const std::string& reference, const WorkContext& context) {
    UpstreamRequest request;
    request.upstream = target.upstream;
    request.method = method;
    request.target = target.upstreamPath(reference);
    request.repository = target.where.repository;
    request.firstByteDeadline = now() + context.firstByteTimeout;
    return request;
}

bool mayAuthenticate(const WorkContext& context, const Target& target, bool last,
                     WorkResult* result) {
    const UpstreamClient::Challenged challenged = context.client->challenge(*target.upstream);
    if (!last && challenged == UpstreamClient::Challenged::kBearer) {
        result->unauthorized = true;
        return true;
    }
    ClaimFailure failure = failureOf(FillFailure::kStatus);
    failure.status = 401;
    result->refusal = refusalFor(failure, target);
    return false;
}

bool isPublicContent(const Target& target, const UpstreamResponse& response) {
    switch (target.upstream->publicness) {
    case Publicness::kYes: return true;
    case Publicness::kNo: return false;
    default: return response.fromPublicAddress();
    }
}

void logFailure(const WorkContext& context, const Target& target, const std::string& what,
                const std::string& why) {
    context.log->warning(
        cat(what, " from ", target.where.upstream, "/", target.where.repository, ": ", why));
}

}  // namespace ociproxy
