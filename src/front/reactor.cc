#include "front/reactor.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <vector>

#include "front/context.h"
#include "front/exchange.h"
#include "front/reactor_events.h"
#include "front/socket_setup.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"

namespace ociproxy {
namespace {

constexpr std::uint64_t kInboxId = 0;  // connections count from 1
constexpr std::uint64_t kLingerBytes = 16 * 1024 * 1024;
constexpr int kDiscardsPerEvent = 16;
// How long a draining server waits for the first request of a connection that it had
// accepted already: its client could not know.
constexpr Millis kDrainGrace{3'000};

ParserLimits limitsOf(const FrontServer::Options& options) {
    ParserLimits limits;
    limits.requestLine = options.maxRequestLine;
    limits.head = options.maxHead;
    limits.fields = options.maxFields;
    limits.rangeField = options.maxRangeField;
    return limits;
}

}  // namespace

Reactor::Reactor(Context* context)
    : context_(context),
      sender_(context),
      limits_(limitsOf(context->options)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throwErrno("create epoll of the reactor");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kInboxId;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, context->inbox.wakeFd(), &event) != 0) {
        throwErrno("watch the reactor's inbox");
    }
}

Reactor::~Reactor() = default;

void Reactor::requestStop() noexcept {
    stopping_.store(true);
    context_->inbox.wake();
}

void Reactor::run() noexcept {
    while (!stopping_.load()) {
        waitOnce();
        takeInbox();
        expire();
        if (draining() && !drained_) startDrain();
    }
}

void Reactor::waitOnce() noexcept {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   deadlines_.timeout(now()));
    for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == kInboxId) {
            context_->inbox.clearWake();
        } else {
            onEvent(id);
        }
    }
}

// Runs one step for one connection; what it throws costs that connection only.
void Reactor::guarded(const Shared& connection, void (Reactor::*step)(const Shared&)) noexcept {
    try {
        (this->*step)(connection);
    } catch (const std::exception& failure) {
        context_->log(LogLevel::kError, failure.what());
        cut(connection);
    }
}

void Reactor::onEvent(std::uint64_t id) noexcept {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const Shared connection = found->second;
    if ((connection->armed & EPOLLONESHOT) != 0) connection->armed = 0;
    guarded(connection, &Reactor::dispatchEvent);
}

// A sender enters the next state when it gives the connection to the inbox: until it was
// taken from there the reactor has set no deadline, and the state is not its to act on.
// What the event told is told again when the inbox arms the connection.
bool Reactor::holds(const Shared& connection) const noexcept {
    return connection->deadline != DeadlineHeap::never();
}

void Reactor::dispatchEvent(const Shared& connection) {
    switch (connection->state()) {
        case ConnectionState::kGreeting:
            if (!holds(connection)) return;
            deadlines_.set(connection.get(), DeadlineHeap::never());
            context_->handshakes.push(connection, ConnectionState::kSecuring);
            return;
        case ConnectionState::kIdle:
        case ConnectionState::kReading:
            if (!holds(connection)) return;
            connection->proxyHeader ? receiveProxyHeader(connection) : receive(connection);
            return;
        case ConnectionState::kBlocked: {
            if (!holds(connection)) return;
            deadlines_.set(connection.get(), DeadlineHeap::never());
            Transfer& transfer = *connection->transfer;
            transfer.pace.resumed(now(), transfer.delivered(connection->socket.get()));
            context_->senders->push(connection, ConnectionState::kSending);
            return;
        }
        case ConnectionState::kParked:
            if (connection->claimParked()) cut(connection);
            return;
        case ConnectionState::kLingering:
            if (holds(connection)) discard(connection);
            return;
        case ConnectionState::kSecuring:
        case ConnectionState::kQueued:
        case ConnectionState::kSending:
        case ConnectionState::kParking:  // somebody else's, who will notice
            if (connection->armed == kInput) (void)watch(connection, kHangUp);
            return;
        case ConnectionState::kClosed: return;
    }
}

