#include "proxy/read_verifier.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <pthread.h>
#include <utility>

#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "proxy/plan.h"

namespace ociproxy {

namespace {

// Files that cannot be looked at are not known.
std::optional<FileIdentity> tryIdentityOf(const Fd& file) noexcept {
    try {
        return identityOf(file);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace

ReadVerifier::Verdict ReadVerifier::judge(const Digest& digest, ContentKind kind,
                                          const StoredContent& content) {
    if (options_.mode == VerifyOnRead::kOff || hasVerified(content)) return Verdict::kTrusted;
    const bool small = content.info.size <= kHoldBack || kind == ContentKind::kManifest;
    return small ? judgeNow(digest, content) : Verdict::kPending;
}

ReadVerifier::Verdict ReadVerifier::judgeNow(const Digest& digest, const StoredContent& content) {
    FileVerification verification(digest, content);
    while (const std::size_t bytes = verification.step()) {
        if (options_.counters) options_.counters->add(Counter::kContentVerified, bytes);
    }
    if (!verification.intact()) {
        setAside(digest, content, verification.problem());
        return Verdict::kDamaged;
    }
    remember(verification.identity());
    return Verdict::kTrusted;
}

void ReadVerifier::follow(const Digest& digest, const StoredContent& content, Reply* reply) {
    FileBody file = std::get<FileBody>(std::move(reply->body));
    std::uint64_t end = 0;
    for (const FileSlice& slice : file.slices) end = std::max(end, slice.offset + slice.size);
    FollowBody follow;
    follow.body = std::make_shared<VerifyingBody>(begin(digest, content, false), end);
    if (file.prefix) {
        follow.parts = std::move(file.slices);
        follow.prefix = std::move(file.prefix);
        follow.suffix = std::move(file.suffix);
    } else {
        follow.offset = file.slices.front().offset;
        follow.size = file.slices.front().size;
    }
    reply->body = std::move(follow);
}

void ReadVerifier::suspect(const Digest& digest, const StoredContent& content) {
    begin(digest, content, true);
}

bool ReadVerifier::mayRemember(const StoredContent& content) {
    return options_.mode != VerifyOnRead::kFirst || hasVerified(content);
}

void ReadVerifier::setAside(const Digest& digest, const StoredContent& content,
                            const std::string& problem) noexcept {
    try {
        options_.store->quarantine(digest, *content.file, problem);
    } catch (const std::exception&) {
        // It stays, and whoever reads it next will find it out again.
    }
}

bool ReadVerifier::hasVerified(const StoredContent& content) {
    if (options_.mode != VerifyOnRead::kFirst) return false;
    const std::optional<FileIdentity> file = tryIdentityOf(*content.file);
    if (!file) return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = verified_.find(*file);
    if (found == verified_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return true;
}

void ReadVerifier::remember(const std::optional<FileIdentity>& file) {
    if (options_.mode != VerifyOnRead::kFirst || !file) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (verified_.count(*file) > 0) return;
    order_.push_front(*file);
    verified_.emplace(*file, order_.begin());
    if (order_.size() <= options_.remembered) return;
    verified_.erase(order_.back());
    order_.pop_back();
}

ReadVerifier::VerificationPtr ReadVerifier::begin(const Digest& digest,
                                                  const StoredContent& content, bool keep) {
    VerificationPtr fresh = std::make_shared<FileVerification>(digest, content);
    const std::optional<FileIdentity>& identity = fresh->identity();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return fresh;  // the worker leaves, and whoever waits is cut
    if (identity) {
        std::weak_ptr<FileVerification>& place = running_[*identity];
        if (VerificationPtr shared = place.lock()) return shared;
        place = fresh;
    }
    jobs_.push_back({fresh, keep});
    startThreads();
    changed_.notify_one();
    return fresh;
}

// Only once there is something to do: most workers never have.
void ReadVerifier::startThreads() {
    while (threads_.size() < options_.threads) {
        threads_.emplace_back([this] {
            pthread_setname_np(pthread_self(), "verifier");
            run();
        });
    }
}

void ReadVerifier::run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) return;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        // Under the lock, so that nobody joins what is given up.
        const bool wanted = job.keep || job.verification.use_count() > 1;
        if (!wanted) {
            if (job.verification->identity()) running_.erase(*job.verification->identity());
            continue;
        }
        lock.unlock();
        const std::size_t bytes = job.verification->step();
        if (bytes > 0 && options_.counters) {
            options_.counters->add(Counter::kContentVerified, bytes);
        }
        if (bytes == 0) finish(job.verification);
        lock.lock();
        if (bytes > 0) jobs_.push_back(std::move(job));
    }
}

void ReadVerifier::finish(const VerificationPtr& verification) noexcept {
    try {
        conclude(verification.get());
    } catch (const std::exception&) {
        verification->announce(FileVerification::State::kDamaged);  // not known to be intact
    }
}

void ReadVerifier::conclude(FileVerification* verification) {
    const bool intact = verification->intact();
    if (!intact) {
        options_.store->quarantine(verification->digest(), verification->file(),
                                   verification->problem());
    } else {
        remember(verification->identity());
    }
    if (verification->identity()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        running_.erase(*verification->identity());  // who comes now begins anew
    }
    verification->announce(intact ? FileVerification::State::kIntact
                                  : FileVerification::State::kDamaged);
}

void ReadVerifier::stop() {
    std::vector<std::thread> threads;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        threads.swap(threads_);
    }
    changed_.notify_all();
    for (std::thread& thread : threads) thread.join();
}

}  // namespace ociproxy
