#include "proxy/follower.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

#include "ociproxy/shm/counters.h"
#include "proxy/failure_map.h"
#include "proxy/plan.h"

namespace ociproxy {

namespace {

std::optional<std::uint64_t> knownLength(const ClaimView& view) {
    if (view.total == kUnknownLength) return {};
    return view.total;
}

// How much of an unverified file may go out.
std::uint64_t releasable(const ClaimView& view) {
    const std::uint64_t end = std::min(view.bytes, view.total);
    const std::uint64_t total = knownLength(view).value_or(view.bytes);
    const std::uint64_t limit = total > kHoldBack ? total - kHoldBack : 0;
    return std::min(end, limit);
}

bool committedInVain(const ClaimView& view) {
    return view.failure.kind == static_cast<std::uint32_t>(FillFailure::kCommit);
}

bool sameFile(int a, int b) {
    struct stat first {};
    struct stat second {};
    return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 &&
           first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

}  // namespace

Follower::Follower(Options options, const ClaimView& view, Fd file)
    : options_(std::move(options)), lineage_(view.lineage), origin_(view.origin),
      promised_(view.total), file_(std::move(file)) {
    if (options_.watcher) wish_ = options_.watcher->follow(options_.key, {});
    if (options_.counters) options_.counters->change(WorkerGauge::kFollowers, 1);
}

Follower::~Follower() {
    if (options_.counters) options_.counters->change(WorkerGauge::kFollowers, -1);
    if (ticket_) ticket_->cancel();
}

void Follower::setWake(std::function<void()> wake) {
    if (ticket_) ticket_->cancel();
    ticket_.reset();
    if (wake) ticket_ = options_.watcher->follow(options_.key, std::move(wake));
}

GrowingBody::Snapshot Follower::complete(std::uint64_t length) {
    done_ = true;
    last_ = {State::kComplete, length, length};
    return last_;
}

GrowingBody::Snapshot Follower::broken() {
    done_ = true;
    last_ = {State::kBroken, offered_, std::nullopt};
    return last_;
}

GrowingBody::Snapshot Follower::failed(const ClaimView& view) {
    if (committedInVain(view)) return complete(view.total);
    if (!options_.goOn || !passReasonOf(view.failure)) return broken();
    done_ = true;
    written_ = view.bytes;
    offered_ = std::max(offered_, releasable(view));
    last_ = {State::kForsaken, offered_, knownLength(view)};
    return last_;
}

std::shared_ptr<StreamSource> Follower::continuation(std::uint64_t offset,
                                                     std::optional<std::uint64_t> end) {
    Fd file(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
    if (!file) return nullptr;
    Continuation::Part part;
    part.file = std::make_shared<const Fd>(std::move(file));
    part.offset = offset;
    part.end = end;
    part.total = last_.length;
    part.verify = offset <= written_ && (!end || end == part.total);
    return options_.goOn(std::move(part));
}

GrowingBody::Snapshot Follower::growing(const ClaimView& view) {
    offered_ = std::max(offered_, releasable(view));
    last_ = {State::kGrowing, offered_, knownLength(view)};
    return last_;
}

void Follower::replaceFile(Fd file) {
    earlierFiles_.push_back(std::move(file_));
    file_ = std::move(file);
}

// The claim is gone from the table or says nothing of our file: what counts is whether our
// file is the one that was committed, or at least what was offered of it is the same.
GrowingBody::Snapshot Follower::ended(bool sameBytes) {
    try {
        const std::optional<StoredContent> content =
            options_.store->open(options_.digest, options_.kind);
        if (content && sameFile(content->file->get(), file_.get())) {
            return complete(content->info.size);
        }
        if (content && sameBytes &&
            (promised_ == kUnknownLength || promised_ == content->info.size)) {
            Fd file(::fcntl(content->file->get(), F_DUPFD_CLOEXEC, 0));
            if (!file) return broken();
            replaceFile(std::move(file));
            return complete(content->info.size);
        }
    } catch (const std::exception&) {
        // The disk does not say: then we cannot either.
    }
    return broken();
}

// Nothing of the old lineage was offered, or the new one begins with the same bytes: it
// serves as well, if it is to have the length that was promised.
bool Follower::switchLineage(const ClaimView& view) {
    if (offered_ > 0 && view.origin != origin_) return false;
    if (promised_ != kUnknownLength && view.total != promised_) return false;
    try {
        Fd file = options_.store->openTemporary(options_.digest, view.lineage);
        if (!file) return false;
        replaceFile(std::move(file));
    } catch (const std::exception&) {
        return false;
    }
    lineage_ = view.lineage;
    origin_ = view.origin;
    return true;
}

GrowingBody::Snapshot Follower::now() noexcept {
    if (done_) return last_;
    const std::optional<ClaimView> found = options_.claims->find(options_.key);
    if (!found || found->state == ClaimState::kFree) return ended(false);
    const ClaimView& view = *found;
    const bool alive = view.state == ClaimState::kRunning || view.state == ClaimState::kVerified ||
                       view.state == ClaimState::kOrphaned;
    if (alive && (view.state == ClaimState::kOrphaned || !view.ownerResponsive)) {
        options_.takeOver();
    }
    if (view.lineage != lineage_) {
        if (!alive) return ended(view.origin == origin_);
        if (!view.started) return growing(ClaimView{});
        if (!switchLineage(view)) return broken();
    }
    // Another length than headers have named: these bytes end elsewhere than promised.
    if (promised_ != kUnknownLength && view.started && view.total != promised_) return broken();
    switch (view.state) {
    case ClaimState::kRunning:
    case ClaimState::kOrphaned: return growing(view);
    case ClaimState::kVerified:
    case ClaimState::kCommitted: return complete(view.total);
    case ClaimState::kFailed: return failed(view);
    default: return ended(false);
    }
}

}  // namespace ociproxy
