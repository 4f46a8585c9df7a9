#ifndef OCIPROXY_SRC_PROXY_FILE_VERIFICATION_H
#define OCIPROXY_SRC_PROXY_FILE_VERIFICATION_H

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/front/growing_body.h"
#include "ociproxy/store/content_file.h"
#include "ociproxy/store/store.h"
#include "proxy/claim_watcher.h"

namespace ociproxy {

// One stored file while it is hashed again, for all replies that are sent meanwhile. One
// thread calls step(), then end(); any calls the rest.
class FileVerification {
public:
    enum class State : std::uint8_t { kRunning, kIntact, kDamaged };
    struct Look {
        State state = State::kRunning;
        std::uint64_t hashed = 0;
    };

    FileVerification(const Digest& digest, StoredContent content);
    FileVerification(const FileVerification&) = delete;
    FileVerification& operator=(const FileVerification&) = delete;

    const Digest& digest() const noexcept { return digest_; }
    // As it was before it was read: what is written meanwhile makes it another. nullopt
    // when it could not be looked at.
    const std::optional<FileIdentity>& identity() const noexcept { return identity_; }
    const Fd& file() const noexcept { return *content_.file; }
    std::uint64_t size() const noexcept { return content_.info.size; }

    // Hashes the next piece; returns its bytes, 0 once all were hashed or cannot be read.
    std::size_t step() noexcept;
    // REQUIRES: step() returned 0. Whether the content is intact; `announce` lets everybody
    // know, and what is to be true by then has to be done before.
    bool intact();
    const std::string& problem() const noexcept { return problem_; }
    void announce(State state) noexcept;

    Look look() const noexcept;
    // As ClaimWatcher::follow().
    std::shared_ptr<ClaimWatcher::Ticket> follow(std::function<void()> changed);

private:
    void wakeAll() noexcept;

    const Digest digest_;
    const StoredContent content_;
    const std::optional<FileIdentity> identity_;
    Hasher hasher_;
    std::uint64_t read_ = 0;
    std::string problem_;  // empty: none so far
    std::vector<char> buffer_;
    mutable std::mutex mutex_;  // guards what follows
    Look look_;
    std::vector<std::weak_ptr<ClaimWatcher::Ticket>> followers_;
};

// A reply's view of that: everything before `end`, the last of its bytes that it sends, but
// the last 64 KiB of these only once all of the file was found intact.
class VerifyingBody : public GrowingBody {
public:
    VerifyingBody(std::shared_ptr<FileVerification> verification, std::uint64_t end)
        : verification_(std::move(verification)), end_(end) {}
    ~VerifyingBody() override { setWake({}); }

    int descriptor() const noexcept override { return verification_->file().get(); }
    Snapshot now() noexcept override;
    void setWake(std::function<void()> wake) override;

private:
    const std::shared_ptr<FileVerification> verification_;
    const std::uint64_t end_;
    std::shared_ptr<ClaimWatcher::Ticket> ticket_;
};

}  // namespace ociproxy

#endif
