#ifndef OCIPROXY_SRC_PROXY_HOLD_BACK_H
#define OCIPROXY_SRC_PROXY_HOLD_BACK_H

#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/digest.h"

namespace ociproxy {

// The last bytes of a fill or a pass-through that no client gets before the digest was
// verified.
constexpr std::size_t kHoldBack = 64 * 1024;

// Lets content through on its way to a client, all but the last kHoldBack bytes, and hashes
// it. Without a digest to compare with nothing is held or hashed. One thread.
class HoldBack {
public:
    explicit HoldBack(const std::optional<Digest>& expected) : expected_(expected) {
        if (expected_) hasher_.emplace(expected_->algorithm());
    }

    // Bytes that the client has already.
    void passed(std::string_view bytes) {
        if (hasher_) hasher_->update(bytes.data(), bytes.size());
    }
    // The next bytes; gives those that may go out now.
    std::string take(std::string_view bytes) {
        if (!hasher_) return std::string(bytes);
        passed(bytes);
        held_.append(bytes);
        const std::size_t free = held_.size() > kHoldBack ? held_.size() - kHoldBack : 0;
        std::string out = held_.substr(0, free);
        held_.erase(0, free);
        return out;
    }
    // At the end, once: whether the content is what was expected.
    bool matches() { return !hasher_ || hasher_->finish() == *expected_; }
    // Then, if it is: what was held back.
    const std::string& rest() const noexcept { return held_; }

private:
    const std::optional<Digest> expected_;
    std::optional<Hasher> hasher_;
    std::string held_;
};

}  // namespace ociproxy

#endif
