#ifndef OCIPROXY_SRC_FRONT_DEADLINE_HEAP_H
#define OCIPROXY_SRC_FRONT_DEADLINE_HEAP_H

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "ociproxy/base/clock.h"

namespace ociproxy {

class Connection;

// The deadlines of all connections, nearest first. Entries are not removed but skipped
// when their time comes: moving a deadline back, which every request does, costs
// nothing, and a connection has few entries however many requests it makes. Entries
// name connections by number, so one that is gone is simply not found. The reactor's;
// not synchronized.
class DeadlineHeap {
public:
    static constexpr TimePoint never() noexcept { return TimePoint::max(); }

    // Replaces the connection's deadline; never() for none. Throws std::bad_alloc.
    void set(Connection* connection, TimePoint when);

    // Milliseconds until something may be due, rounded up; -1: nothing is scheduled.
    int timeout(TimePoint now) const noexcept;

    // Takes one entry whose time has come and gives its connection's number; false when
    // there is none. The caller finds the connection and asks isDue().
    bool pop(TimePoint now, std::uint64_t* id, TimePoint* entry);
    // Whether the connection's deadline has passed; if it was moved back, schedules it
    // again. `entry` as pop() gave it.
    bool isDue(Connection* connection, TimePoint entry, TimePoint now);

    std::size_t size() const noexcept { return heap_.size(); }

private:
    struct Entry {
        TimePoint when;
        std::uint64_t id;
        bool operator>(const Entry& other) const noexcept { return when > other.when; }
    };

    void schedule(Connection* connection, TimePoint when);

    std::priority_queue<Entry, std::vector<Entry>, std::greater<Entry>> heap_;
};

}  // namespace ociproxy

#endif
