// The exchanges of a fill: asking, judging what is answered, copying, resuming.
#include <algorithm>
#include <thread>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/store_budget.h"
#include "proxy/blob_filler.h"

namespace ociproxy {

namespace {

// Resumes in turn that bring next to nothing before a fill is given up.
constexpr unsigned kMaxIdleResumes = 5;
constexpr std::uint64_t kWorthAnother = 1024 * 1024;  // new bytes that earn further tries
constexpr unsigned kMaxResumes = 100;                 // of one fill, whatever they bring
constexpr std::uint32_t kLongestRetryAfter = 10;      // seconds that clients can be kept waiting
constexpr Millis kPauseSlice{100};
constexpr Millis kCheckWanted{500};

// What may be over at the next try, most of all a signature of a redirect.
bool mayPass(int status) noexcept {
    return status == 400 || status == 403 || status == 408 || status == 429 || status >= 500;
}

// Fit to be sent back in If-Range: not weak, and nothing odd in it.
std::string strongTag(const std::string* field) {
    const bool strong = field && field->size() >= 2 && field->front() == '"' &&
                        field->back() == '"' &&
                        std::all_of(field->begin(), field->end(),
                                    [](char c) { return c > ' ' && c < 0x7f; });
    return strong ? *field : std::string();
}

bool isEncoded(const std::string* field) {
    return field && !field->empty() && !equalsIgnoreCase(*field, "identity");
}

}  // namespace

// Whether clients may be in the midst of the file: then the fill is worth more tries.
bool BlobFiller::followed(const OwnedClaim& claim) const {
    return started_ || (claim.result().adoption && claim.result().adoption->started);
}

BlobFiller::Pull BlobFiller::pullToEnd(OwnedClaim* claim) {
    unsigned resumes = 0;
    for (unsigned idle = 0;;) {
        const std::uint64_t before = writer_ ? writer_->size() : 0;
        Pull pull = pullOnce(claim);
        const bool own = started_ || claim->result().adoption;  // maybe nobody's session
        if (pull == Pull::kUnauthorized && own && authenticateAgain()) continue;
        if (pull == Pull::kAskWhole) {
            askWhole_ = true;
            continue;
        }
        if (pull != Pull::kBroken) return pull;
        const std::uint64_t gained = writer_ ? writer_->size() - before : 0;
        idle = gained >= kWorthAnother ? 0 : idle + 1;
        const bool patient = idle <= kMaxIdleResumes && ++resumes <= kMaxResumes &&
                             failure_.retryAfter <= kLongestRetryAfter;
        if (!patient || !followed(*claim)) return Pull::kFailed;
        patched_ = true;
        pull = pauseBeforeRetry(claim, idle);
        if (pull != Pull::kBroken) return pull;
    }
}

// kBroken: go on.
BlobFiller::Pull BlobFiller::pauseBeforeRetry(OwnedClaim* claim, unsigned attempt) {
    const Millis grown = context_.retryPause * (1u << (attempt == 0 ? 0 : attempt - 1));
    const Millis asked = std::chrono::seconds(failure_.retryAfter);
    for (const TimePoint end = now() + std::max(grown, asked); now() < end;) {
        if (context_.stopping) return Pull::kFailed;
        if (leaveIfUnwanted(claim)) return Pull::kLeft;
        const Millis left = std::chrono::ceil<Millis>(end - now());
        std::this_thread::sleep_for(std::min(left, kPauseSlice));
    }
    return context_.stopping ? Pull::kFailed : Pull::kBroken;
}

// Looks now and then. More than half of it is worth finishing, and what is small.
bool BlobFiller::leaveIfUnwanted(OwnedClaim* claim) {
    const TimePoint present = now();
    if (!started_ || present < wantedCheckAt_) return false;
    wantedCheckAt_ = present + std::min(kCheckWanted, context_.unwantedAfter);
    const bool small = total_.value_or(writer_->size()) < context_.finishBelow;
    const bool halfway = total_ && writer_->size() > *total_ / 2;
    if (small || halfway || !claim->leaveUnwanted(context_.unwantedAfter)) return false;
    context_.log->info(cat("fill of blob ", digest_.text(), ": nobody wants it, left at byte ",
                           writer_->size()));
    writer_->keep();
    writer_.reset();
    return true;
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

UpstreamRequest BlobFiller::nextRequest() const {
    UpstreamRequest request =
        requestFor(target_, UpstreamMethod::kGet, digest_.text(), context_);
    if (!writer_ || writer_->size() == 0 || askWhole_) return request;
    request.rangeFirst = writer_->size();
    request.ifRange = etag_;
    return request;
}

BlobFiller::Pull BlobFiller::pullOnce(OwnedClaim* claim) {
    try {
        const std::unique_ptr<UpstreamResponse> response = context_.client->send(nextRequest());
        return accept(claim, *response);
    } catch (const UpstreamError& e) {
        logFailure(context_, target_, cat("fill of blob ", digest_.text()), e.what());
        failure_ = failureOf(e);
        return followed(*claim) ? Pull::kBroken : Pull::kFailed;
    }
}

BlobFiller::Pull BlobFiller::fail(const ClaimFailure& failure) {
    failure_ = failure;
    return Pull::kFailed;
}

BlobFiller::Pull BlobFiller::accept(OwnedClaim* claim, UpstreamResponse& response) {
    upstreamStatus_ = response.status();
    switch (response.status()) {
    case 200: return begin(claim, response, 0);
    case 206: return acceptRange(claim, response);
    case 401: failure_ = failureOfStatus(response); return Pull::kUnauthorized;
    case 416:
        if (writer_ && writer_->size() > 0 && !askWhole_) return acceptEnd(claim, response);
        break;
    default: break;
    }
    failure_ = failureOfStatus(response);
    const bool again = started_ ? mayPass(response.status())
                                : followed(*claim) && response.status() >= 500;
    return again ? Pull::kBroken : Pull::kFailed;
}

BlobFiller::Pull BlobFiller::acceptRange(OwnedClaim* claim, UpstreamResponse& response) {
    const std::uint64_t have = writer_ ? writer_->size() : 0;
    if (have == 0 || askWhole_) {
        return fail(failureOf(UpstreamError(UpstreamFailure::kProtocol, "206 without a range")));
    }
    const std::string* field = response.header("Content-Range");
    const std::optional<ContentRange> range = field ? parseContentRange(*field) : std::nullopt;
    const bool fits = range && range->range.first == have &&
                      (!total_ || !range->length || *range->length == *total_) &&
                      (!range->length || range->range.last + 1 == *range->length);
    return fits ? begin(claim, response, have) : Pull::kAskWhole;
}

// 416: the file goes as far as the upstream's content or, if it is wrong, further; what is
// right is for the digest to say. An upstream that knows no ranges may mean nothing by it.
BlobFiller::Pull BlobFiller::acceptEnd(OwnedClaim* claim, UpstreamResponse& response) {
    const std::uint64_t have = writer_->size();
    const std::string* field = response.header("Content-Range");
    const bool told = field && *field == unsatisfiedRange(have);
    if (told || (!field && total_ && *total_ == have)) return begin(claim, response, have);
    const bool shorter = field && startsWith(*field, "bytes */") &&
                         parseUnsigned(field->substr(8)).value_or(UINT64_MAX) < have;
    return shorter ? Pull::kComplete : Pull::kAskWhole;
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
    // Longer than the whole: what an earlier fill has left is wrong, and its digest says so.
    if (total && writer_ && writer_->size() > *total) return Pull::kComplete;
    if (total && !total_) total_ = total;
    if (!context_.budget->admits(total)) return fail(failureOf(FillFailure::kNoRoom));
    if (!complete) {
        etag_ = strongTag(response.header("ETag"));
        encoded_ = encoded_ || isEncoded(response.header("Content-Encoding"));
    }
    isPublic_ = isPublic_ && isPublicContent(target_, response);
    if (!writer_) writer_ = context_.store->create(digest_, lineage_);
    if (started_) context_.counters->add(Counter::kFillsResumed);
    if (!started_ && !publishStart(claim)) return Pull::kFenced;
    return complete ? Pull::kComplete : copy(claim, response, writer_->size() - from);
}

bool BlobFiller::publishStart(OwnedClaim* claim) {
    if (total_) writer_->reserve(*total_);
    // Not durable yet: the first byte does not wait for the disk.
    context_.store->putLink(target_.where, ContentKind::kBlob, digest_, false);
    if (!context_.claims->start(claim->handle(), total_.value_or(kUnknownLength))) return false;
    started_ = true;
    if (writer_->size() > 0) context_.claims->progress(claim->handle(), writer_->size());
    releaseStarted();
    return true;
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
        if (known < got) writer_->append(buffer_.data() + known, got - known);
        const Pull pull = copied(claim);
        if (pull != Pull::kComplete) return pull;
    }
    if (total_ && writer_->size() != *total_) return fail(failureOf(FillFailure::kLength));
    return Pull::kComplete;
}

// kComplete: so far.
BlobFiller::Pull BlobFiller::copied(OwnedClaim* claim) {
    if (!context_.claims->progress(claim->handle(), writer_->size())) return Pull::kFenced;
    if (!total_ && !context_.budget->admits(writer_->size())) {
        return fail(failureOf(FillFailure::kNoRoom));
    }
    if (total_ && writer_->size() > *total_) return fail(failureOf(FillFailure::kLength));
    return leaveIfUnwanted(claim) ? Pull::kLeft : Pull::kComplete;
}

}  // namespace ociproxy
