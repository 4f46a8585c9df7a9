#include "store/id_table.h"

#include <cstring>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr std::size_t kFirstSlots = 1024;

std::string hexOf(const std::uint8_t* bytes, std::size_t count) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
        out += kDigits[bytes[i] >> 4];
        out += kDigits[bytes[i] & 15];
    }
    return out;
}

}  // namespace

// The seed keeps whoever chooses digests from choosing places.
IdTable::IdTable() : seed_(random64() | 1), slots_(kFirstSlots, kNone) {}

IdTable::Key IdTable::keyOf(const Digest& digest) noexcept {
    Key key{{}, digest.algorithm()};
    const std::string& hex = digest.hex();
    for (std::size_t i = 0; i < key.bytes.size(); ++i) {
        key.bytes[i] = static_cast<std::uint8_t>(hexValue(hex[2 * i]) * 16 +
                                                 hexValue(hex[2 * i + 1]));
    }
    return key;
}

std::size_t IdTable::homeOf(const Key& key) const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, key.bytes.data() + 8, sizeof word);
    return static_cast<std::size_t>((word * seed_) >> 20) & (slots_.size() - 1);
}

std::size_t IdTable::slotOf(const Key& key) const noexcept {
    std::size_t slot = homeOf(key);
    while (slots_[slot] != kNone) {
        const Key& there = keys_[slots_[slot]];
        if (there.algorithm == key.algorithm && there.bytes == key.bytes) break;
        slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
}

IdTable::Id IdTable::find(const Digest& digest) const {
    return slots_[slotOf(keyOf(digest))];
}

IdTable::Id IdTable::place(const Digest& digest, bool* fresh) {
    const Key key = keyOf(digest);
    const std::size_t slot = slotOf(key);
    *fresh = slots_[slot] == kNone;
    if (!*fresh) return slots_[slot];
    Id id = static_cast<Id>(keys_.size());
    if (unused_.empty()) {
        keys_.push_back(key);
    } else {
        id = unused_.back();
        unused_.pop_back();
        keys_[id] = key;
    }
    slots_[slot] = id;
    const std::size_t kept = 2 * key.bytes.size();
    if (digest.hex().size() > kept) rest_[id] = digest.hex().substr(kept);
    if (++count_ > slots_.size() / 4 * 3) grow();
    return id;
}

// What stands behind it in its row moves up, so that no search ends too early.
void IdTable::drop(Id id) {
    std::size_t hole = slotOf(keys_[id]);
    OCIPROXY_ASSERT(slots_[hole] == id);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = (hole + 1) & mask; slots_[i] != kNone; i = (i + 1) & mask) {
        const std::size_t home = homeOf(keys_[slots_[i]]);
        if (((i - home) & mask) < ((i - hole) & mask)) continue;  // not before its home
        slots_[hole] = slots_[i];
        hole = i;
    }
    slots_[hole] = kNone;
    rest_.erase(id);
    unused_.push_back(id);
    --count_;
}

void IdTable::grow() {
    std::vector<Id> old(slots_.size() * 2, kNone);
    old.swap(slots_);
    for (const Id id : old) {
        if (id != kNone) slots_[slotOf(keys_[id])] = id;
    }
}

Digest IdTable::digest(Id id) const {
    const Key& key = keys_[id];
    std::string text = cat(algorithmName(key.algorithm), ':',
                           hexOf(key.bytes.data(), key.bytes.size()));
    const auto rest = rest_.find(id);
    if (rest != rest_.end()) text += rest->second;
    const std::optional<Digest> digest = Digest::parse(text);
    OCIPROXY_ASSERT(digest.has_value());
    return *digest;
}

}  // namespace ociproxy
