#ifndef OCIPROXY_SRC_FRONT_CONNECTION_QUEUE_H
#define OCIPROXY_SRC_FRONT_CONNECTION_QUEUE_H

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

#include "front/connection.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

// First in, first out, linked through the connections themselves, so that passing one
// on never allocates and never fails. A connection is in at most one list. Not
// synchronized.
class ConnectionList {
public:
    ConnectionList() = default;
    ~ConnectionList() { clear(); }
    ConnectionList(ConnectionList&& other) noexcept;
    ConnectionList& operator=(ConnectionList&&) = delete;

    bool empty() const noexcept { return !head_; }
    void append(std::shared_ptr<Connection> connection) noexcept;
    std::shared_ptr<Connection> takeFirst() noexcept;  // nullptr when empty
    void clear() noexcept;  // one by one: no recursion through `next`

private:
    std::shared_ptr<Connection> head_;
    Connection* tail_ = nullptr;
};

// Hands connections to threads that work on them. Any thread; once pushed, a connection
// belongs to whoever pops it.
class ConnectionQueue {
public:
    enum class Push { kTaken, kFull, kClosed };

    explicit ConnectionQueue(std::size_t limit) : limit_(limit) {}

    // The connection enters `state` only if it is taken. In a closed queue it stays
    // untouched: it belongs to whoever stops the server.
    Push push(std::shared_ptr<Connection> connection, ConnectionState state) noexcept;
    // Waits; nullptr once closed.
    std::shared_ptr<Connection> pop() noexcept;
    // Open, and nobody is queued; what may be so no longer when this returns.
    bool unused() noexcept;
    // What is still queued is let go.
    void close() noexcept;

private:
    const std::size_t limit_;
    std::mutex mutex_;
    std::condition_variable filled_;
    ConnectionList list_;
    std::size_t size_ = 0;
    bool closed_ = false;
};

// Hands connections to the reactor and wakes it. Any thread may give.
class ReactorInbox {
public:
    ReactorInbox();  // throws SysError

    // As ConnectionQueue::push(); false: closed.
    bool give(std::shared_ptr<Connection> connection, ConnectionState state) noexcept;
    // Makes wakeFd() readable.
    void wake() noexcept;
    ConnectionList takeAll() noexcept;
    // The last content; from then on nothing is taken.
    ConnectionList close() noexcept;

    int wakeFd() const noexcept { return wake_.get(); }
    void clearWake() noexcept;  // before takeAll()

private:
    Fd wake_;
    std::mutex mutex_;
    ConnectionList list_;
    bool closed_ = false;
};

}  // namespace ociproxy

#endif
