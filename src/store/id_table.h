#ifndef OCIPROXY_SRC_STORE_ID_TABLE_H
#define OCIPROXY_SRC_STORE_ID_TABLE_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "ociproxy/base/digest.h"

namespace ociproxy {

// Small numbers for digests, given out again when they are dropped: a hash table with
// open addressing, because a million digests are to fit into little memory. One thread.
class IdTable {
public:
    using Id = std::uint32_t;
    static constexpr Id kNone = ~Id{0};

    IdTable();

    Id find(const Digest& digest) const;
    // The id of the digest; `*fresh` says whether it has just been made.
    Id place(const Digest& digest, bool* fresh);
    // REQUIRES: `id` is in use.
    void drop(Id id);
    Digest digest(Id id) const;

private:
    // The first 32 bytes of longer digests identify them as well.
    struct Key {
        Sha256 bytes;
        DigestAlgorithm algorithm;
    };

    static Key keyOf(const Digest& digest) noexcept;
    std::size_t homeOf(const Key& key) const noexcept;
    std::size_t slotOf(const Key& key) const noexcept;  // where it is, or would be
    void grow();

    const std::uint64_t seed_;
    std::vector<Id> slots_;  // a power of two, at most three quarters in use
    std::deque<Key> keys_;   // by id
    std::vector<Id> unused_;
    std::unordered_map<Id, std::string> rest_;  // of digests longer than that
    std::size_t count_ = 0;
};

}  // namespace ociproxy

#endif
