#include "proxy/blob_filler.h"

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"
#include "proxy/claim_keys.h"

namespace ociproxy {

namespace {

constexpr std::size_t kChunk = 256 * 1024;

// What may pass, with bytes that nothing speaks against.
bool leavesPartial(const ClaimFailure& failure) {
    const bool doubtful =
        failure.kind == static_cast<std::uint32_t>(FillFailure::kDigestMismatch) ||
        failure.kind == static_cast<std::uint32_t>(FillFailure::kLength);
    return !doubtful && (failure.retryable || failure.status == 429);
}

std::string joinKeyOf(const Target& target, const Digest& digest, bool last) {
    const ClaimKey key = fillKey(target, digest);
    return cat("fill", last ? " last " : " ", std::string(key.begin(), key.end()),
               std::string(target.requester.begin(), target.requester.end()));
}

}  // namespace

BlobFiller::BlobFiller(const WorkOrder& order, const Target& target, WorkContext* context)
    : Work(joinKeyOf(target, *order.digest, order.lastAuthentication), target.upstream->name,
           Lane::kFill, context->replanner),
      context_(*context), target_(target), digest_(*order.digest),
      lastAuthentication_(order.lastAuthentication) {}

void BlobFiller::run() noexcept {
    WorkResult result;
    try {
        OwnedClaim claim(&context_, fillKey(target_, digest_), target_);
        if (claim.owned()) {
            fill(&claim);
        } else {
            result = notOwnedResult(claim, target_);
        }
    } catch (const std::exception& e) {
        context_.trouble->report(cat("fill of blob ", digest_.text()), e);
        explain(failureOf(FillFailure::kStore), target_, &result);
        if (count_) count_->failed(failureOf(FillFailure::kStore));
    }
    count_.reset();
    writer_.reset();
    release(result);  // does nothing if the sessions have gone on already
}

void BlobFiller::fill(OwnedClaim* claim) {
    lineage_ = claim->result().lineage;
    if (alreadyStored(claim)) return;
    count_.emplace(context_.counters, claim->result().adoption.has_value());
    buffer_.resize(kChunk);
    goOnWithWhatIsThere(*claim);
    Pull pull = pullToEnd(claim);
    while (pull == Pull::kComplete && !verifyAndCommit(claim)) {
        if (!startOver(claim)) return;
        pull = pullToEnd(claim);
    }
    if (pull != Pull::kComplete) conclude(claim, pull);
}

// Another worker may have committed between this request's look and its claim.
bool BlobFiller::alreadyStored(OwnedClaim* claim) {
    if (!context_.store->open(digest_, ContentKind::kBlob)) return false;
    // What a dead owner left was never verified: who follows that file must not take the
    // end of this claim for its own.
    if (claim->result().adoption) context_.claims->newLineage(claim->handle());
    claim->finish();
    return true;
}

void BlobFiller::goOnWithWhatIsThere(const OwnedClaim& claim) {
    const std::optional<Adoption>& adoption = claim.result().adoption;
    if (adoption) {
        writer_ = earlierFile(claim);
        if (!writer_) lineage_ = context_.claims->newLineage(claim.handle());
    }
    if (writer_ && adoption->started && adoption->total != kUnknownLength) {
        total_ = adoption->total;  // followers have promised it to their clients
    }
    if (!writer_) writer_ = partial();
    patched_ = writer_ != nullptr;
    if (!writer_ && !adoption) return;
    context_.log->info(cat("fill of blob ", digest_.text(), ": going on at byte ",
                           writer_ ? writer_->size() : 0));
}

// A disk that cannot give back what is there may yet take it anew.
std::unique_ptr<ContentWriter> BlobFiller::earlierFile(const OwnedClaim& claim) {
    const Adoption& adoption = *claim.result().adoption;
    try {
        return adoption.ownerLives
                   ? context_.store->copy(digest_, adoption.lineage, adoption.bytes, lineage_)
                   : context_.store->adopt(digest_, adoption.lineage, adoption.bytes);
    } catch (const SysError& e) {
        logFailure(context_, target_, cat("fill of blob ", digest_.text()), e.what());
        return nullptr;
    }
}

std::unique_ptr<ContentWriter> BlobFiller::partial() {
    try {
        return context_.store->adoptPartial(digest_, lineage_);
    } catch (const SysError& e) {
        logFailure(context_, target_, cat("partial of blob ", digest_.text()), e.what());
        return nullptr;
    }
}

// False: the content is wrong.
bool BlobFiller::verifyAndCommit(OwnedClaim* claim) {
    if (!writer_->matches()) {
        context_.counters->add(Counter::kDigestMismatches);
        logFailure(context_, target_, cat("fill of blob ", digest_.text()),
                   encoded_ ? "encoded content, which does not match its digest"
                            : "content does not match its digest");
        failure_ = failureOf(FillFailure::kDigestMismatch);
        if (encoded_) failure_ = failureOf(UpstreamError(UpstreamFailure::kContentEncoding, ""));
        return false;
    }
    if (context_.claims->verified(claim->handle(), writer_->size())) {
        commit(claim);
    } else {
        conclude(claim, Pull::kFenced);
    }
    return true;
}

void BlobFiller::commit(OwnedClaim* claim) {
    ContentInfo info;
    info.size = writer_->size();
    info.blobType = "application/octet-stream";
    info.origin = target_.where.upstream;
    info.fetchedAt = wallSeconds();
    info.isPublic = isPublic_;
    try {
        context_.store->syncLink(target_.where, ContentKind::kBlob, digest_);
        writer_->commit(info);
        context_.budget->committed(info.size);
        claim->finish();
        count_->committed();
    } catch (const Error& e) {
        context_.trouble->report(cat("commit of blob ", digest_.text()), e);
        count_->failed(failureOf(FillFailure::kCommit));
        claim->fail(failureOf(FillFailure::kCommit), context_.failureKeep);
    }
}

// After a mismatch of pieced content: once more, from nothing.
bool BlobFiller::startOver(OwnedClaim* claim) {
    if (!patched_ || startedOver_) {
        conclude(claim, Pull::kFailed);
        return false;
    }
    startedOver_ = true;
    patched_ = false;
    writer_.reset();
    total_.reset();
    started_ = false;
    encoded_ = false;
    etag_.clear();
    lineage_ = context_.claims->newLineage(claim->handle());
    return lineage_ != 0;
}

void BlobFiller::conclude(OwnedClaim* claim, Pull pull) {
    WorkResult result;
    result.upstreamStatus = upstreamStatus_;
    if (pull == Pull::kFenced) {
        claim->abandon();  // refused by the table: the claim is another's
        release(result);
        return;
    }
    if (pull == Pull::kLeft) {
        release(result);
        return;
    }
    const bool again = pull == Pull::kUnauthorized && !started_ && !claim->result().adoption &&
                       mayAuthenticate(context_, target_, lastAuthentication_, &result);
    if (again) {
        claim->abandon();
    } else {
        explain(failure_, target_, &result);
        count_->failed(failure_);
        keepPartial(*claim);
        claim->fail(failure_, context_.failureKeep);
    }
    release(result);
}

// Before the claim ends: whoever claims next finds it.
void BlobFiller::keepPartial(const OwnedClaim& claim) {
    if (!context_.keepPartials || !writer_ || !leavesPartial(failure_)) return;
    if (context_.claims->owns(claim.handle())) writer_->keepAsPartial();
}

}  // namespace ociproxy
