#include "proxy/file_verification.h"

#include <algorithm>

#include "ociproxy/base/error.h"
#include "proxy/plan.h"

namespace ociproxy {

namespace {

constexpr std::size_t kStep = 1024 * 1024;

std::optional<FileIdentity> tryIdentityOf(const Fd& file) noexcept {
    try {
        return identityOf(file);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace

FileVerification::FileVerification(const Digest& digest, StoredContent content)
    : digest_(digest), content_(std::move(content)), identity_(tryIdentityOf(*content_.file)),
      hasher_(digest.algorithm()) {}

std::size_t FileVerification::step() noexcept {
    try {
        buffer_.resize(kStep);
        const std::size_t wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(kStep, size() - read_));
        const std::size_t got = preadAll(file().get(), buffer_.data(), wanted, read_, "read");
        if (got < wanted) problem_ = "has become shorter";
        hasher_.update(buffer_.data(), got);
        read_ += got;
        if (got == wanted && got > 0) {
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                look_.hashed = read_;
            }
            wakeAll();
            return got;
        }
    } catch (const std::exception& e) {
        problem_ = std::string("cannot be read: ") + e.what();
    }
    return 0;
}

bool FileVerification::intact() {
    if (problem_.empty() && hasher_.finish() != digest_) problem_ = "does not hash to its name";
    return problem_.empty();
}

void FileVerification::announce(State state) noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        look_.state = state;
    }
    wakeAll();
}

FileVerification::Look FileVerification::look() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return look_;
}

std::shared_ptr<ClaimWatcher::Ticket> FileVerification::follow(std::function<void()> changed) {
    std::shared_ptr<ClaimWatcher::Ticket> ticket =
        std::make_shared<ClaimWatcher::Ticket>(std::move(changed));
    const std::lock_guard<std::mutex> lock(mutex_);
    followers_.push_back(ticket);
    return ticket;
}

// Without the lock: a wake may look.
void FileVerification::wakeAll() noexcept {
    std::vector<std::shared_ptr<ClaimWatcher::Ticket>> awake;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        awake.reserve(followers_.size());
        for (const std::weak_ptr<ClaimWatcher::Ticket>& follower : followers_) {
            if (std::shared_ptr<ClaimWatcher::Ticket> ticket = follower.lock()) {
                awake.push_back(std::move(ticket));
            }
        }
        followers_.assign(awake.begin(), awake.end());
    }
    for (const std::shared_ptr<ClaimWatcher::Ticket>& ticket : awake) ticket->call();
}

GrowingBody::Snapshot VerifyingBody::now() noexcept {
    const FileVerification::Look look = verification_->look();
    const std::uint64_t size = verification_->size();
    switch (look.state) {
        case FileVerification::State::kIntact: return {State::kComplete, size, size};
        case FileVerification::State::kDamaged: return {State::kBroken, 0, std::nullopt};
        case FileVerification::State::kRunning: break;
    }
    const std::uint64_t limit = end_ > kHoldBack ? end_ - kHoldBack : 0;
    return {State::kGrowing, std::min(look.hashed, limit), size};
}

void VerifyingBody::setWake(std::function<void()> wake) {
    if (ticket_) ticket_->cancel();
    ticket_.reset();
    if (wake) ticket_ = verification_->follow(std::move(wake));
}

}  // namespace ociproxy
