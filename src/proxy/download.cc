#include "proxy/download.h"

#include <algorithm>
#include <thread>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/range.h"
#include "proxy/work_context.h"

namespace ociproxy {

namespace {

constexpr unsigned kMaxIdleTries = 5;
constexpr unsigned kMaxAuthentications = 2;
constexpr std::uint64_t kWorthAnother = 1024 * 1024;  // new bytes that earn further tries
constexpr Millis kRetryPause{100};

[[noreturn]] void misfit(const char* what) {
    throw UpstreamError(UpstreamFailure::kProtocol, what);
}

bool mayPass(int status) { return status == 401 || status == 429 || status >= 500; }

}  // namespace

Download::Download(WorkContext* context, const Target& target, const Wanted& wanted)
    : context_(*context), target_(target), wanted_(wanted), total_(wanted.total),
      position_(wanted.first), triedAt_(wanted.first) {}

bool Download::open() {
    UpstreamRequest request =
        requestFor(target_, UpstreamMethod::kGet, wanted_.reference, context_);
    request.accept = wanted_.accept;
    if (position_ > 0 || wanted_.last) {
        request.rangeFirst = position_;
        request.rangeLast = wanted_.last;
    }
    response_ = context_.client->send(request);
    return accept();
}

bool Download::openAlone() {
    while (!open()) {
        if (response_->status() != 401 || !authenticate()) return false;
    }
    return true;
}

bool Download::authenticate() {
    if (++authentications_ > kMaxAuthentications) return false;
    context_.client->fetchToken(*target_.upstream, target_.where.repository,
                                now() + context_.firstByteTimeout);
    return true;
}

bool Download::accept() {
    skip_ = 0;
    if (response_->status() == 206) {
        acceptPart();
        return true;
    }
    if (response_->status() != 200) return false;
    if (response_->contentLength()) mustBeLong(*response_->contentLength());
    skip_ = position_;
    return true;
}

void Download::acceptPart() {
    const std::string* const field = response_->header("Content-Range");
    const std::optional<ContentRange> part = field ? parseContentRange(*field) : std::nullopt;
    if ((position_ == 0 && !wanted_.last) || !part || part->range.first != position_) {
        misfit("206 with another range than asked for");
    }
    if (part->length) mustBeLong(*part->length);
    std::optional<std::uint64_t> last = wanted_.last;
    if (total_) last = std::min(last.value_or(UINT64_MAX), *total_ - 1);
    if (last && part->range.last != *last) misfit("206 with another range than asked for");
}

void Download::mustBeLong(std::uint64_t total) {
    if (total_ && *total_ != total) misfit("content of another length than before");
    total_ = total;
}

std::optional<std::uint64_t> Download::length() const noexcept {
    std::optional<std::uint64_t> end = total_;
    if (wanted_.last) end = std::min(*wanted_.last + 1, total_.value_or(UINT64_MAX));
    if (!end) return {};
    return *end > wanted_.first ? *end - wanted_.first : 0;
}

std::size_t Download::read(char* buffer, std::size_t size) {
    for (;;) {
        try {
            return readOnce(buffer, size);
        } catch (const UpstreamError& e) {
            logFailure(context_, target_, cat("pass-through of ", wanted_.reference), e.what());
            while (mayRetry()) {
                if (reopen()) break;
            }
            if (!response_) throw;
        }
    }
}

std::size_t Download::readOnce(char* buffer, std::size_t size) {
    const std::optional<std::uint64_t> whole = length();
    for (;;) {
        const std::uint64_t done = position_ - wanted_.first;
        if (whole && done == *whole) return 0;
        std::size_t got = response_->read(buffer, size);
        if (got == 0 && !whole) return 0;
        if (got == 0) throw UpstreamError(UpstreamFailure::kIncomplete, "body ended too early");
        const std::size_t known = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, got));
        skip_ -= known;
        got -= known;
        if (got == 0) continue;
        if (known > 0) std::copy(buffer + known, buffer + known + got, buffer);
        if (whole) got = static_cast<std::size_t>(std::min<std::uint64_t>(got, *whole - done));
        position_ += got;
        return got;
    }
}

bool Download::mayRetry() {
    response_.reset();
    idleTries_ = position_ - triedAt_ >= kWorthAnother ? 0 : idleTries_ + 1;
    triedAt_ = position_;
    if (idleTries_ >= kMaxIdleTries || context_.stopping) return false;
    std::this_thread::sleep_for(kRetryPause * (1u << idleTries_));
    return true;
}

// False: once more. What will not become better leaves no response.
bool Download::reopen() {
    try {
        if (open()) return true;
        const int status = response_->status();
        response_.reset();
        if (status == 401) authenticate();
        if (!mayPass(status)) idleTries_ = kMaxIdleTries;
    } catch (const UpstreamError& e) {
        response_.reset();
        logFailure(context_, target_, cat("pass-through of ", wanted_.reference), e.what());
        if (e.failure() == UpstreamFailure::kProtocol) idleTries_ = kMaxIdleTries;
    }
    return false;
}

}  // namespace ociproxy
