#include "front/connection_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include "ociproxy/base/error.h"

namespace ociproxy {

ConnectionList::ConnectionList(ConnectionList&& other) noexcept
    : head_(std::move(other.head_)), tail_(std::exchange(other.tail_, nullptr)) {}

void ConnectionList::append(std::shared_ptr<Connection> connection) noexcept {
    Connection* const last = connection.get();
    std::shared_ptr<Connection>& place = tail_ ? tail_->next : head_;
    place = std::move(connection);
    tail_ = last;
}

std::shared_ptr<Connection> ConnectionList::takeFirst() noexcept {
    std::shared_ptr<Connection> first = std::move(head_);
    if (!first) return nullptr;
    head_ = std::move(first->next);
    if (!head_) tail_ = nullptr;
    return first;
}

void ConnectionList::clear() noexcept {
    while (takeFirst()) {
    }
}

ConnectionQueue::Push ConnectionQueue::push(std::shared_ptr<Connection> connection,
                                            ConnectionState state) noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) return Push::kClosed;
        if (size_ >= limit_) return Push::kFull;
        connection->enter(state);
        list_.append(std::move(connection));
        ++size_;
    }
    filled_.notify_one();
    return Push::kTaken;
}

std::shared_ptr<Connection> ConnectionQueue::pop() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !list_.empty(); });
    if (closed_) return nullptr;
    --size_;
    return list_.takeFirst();
}

bool ConnectionQueue::unused() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !closed_ && list_.empty();
}

void ConnectionQueue::close() noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
        list_.clear();
        size_ = 0;
    }
    filled_.notify_all();
}

ReactorInbox::ReactorInbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) throwErrno("create eventfd of the reactor");
}

bool ReactorInbox::give(std::shared_ptr<Connection> connection,
                        ConnectionState state) noexcept {
    bool first = false;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (closed_) return false;
        if (connection->state() != state) connection->enter(state);
        first = list_.empty();
        list_.append(std::move(connection));
    }
    if (first) wake();  // else the wake of the first is still to be seen
    return true;
}

void ReactorInbox::wake() noexcept {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the reactor wakes anyway.
    (void)!::write(wake_.get(), &one, sizeof one);
}

ConnectionList ReactorInbox::takeAll() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::move(list_);
}

ConnectionList ReactorInbox::close() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    return std::move(list_);
}

void ReactorInbox::clearWake() noexcept {
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
}

}  // namespace ociproxy
