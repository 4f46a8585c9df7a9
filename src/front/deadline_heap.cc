#include "front/deadline_heap.h"

#include <algorithm>

#include "front/connection.h"

namespace ociproxy {

void DeadlineHeap::set(Connection* connection, TimePoint when) {
    connection->deadline = when;
    if (when < connection->scheduled) schedule(connection, when);
}

void DeadlineHeap::schedule(Connection* connection, TimePoint when) {
    heap_.push(Entry{when, connection->id});
    connection->scheduled = when;
}

int DeadlineHeap::timeout(TimePoint now) const noexcept {
    if (heap_.empty()) return -1;
    const TimePoint::duration left = heap_.top().when - now;
    if (left <= TimePoint::duration::zero()) return 0;
    const Millis rounded = std::chrono::ceil<Millis>(left);
    return static_cast<int>(std::min<Millis::rep>(rounded.count(), 60'000));
}

bool DeadlineHeap::pop(TimePoint now, std::uint64_t* id, TimePoint* entry) {
    if (heap_.empty() || heap_.top().when > now) return false;
    *id = heap_.top().id;
    *entry = heap_.top().when;
    heap_.pop();
    return true;
}

bool DeadlineHeap::isDue(Connection* connection, TimePoint entry, TimePoint now) {
    if (entry != connection->scheduled) return false;  // an earlier one has replaced it
    connection->scheduled = never();
    if (connection->deadline == never()) return false;
    if (connection->deadline <= now) return true;
    schedule(connection, connection->deadline);
    return false;
}

}  // namespace ociproxy
