#ifndef OCIPROXY_SRC_FRONT_REACTOR_H
#define OCIPROXY_SRC_FRONT_REACTOR_H

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "front/connection.h"
#include "front/deadline_heap.h"
#include "front/request_parser.h"
#include "front/sender.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

class Context;

// The one thread that waits for sockets: for the next request, for the rest of a head,
// for room, for the end of a lingering client; each against a deadline. It knows every
// connection, opens and closes them, and passes them on to handlers and senders; all
// come back through the inbox. Never waits for a disk, an application or a client. What
// the application answers from memory it sends itself: a hit then costs one receive, one
// send, and its share of one wait.
//
// A connection that runs out of memory or descriptors is closed; the rest goes on.
class Reactor {
public:
    explicit Reactor(Context* context);  // throws SysError
    ~Reactor();
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    // The body of the reactor's thread; returns after requestStop().
    void run() noexcept;
    // Any thread.
    void requestStop() noexcept;
    // Closes every connection. REQUIRES: all threads of the server have ended.
    void closeAll() noexcept;

private:
    using Shared = std::shared_ptr<Connection>;

    void waitOnce() noexcept;
    void onEvent(std::uint64_t id) noexcept;
    bool holds(const Shared& connection) const noexcept;
    void dispatchEvent(const Shared& connection);
    void takeInbox() noexcept;
    void takeOne(const Shared& connection);
    void guarded(const Shared& connection, void (Reactor::*step)(const Shared&)) noexcept;

    void adopt(const Shared& connection);
    void awaitGreeting(const Shared& connection);
    void park(const Shared& connection);
    void awaitMore(const Shared& connection);
    void awaitRoom(const Shared& connection);
    void startLinger(const Shared& connection);

    void receiveProxyHeader(const Shared& connection);
    void welcome(const Shared& connection);
    bool admitClient(const Shared& connection);
    Reply tooMany();
    void receive(const Shared& connection);
    void receiveOnce(const Shared& connection);
    void takeBytes(const Shared& connection, std::string_view bytes);
    void parse(const Shared& connection);
    void submit(const Shared& connection);
    bool answerAtOnce(const Shared& connection);
    void sendNow(const Shared& connection);
    void refuse(const Shared& connection, int status, std::string_view message);
    void discard(const Shared& connection);

    void expire() noexcept;
    void onDeadline(const Shared& connection);
    bool draining() const noexcept;
    void startDrain() noexcept;
    void drainIdle(const Shared& connection);

    void awaitInput(const Shared& connection);
    void arm(const Shared& connection, std::uint32_t events);
    bool watch(const Shared& connection, std::uint32_t events) noexcept;
    void cut(const Shared& connection) noexcept;
    void close(const Shared& connection) noexcept;

    Context* context_;
    Sender sender_;
    ParserLimits limits_;
    Fd epoll_;
    std::unordered_map<std::uint64_t, Shared> connections_;
    DeadlineHeap deadlines_;
    std::atomic<bool> stopping_{false};
    bool drained_ = false;
    std::array<char, 16 * 1024> scratch_;
};

}  // namespace ociproxy

#endif
