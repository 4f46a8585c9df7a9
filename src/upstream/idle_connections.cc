#include "upstream/idle_connections.h"

#include <algorithm>
#include <iterator>

#include "upstream/hop_connection.h"

namespace ociproxy {

namespace {

constexpr Millis kMaxIdle{8'000};
constexpr std::size_t kMaxEntries = 128;

}  // namespace

IdleConnections::IdleConnections(std::size_t maxPerKey) : maxPerKey_(maxPerKey) {}

IdleConnections::~IdleConnections() = default;

std::unique_ptr<HopConnection> IdleConnections::take(const std::string& key) {
    std::list<Entry> closed;  // without the lock
    std::lock_guard<std::mutex> lock(mutex_);
    closed = takeSurplus(key);
    for (auto entry = entries_.end(); entry != entries_.begin();) {
        --entry;
        if (entry->key != key) continue;
        const auto used = entry++;
        closed.splice(closed.end(), entries_, used);
        if (closed.back().connection->quiet()) return std::move(closed.back().connection);
    }
    return nullptr;
}

void IdleConnections::put(const std::string& key, std::unique_ptr<HopConnection> connection) {
    if (!connection->quiet()) return;
    std::list<Entry> closed;
    std::lock_guard<std::mutex> lock(mutex_);
    entries_.push_back(Entry{key, now(), std::move(connection)});
    closed = takeSurplus(key);
}

// Takes out what has waited too long, and the oldest of too many.
std::list<IdleConnections::Entry> IdleConnections::takeSurplus(const std::string& key) {
    std::list<Entry> out;
    const TimePoint oldest = now() - kMaxIdle;
    while (!entries_.empty() && entries_.front().since < oldest) {
        out.splice(out.end(), entries_, entries_.begin());
    }
    const std::size_t ofKey = static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return entry.key == key; }));
    moveOldest(ofKey > maxPerKey_ ? ofKey - maxPerKey_ : 0, &key, &out);
    moveOldest(entries_.size() > kMaxEntries ? entries_.size() - kMaxEntries : 0, nullptr, &out);
    return out;
}

void IdleConnections::moveOldest(std::size_t surplus, const std::string* key,
                                 std::list<Entry>* out) {
    for (auto entry = entries_.begin(); surplus > 0 && entry != entries_.end();) {
        const auto next = std::next(entry);
        if (key == nullptr || entry->key == *key) {
            out->splice(out->end(), entries_, entry);
            --surplus;
        }
        entry = next;
    }
}

}  // namespace ociproxy
