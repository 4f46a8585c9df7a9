#include "proxy/pass_through.h"

#include <algorithm>
#include <atomic>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "ociproxy/shm/counters.h"
#include "proxy/manifest_writer.h"

namespace ociproxy {

namespace {

constexpr std::size_t kChunk = 128 * 1024;
// How much is read of a body without length for a client of HTTP/1.0, which must be told
// its length first.
constexpr std::size_t kMaxSpooled = 1024 * 1024;

// No two are one.
std::string uniqueKey() {
    static std::atomic<std::uint64_t> next{0};
    return cat("pass ", next++);
}

std::size_t readSome(Download* download, std::vector<char>* buffer, Counters* counters) {
    const std::size_t got = download->read(buffer->data(), buffer->size());
    counters->add(Counter::kBytesFetched, got);
    return got;
}

// To the end, into the pipe. False: the reader has gone.
bool pump(Download* download, HoldBack* content, BytePipe* pipe, Counters* counters) {
    std::vector<char> buffer(kChunk);
    while (const std::size_t got = readSome(download, &buffer, counters)) {
        if (!pipe->write(content->take({buffer.data(), got}))) return false;
    }
    return true;
}

// What remains after pump(). False: the content is not what it should be.
bool conclude(HoldBack* content, BytePipe* pipe) {
    if (!content->matches()) return false;
    if (pipe->write(content->rest())) pipe->complete();
    return true;
}

bool isEncoded(const UpstreamResponse& response) {
    const std::string* const encoding = response.header("Content-Encoding");
    return encoding && !equalsIgnoreCase(*encoding, "identity");
}

}  // namespace

PassThrough::PassThrough(const WorkOrder& order, const Target& target, WorkContext* context)
    : Work(uniqueKey(), target.upstream->name, Lane::kPass, context->replanner),
      context_(*context), target_(target), order_(order) {}

void PassThrough::run() noexcept {
    WorkResult result;
    const std::string what = cat("pass-through of ", target_.reference->text());
    try {
        pass(&result);
    } catch (const UpstreamError& e) {
        logFailure(context_, target_, what, e.what());
        result.refusal = refusalFor(failureOf(e), target_);
    } catch (const std::exception& e) {
        logFailure(context_, target_, what, e.what());
        result.refusal = refusalFor(failureOf(FillFailure::kStore), target_);
    }
    if (pipe_) pipe_->breakOff();  // unless it is complete
    release(result);
}

void PassThrough::pass(WorkResult* result) {
    if (!order_.digest && order_.headOnly) return head(result);
    Download::Wanted wanted;
    wanted.reference = order_.digest ? order_.digest->text() : target_.reference->text();
    if (target_.kind() == ContentKind::kManifest) wanted.accept = anyManifestAccept();
    wanted.first = order_.first;
    wanted.last = order_.last;
    Download download(&context_, target_, wanted);
    if (!download.open()) return refused(download.response(), result);
    result->upstreamStatus = download.response().status();
    if (target_.kind() == ContentKind::kManifest && order_.digest) {
        manifest(&download, result);
    } else {
        blob(&download, result);
    }
}

// HEAD of what we cannot verify: what the upstream says.
void PassThrough::head(WorkResult* result) {
    UpstreamRequest request = requestFor(target_, UpstreamMethod::kHead,
                                         target_.reference->text(), context_);
    if (target_.kind() == ContentKind::kManifest) request.accept = anyManifestAccept();
    const std::unique_ptr<UpstreamResponse> response = context_.client->send(request);
    if (response->status() != 200) return refused(*response, result);
    context_.counters->add(passCounter(order_.reason));
    result->upstreamStatus = 200;
    Passed passed;
    passed.reason = order_.reason;
    passed.length = response->contentLength();
    const std::string* const type = response->header("Content-Type");
    if (type) passed.mediaType = bareMediaType(*type);
    result->passed = std::move(passed);
}

// No byte of the part exists: the client is told so, with the length if it was said.
bool PassThrough::isBeyond(const UpstreamResponse& response, WorkResult* result) const {
    if (!order_.isPart() || response.status() != 416) return false;
    const std::string* const field = response.header("Content-Range");
    Passed passed;
    passed.reason = order_.reason;
    passed.digest = order_.digest;
    passed.partAt = order_.first;
    passed.length = 0;
    if (field && startsWith(*field, "bytes */")) passed.total = parseUnsigned(field->substr(8));
    result->passed = std::move(passed);
    return true;
}

void PassThrough::refused(const UpstreamResponse& response, WorkResult* result) {
    result->upstreamStatus = response.status();
    if (isBeyond(response, result)) return;
    if (response.status() == 401 &&
        mayAuthenticate(context_, target_, order_.lastAuthentication, result)) {
        return;
    }
    result->refusal = refusalFor(failureOfStatus(response), target_);
}

void PassThrough::mismatch(WorkResult* result) {
    context_.counters->add(Counter::kDigestMismatches);
    logFailure(context_, target_, cat("pass-through of ", order_.digest->text()),
               "content does not match its digest");
    result->refusal = refusalFor(failureOf(FillFailure::kDigestMismatch), target_);
}

Passed PassThrough::described(const Download& download) const {
    Passed passed;
    passed.reason = order_.reason;
    passed.digest = order_.digest;
    passed.length = download.length();
    const std::string* const type = download.response().header("Content-Type");
    if (type) passed.mediaType = bareMediaType(*type);
    if (!order_.isPart()) return passed;
    if (!passed.length) {
        throw UpstreamError(UpstreamFailure::kProtocol, "a part of a body without length");
    }
    passed.partAt = order_.first;
    passed.total = download.total();
    return passed;
}

void PassThrough::manifest(Download* download, WorkResult* result) {
    context_.counters->add(passCounter(order_.reason));
    ManifestWriter writer(&context_, target_);
    if (const std::optional<FillFailure> failure =
            writer.take(download->response(), order_.digest)) {
        result->refusal = refusalFor(failureOf(*failure), target_);
        return;
    }
    result->passed = writer.passed(order_.reason);
}

// Whether the body is to be had as bytes before the head goes out.
bool PassThrough::isShort(const Download& download) const {
    const std::optional<std::uint64_t> length = download.length();
    if (!length) return order_.needsLength;
    return isVerified() && *length <= kHoldBack;
}

// As much of the body as is to be had before the head goes out: all of a short one.
PassThrough::Opening PassThrough::gather(Download* download) const {
    Opening opening;
    const std::optional<std::uint64_t> length = download->length();
    opening.ended = length == std::uint64_t{0};
    const bool all = isShort(*download);
    // Of a body without length it shows only now whether it is a short one.
    const std::size_t enough = all ? kMaxSpooled : isVerified() && !length ? kHoldBack : 0;
    std::vector<char> buffer(kChunk);
    while (!opening.ended && enough > 0 && opening.bytes.size() <= enough) {
        const std::size_t got = readSome(download, &buffer, context_.counters);
        opening.bytes.append(buffer.data(), got);
        opening.ended = got == 0;
    }
    if (all && !opening.ended) {
        throw UpstreamError(UpstreamFailure::kBodyTooLarge,
                            "a body without length for a client that needs one");
    }
    return opening;
}

void PassThrough::blob(Download* download, WorkResult* result) {
    context_.counters->add(passCounter(order_.reason));
    if (!isVerified() && isEncoded(download->response())) {
        throw UpstreamError(UpstreamFailure::kContentEncoding,
                            "encoded content that no digest can be compared with");
    }
    Passed passed = described(*download);
    Opening opening = gather(download);
    HoldBack content(isVerified() ? order_.digest : std::nullopt);
    if (!opening.ended) return stream(download, &content, opening.bytes, std::move(passed), result);
    content.passed(opening.bytes);
    if (!content.matches()) return mismatch(result);
    passed.length = opening.bytes.size();
    passed.bytes = std::move(opening.bytes);
    result->passed = std::move(passed);
}

// The session goes on with the reader's end; what happens from here on it sees there.
void PassThrough::stream(Download* download, HoldBack* content, const std::string& begun,
                         Passed passed, WorkResult* result) {
    pipe_ = std::make_shared<BytePipe>(context_.pace);
    passed.stream = pipe_->reader();
    WorkResult started = *result;
    started.passed = std::move(passed);
    release(started);
    started.passed.reset();  // the session's is to be the only reader
    if (pipe_->write(content->take(begun)) &&
        pump(download, content, pipe_.get(), context_.counters) &&
        !conclude(content, pipe_.get())) {
        mismatch(result);
    }
    if (pipe_->tooSlow()) {
        logFailure(context_, target_, cat("pass-through of ", target_.reference->text()),
                   "its client reads too slowly");
    }
}

Continuation::Continuation(const Digest& digest, Part part, std::shared_ptr<BytePipe> pipe,
                           const Target& target, WorkContext* context)
    : Work(uniqueKey(), target.upstream->name, Lane::kPass, context->replanner),
      context_(*context), target_(target), digest_(digest), part_(std::move(part)),
      pipe_(std::move(pipe)) {}

Continuation::~Continuation() { pipe_->breakOff(); }

void Continuation::run() noexcept {
    const std::string what = cat("continuation of ", digest_.text());
    try {
        context_.counters->add(passCounter(PassReason::kForsaken));
        HoldBack content(part_.verify ? std::optional<Digest>(digest_) : std::nullopt);
        hashPrefix(&content);
        Download::Wanted wanted;
        wanted.reference = digest_.text();
        wanted.first = part_.offset;
        if (!part_.verify && part_.end) wanted.last = *part_.end - 1;
        wanted.total = part_.total;
        Download download(&context_, target_, wanted);
        if (!download.openAlone()) {
            logFailure(context_, target_, what,
                       cat("upstream answered ", download.response().status()));
        } else if (pump(&download, &content, pipe_.get(), context_.counters) &&
                   !conclude(&content, pipe_.get())) {
            context_.counters->add(Counter::kDigestMismatches);
            logFailure(context_, target_, what, "content does not match its digest");
        }
    } catch (const std::exception& e) {
        logFailure(context_, target_, what, e.what());
    }
    pipe_->breakOff();  // unless it is complete
}

void Continuation::hashPrefix(HoldBack* content) const {
    if (!part_.verify) return;
    std::vector<char> buffer(kChunk);
    for (std::uint64_t at = 0; at < part_.offset;) {
        const std::size_t size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), part_.offset - at));
        const std::size_t got =
            preadAll(part_.file->get(), buffer.data(), size, at, "read what was sent");
        if (got < size) throw Error("what was sent is no longer in its file");
        content->passed({buffer.data(), got});
        at += got;
    }
}

}  // namespace ociproxy