void Reactor::takeInbox() noexcept {
    ConnectionList list = context_->inbox.takeAll();
    while (const Shared connection = list.takeFirst()) guarded(connection, &Reactor::takeOne);
}

void Reactor::takeOne(const Shared& connection) {
    if (!connection->adopted) adopt(connection);
    switch (connection->state()) {
        case ConnectionState::kGreeting: awaitGreeting(connection); return;
        case ConnectionState::kIdle: park(connection); return;
        case ConnectionState::kBlocked: awaitRoom(connection); return;
        case ConnectionState::kParking: awaitMore(connection); return;
        case ConnectionState::kLingering: startLinger(connection); return;
        case ConnectionState::kClosed: close(connection); return;
        case ConnectionState::kSecuring:
        case ConnectionState::kReading:
        case ConnectionState::kQueued:
        case ConnectionState::kSending:
        case ConnectionState::kParked: OCIPROXY_ASSERT(!"state of an inbox");
    }
}

void Reactor::adopt(const Shared& connection) {
    connections_.emplace(connection->id, connection);
    epoll_event event{};
    event.events = kHangUp;
    event.data.u64 = connection->id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->socket.get(), &event) != 0) {
        throwErrno("watch a connection");
    }
    connection->armed = kHangUp;
    connection->adopted = true;
    connection->headStart = now();
}

// The whole handshake has the time of a head.
void Reactor::awaitGreeting(const Shared& connection) {
    TimePoint deadline = connection->headStart + context_->options.headerTimeout;
    if (draining()) deadline = std::min(deadline, now() + kDrainGrace);
    deadlines_.set(connection.get(), deadline);
    arm(connection, connection->transport.waitsForRoom(false) ? kRoom : kInput);
}

// Between requests, or before the first one.
void Reactor::park(const Shared& connection) {
    if (!connection->input.empty()) {
        takeBytes(connection, {});
        return;
    }
    std::string().swap(connection->input);
    const FrontServer::Options& options = context_->options;
    const Millis patience = connection->served ? options.keepAliveTimeout : options.headerTimeout;
    deadlines_.set(connection.get(), now() + patience);
    if (draining()) {
        drainIdle(connection);
    } else if (connection->transport.pending()) {
        receive(connection);
    } else {
        arm(connection, kInput);
    }
}

void Reactor::awaitRoom(const Shared& connection) {
    deadlines_.set(connection.get(), connection->transfer->pace.deadline());
    arm(connection, connection->transport.waitsForRoom(true) ? kRoom : kInput);
}

// Armed before it is parked, for then it may belong to somebody else at any time.
void Reactor::awaitMore(const Shared& connection) {
    arm(connection, kHangUp);
    connection->enter(ConnectionState::kParked);
    if (connection->woken.load() && connection->claimParked()) {
        context_->senders->push(connection, ConnectionState::kSending);
    }
}

void Reactor::startLinger(const Shared& connection) {
    std::string().swap(connection->input);
    connection->parser.reset();
    connection->transport.finish();
    connection->lingerLeft = kLingerBytes;
    deadlines_.set(connection.get(), now() + context_->options.lingerTimeout);
    arm(connection, kInput);
}

