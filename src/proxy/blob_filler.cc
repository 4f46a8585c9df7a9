#include "proxy/blob_filler.h"

#include <algorithm>
#include <thread>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"
#include "proxy/claim_keys.h"

namespace ociproxy {

namespace {

constexpr std::size_t kChunk = 256 * 1024;
// Exchanges that bring next to nothing before a fill is given up.
constexpr unsigned kMaxIdleTries = 4;
constexpr std::uint64_t kWorthAnother = 1024 * 1024;  // new bytes that earn further tries
constexpr Millis kRetryPause{100};

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
        logFailure(context_, target_, cat("fill of blob ", digest_.text()), e.what());
        result.refusal = refusalFor(failureOf(FillFailure::kStore), target_);
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
    if (claim->result().adoption) adopt(*claim);
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

void BlobFiller::adopt(const OwnedClaim& claim) {
    const Adoption& adoption = *claim.result().adoption;
    writer_ = context_.store->adopt(digest_, adoption.lineage, adoption.bytes);
    patched_ = writer_ != nullptr;
    if (writer_ && adoption.started && adoption.total != kUnknownLength) {
        total_ = adoption.total;  // followers have promised it to their clients
    }
    if (!writer_) lineage_ = context_.claims->newLineage(claim.handle());
    context_.log->info(cat("fill of blob ", digest_.text(), ": going on for a dead worker at byte ",
                           writer_ ? writer_->size() : 0));
}

BlobFiller::Pull BlobFiller::pullToEnd(OwnedClaim* claim) {
    for (unsigned idleTries = 0;;) {
        const std::uint64_t before = writer_ ? writer_->size() : 0;
        Pull pull = pullOnce(claim);
        const bool followed = started_ || claim->result().adoption;  // maybe by nobody's session
        if (pull == Pull::kUnauthorized && followed && authenticateAgain()) continue;
        if (pull != Pull::kBroken) return pull;
        const std::uint64_t gained = writer_ ? writer_->size() - before : 0;
        idleTries = gained >= kWorthAnother ? 0 : idleTries + 1;
        if (!started_ || idleTries >= kMaxIdleTries || context_.stopping) return Pull::kFailed;
        patched_ = true;
        pauseBeforeRetry(idleTries);
    }
}

void BlobFiller::pauseBeforeRetry(unsigned attempt) {
    std::this_thread::sleep_for(kRetryPause * (1u << attempt));
}

// A token that ran out in mid-fill is fetched on this very thread: the sessions have
// long gone on.
bool BlobFiller::authenticateAgain() {
    if (++authentications_ > 2) return false;
    try {
        context_.client->fetchToken(*target_.upstream, target_.where.repository,
                                    now() + context_.firstByteTimeout);
    } catch (const UpstreamError& e) {
        logFailure(context_, target_, cat("token for the fill of blob ", digest_.text()), e.what());
        failure_ = failureOf(e);
        return false;
    }
    return true;
}

BlobFiller::Pull BlobFiller::pullOnce(OwnedClaim* claim) {
    UpstreamRequest request =
        requestFor(target_, UpstreamMethod::kGet, digest_.text(), context_);
    if (writer_ && writer_->size() > 0) request.rangeFirst = writer_->size();
    try {
        const std::unique_ptr<UpstreamResponse> response = context_.client->send(request);
        return accept(claim, *response);
    } catch (const UpstreamError& e) {
        logFailure(context_, target_, cat("fill of blob ", digest_.text()), e.what());
        failure_ = failureOf(e);
        return started_ ? Pull::kBroken : Pull::kFailed;
    }
}

BlobFiller::Pull BlobFiller::fail(const ClaimFailure& failure) {
    failure_ = failure;
    return Pull::kFailed;
}

BlobFiller::Pull BlobFiller::accept(OwnedClaim* claim, UpstreamResponse& response) {
    upstreamStatus_ = response.status();
    const std::uint64_t have = writer_ ? writer_->size() : 0;
    switch (response.status()) {
    case 200: return begin(claim, response, 0);
    case 206: {
        const std::string* field = response.header("Content-Range");
        const std::optional<ContentRange> range = field ? parseContentRange(*field) : std::nullopt;
        const bool fits = have > 0 && range && range->range.first == have &&
                          (!total_ || !range->length || *range->length == *total_);
        return fits ? begin(claim, response, have) : fail(failureOf(UpstreamError(
                          UpstreamFailure::kProtocol, "206 with another range than asked for")));
    }
    case 401: failure_ = failureOfStatus(response); return Pull::kUnauthorized;
    case 416:
        if (completeAt416(response)) return begin(claim, response, have);
        break;
    default: break;
    }
    failure_ = failureOfStatus(response);
    return started_ && response.status() >= 500 ? Pull::kBroken : Pull::kFailed;
}

// Nothing is left to fetch: the dead owner had all of it.
bool BlobFiller::completeAt416(const UpstreamResponse& response) const {
    const std::string* field = response.header("Content-Range");
    return writer_ && writer_->size() > 0 && field && *field == unsatisfiedRange(writer_->size());
}

// The upstream accepts. `from` is where its body begins in the blob.
BlobFiller::Pull BlobFiller::begin(OwnedClaim* claim, UpstreamResponse& response,
                                   std::uint64_t from) {
    const bool complete = response.status() == 416;
    const std::optional<std::uint64_t> length = response.contentLength();
    std::optional<std::uint64_t> total;
    if (complete) total = from;
    else if (length) total = from + *length;
    if (total_ && total && *total != *total_) return fail(failureOf(FillFailure::kLength));
    if (total && !total_) total_ = total;
    isPublic_ = isPublic_ && isPublicContent(target_, response);
    if (!writer_) writer_ = context_.store->create(digest_, lineage_);
    if (!started_) {
        if (total_) writer_->reserve(*total_);
        // Not durable yet: the first byte does not wait for the disk.
        context_.store->putLink(target_.where, ContentKind::kBlob, digest_, false);
        if (!context_.claims->start(claim->handle(), total_.value_or(kUnknownLength))) {
            return Pull::kFenced;
        }
        started_ = true;
        if (writer_->size() > 0) context_.claims->progress(claim->handle(), writer_->size());
        releaseStarted();
    } else {
        context_.counters->add(Counter::kFillsResumed);
    }
    return complete ? Pull::kComplete : copy(claim, response, writer_->size() - from);
}

void BlobFiller::releaseStarted() {
    WorkResult result;
    result.startedFill = true;
    result.upstreamStatus = upstreamStatus_;
    release(result);
}

// Copies the body into the file; its first `skip` bytes are there already.
BlobFiller::Pull BlobFiller::copy(OwnedClaim* claim, UpstreamResponse& response,
                                  std::uint64_t skip) {
    for (;;) {
        const std::size_t got = response.read(buffer_.data(), buffer_.size());
        if (got == 0) break;
        context_.counters->add(Counter::kBytesFetched, got);
        const std::size_t known = static_cast<std::size_t>(std::min<std::uint64_t>(skip, got));
        skip -= known;
        if (known == got) continue;
        writer_->append(buffer_.data() + known, got - known);
        if (!context_.claims->progress(claim->handle(), writer_->size())) return Pull::kFenced;
        if (total_ && writer_->size() > *total_) return fail(failureOf(FillFailure::kLength));
    }
    if (total_ && writer_->size() != *total_) return fail(failureOf(FillFailure::kLength));
    return Pull::kComplete;
}

bool BlobFiller::verifyAndCommit(OwnedClaim* claim) {
    if (!writer_->matches()) {
        context_.counters->add(Counter::kDigestMismatches);
        logFailure(context_, target_, cat("fill of blob ", digest_.text()),
                   "content does not match its digest");
        failure_ = failureOf(FillFailure::kDigestMismatch);
        return false;
    }
    context_.claims->verified(claim->handle(), writer_->size());
    ContentInfo info;
    info.size = writer_->size();
    info.blobType = "application/octet-stream";
    info.origin = target_.where.upstream;
    info.fetchedAt = wallSeconds();
    info.isPublic = isPublic_;
    try {
        context_.store->syncLink(target_.where, ContentKind::kBlob, digest_);
        writer_->commit(info);
        if (context_.budget != nullptr) context_.budget->committed(info.size);
        claim->finish();
        count_->committed();
    } catch (const Error& e) {
        logFailure(context_, target_, cat("commit of blob ", digest_.text()), e.what());
        count_->failed(failureOf(FillFailure::kCommit));
        claim->fail(failureOf(FillFailure::kCommit), context_.failureKeep);
    }
    return true;
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
    const bool again = pull == Pull::kUnauthorized && !started_ && !claim->result().adoption &&
                       mayAuthenticate(context_, target_, lastAuthentication_, &result);
    if (again) {
        claim->abandon();
    } else {
        result.refusal = refusalFor(failure_, target_);
        count_->failed(failure_);
        claim->fail(failure_, context_.failureKeep);
    }
    release(result);
}

}  // namespace ociproxy
