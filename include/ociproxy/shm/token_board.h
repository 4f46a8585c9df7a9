#ifndef OCIPROXY_SHM_TOKEN_BOARD_H
#define OCIPROXY_SHM_TOKEN_BOARD_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/digest.h"
#include "ociproxy/shm/lock_patience.h"

namespace ociproxy {

class Counters;
struct TokenHeader;  // src/shm: the shared layout
struct TokenSlot;

// Bearer tokens that all workers share, so that each is fetched once. The key is a
// hash of all that makes a token what it is (upstream with its settings, scope,
// credential). When the board is full the token that ends first makes room.
//
// Any thread of any process; same rules of locking as ClaimTable. If the lock
// cannot be had nothing is found and nothing is kept; a token that is not as it was
// written is none.
class TokenBoard {
public:
    static constexpr std::size_t kMaxToken = 16 * 1024;

    TokenBoard(TokenHeader* header, TokenSlot* slots, Counters* counters);

    // The token under `key` if its time (CLOCK_MONOTONIC) is not over.
    std::optional<std::string> find(const Sha256& key);
    // Keeps `token` until `notAfterNs` (monotonic). False: too long, or no lock.
    bool put(const Sha256& key, std::string_view token, std::int64_t notAfterNs) noexcept;
    // Removes the token only while it is still this very one: an answer to an old
    // token must not throw away its successor. Slots are wiped.
    void removeIf(const Sha256& key, std::string_view token) noexcept;

private:
    class Guard;
    TokenSlot* findSlot(const Sha256& key) noexcept;
    TokenSlot* roomFor(const Sha256& key, std::int64_t nowNs) noexcept;

    TokenHeader* header_;
    TokenSlot* slots_;
    const std::uint32_t slotCount_;  // what is in the header may have been spoiled
    Counters* counters_;
    LockPatience patience_;
};

}  // namespace ociproxy

#endif
