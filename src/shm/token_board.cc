#include "ociproxy/shm/token_board.h"

#include <algorithm>
#include <cstring>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/shm/counters.h"
#include "shm/layout.h"
#include "shm/seal.h"

namespace ociproxy {

namespace {

std::uint64_t sealOf(const TokenSlot& slot) noexcept {
    const std::uint32_t length = slot.length.load();
    const char* key = reinterpret_cast<const char*>(slot.key.data());
    const std::uint64_t seed = length ^ static_cast<std::uint64_t>(slot.notAfterNs);
    return sealOfBytes(sealOfBytes(seed, key, slot.key.size()), slot.token, length);
}

// What no program wrote counts as free.
bool isUsed(const TokenSlot& slot) noexcept {
    const std::uint32_t length = slot.length.load();
    return length != 0 && length <= TokenBoard::kMaxToken && slot.seal == sealOf(slot);
}

// Free before anything else changes: a slot that is half a token is never used.
void wipe(TokenSlot* slot) noexcept {
    slot->length.store(0);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    ::explicit_bzero(slot->token, sizeof slot->token);
}

void write(TokenSlot* slot, const Sha256& key, std::string_view token,
           std::int64_t notAfterNs) noexcept {
    slot->key = key;
    slot->notAfterNs = notAfterNs;
    std::memcpy(slot->token, token.data(), token.size());
    std::atomic_signal_fence(std::memory_order_seq_cst);
    slot->length.store(static_cast<std::uint32_t>(token.size()));
    slot->seal = sealOf(*slot);
}

}  // namespace

// Holds the board's lock for a scope. If the last holder died, what it had half
// written or half wiped is wiped.
class TokenBoard::Guard {
public:
    explicit Guard(TokenBoard* board) noexcept : board_(board) {
        const RobustMutex::Lock lock = board->patience_.lock(&board->header_->mutex);
        locked_ = lock != RobustMutex::Lock::kTimedOut;
        if (lock == RobustMutex::Lock::kOwnerDied) repair();
    }
    ~Guard() {
        if (locked_) board_->header_->mutex.unlock();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    explicit operator bool() const noexcept { return locked_; }

private:
    void repair() noexcept {
        for (std::uint32_t i = 0; i < board_->slotCount_; ++i) {
            if (!isUsed(board_->slots_[i])) wipe(&board_->slots_[i]);
        }
        board_->counters_->add(Counter::kLockRepaired);
        board_->header_->mutex.consistent();
    }

    TokenBoard* board_;
    bool locked_ = false;
};

TokenBoard::TokenBoard(TokenHeader* header, TokenSlot* slots, Counters* counters)
    : header_(header), slots_(slots), slotCount_(header->slotCount), counters_(counters) {
    OCIPROXY_ASSERT(header->magic == kLayoutMagic && header->version == kLayoutVersion);
    OCIPROXY_ASSERT(slotCount_ >= 1);
}

std::optional<std::string> TokenBoard::find(const Sha256& key) {
    const std::int64_t nowNs = monotonicNs();
    std::string out(kMaxToken, '\0');  // no allocation under the lock
    std::size_t length = 0;
    {
        Guard guard(this);
        const TokenSlot* slot = guard ? findSlot(key) : nullptr;
        if (!slot || slot->notAfterNs <= nowNs) return std::nullopt;
        length = slot->length.load();
        std::memcpy(out.data(), slot->token, length);
    }
    out.resize(length);
    return out;
}

bool TokenBoard::put(const Sha256& key, std::string_view token, std::int64_t notAfterNs) noexcept {
    if (token.empty() || token.size() > kMaxToken) return false;
    const std::int64_t nowNs = monotonicNs();
    Guard guard(this);
    if (!guard) return false;
    TokenSlot* slot = roomFor(key, nowNs);
    wipe(slot);
    write(slot, key, token, notAfterNs);
    return true;
}

void TokenBoard::removeIf(const Sha256& key, std::string_view token) noexcept {
    Guard guard(this);
    TokenSlot* slot = guard ? findSlot(key) : nullptr;
    if (slot && std::string_view(slot->token, slot->length.load()) == token) wipe(slot);
}

TokenSlot* TokenBoard::findSlot(const Sha256& key) noexcept {
    TokenSlot* end = slots_ + slotCount_;
    TokenSlot* slot = std::find_if(slots_, end, [&](const TokenSlot& candidate) {
        return candidate.key == key && isUsed(candidate);
    });
    return slot == end ? nullptr : slot;
}

// The key's own slot, else a free one, else that whose token ends, or ended, first.
TokenSlot* TokenBoard::roomFor(const Sha256& key, std::int64_t nowNs) noexcept {
    if (TokenSlot* own = findSlot(key)) return own;
    const auto worth = [nowNs](const TokenSlot& slot) noexcept {
        return isUsed(slot) ? std::max(slot.notAfterNs, nowNs) : std::int64_t{0};
    };
    return std::min_element(
        slots_, slots_ + slotCount_,
        [&](const TokenSlot& a, const TokenSlot& b) noexcept { return worth(a) < worth(b); });
}

}  // namespace ociproxy