void Reactor::discard(const Shared& connection) {
    for (int i = 0; i < kDiscardsPerEvent; ++i) {
        const ssize_t got = connection->transport.discard(scratch_.data(), scratch_.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        const std::uint64_t taken = got > 0 ? static_cast<std::uint64_t>(got) : 0;
        if (taken == 0 || taken > connection->lingerLeft) {
            close(connection);
            return;
        }
        connection->lingerLeft -= taken;
    }
    arm(connection, kInput);
}

void Reactor::expire() noexcept {
    const TimePoint time = now();
    std::uint64_t id = 0;
    TimePoint entry;
    while (deadlines_.pop(time, &id, &entry)) {
        const auto found = connections_.find(id);
        if (found == connections_.end()) continue;
        const Shared connection = found->second;
        if (deadlines_.isDue(connection.get(), entry, time)) {
            guarded(connection, &Reactor::onDeadline);
        }
    }
}

void Reactor::onDeadline(const Shared& connection) {
    connection->deadline = DeadlineHeap::never();
    switch (connection->state()) {
        case ConnectionState::kReading:
            refuse(connection, 408, "request head took too long");
            return;
        case ConnectionState::kBlocked: {
            Transfer& transfer = *connection->transfer;
            if (transfer.pace.tooSlow(now(), transfer.delivered(connection->socket.get()))) {
                cut(connection);
            } else {
                deadlines_.set(connection.get(), transfer.pace.deadline());
            }
            return;
        }
        case ConnectionState::kGreeting:
            if (connection->transport.tls()) context_->noteTlsFailure(*connection, "too slow");
            close(connection);
            return;
        case ConnectionState::kIdle:
        case ConnectionState::kLingering: close(connection); return;
        case ConnectionState::kSecuring:
        case ConnectionState::kQueued:
        case ConnectionState::kSending:
        case ConnectionState::kParking:
        case ConnectionState::kParked:
        case ConnectionState::kClosed: OCIPROXY_ASSERT(!"deadline of a state without one");
    }
}

bool Reactor::draining() const noexcept {
    return context_->departure.load() == Departure::kDraining;
}

void Reactor::startDrain() noexcept {
    std::vector<Shared> idle;
    try {
        for (const auto& [id, connection] : connections_) {
            // One that is idle without a deadline is on its way back through the inbox.
            const ConnectionState state = connection->state();
            if ((state == ConnectionState::kIdle || state == ConnectionState::kGreeting) &&
                holds(connection)) {
                idle.push_back(connection);
            }
        }
    } catch (const std::bad_alloc&) {
        return;  // again after the next event
    }
    drained_ = true;
    for (const Shared& connection : idle) guarded(connection, &Reactor::drainIdle);
}

// A request that has arrived already is still answered.
void Reactor::drainIdle(const Shared& connection) {
    if (connection->served && !connection->transport.hasInput()) {
        close(connection);
        return;
    }
    deadlines_.set(connection.get(), std::min(connection->deadline, now() + kDrainGrace));
    if (connection->state() == ConnectionState::kIdle && connection->transport.pending()) {
        receive(connection);
    } else {
        arm(connection, connection->transport.waitsForRoom(false) ? kRoom : kInput);
    }
}

void Reactor::awaitInput(const Shared& connection) { arm(connection, kInput); }

void Reactor::arm(const Shared& connection, std::uint32_t events) {
    if (connection->armed != events && !watch(connection, events)) throwErrno("watch a connection");
}

// False, with errno, if the kernel refuses; for a connection of somebody else's too.
bool Reactor::watch(const Shared& connection, std::uint32_t events) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.u64 = connection->id;
    const int socket = connection->socket.get();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket, &event) != 0) return false;
    connection->armed = events;
    return true;
}

// Ends a reply in the middle: the client must not take what it has for the whole.
void Reactor::cut(const Shared& connection) noexcept {
    connection->reset = true;
    close(connection);
}

void Reactor::close(const Shared& connection) noexcept {
    const bool amidst = connection->pending || connection->transfer || connection->reset;
    if (!amidst && connection->socket) connection->transport.sayGoodbye();
    context_->finish(connection.get(), false);
    if (connection->state() != ConnectionState::kClosed) {
        connection->enter(ConnectionState::kClosed);
    }
    if (connection->reset && connection->socket) resetOnClose(connection->socket.get());
    connection->socket.reset();
    connection->place.leave();
    connections_.erase(connection->id);
    context_->connections.fetch_sub(1);
}

void Reactor::closeAll() noexcept {
    ConnectionList list = context_->inbox.close();
    while (const Shared connection = list.takeFirst()) {
        connection->abandon();
        if (!connection->adopted) close(connection);
    }
    while (!connections_.empty()) {
        const Shared connection = connections_.begin()->second;
        connection->abandon();
        close(connection);
    }
}

}  // namespace ociproxy
