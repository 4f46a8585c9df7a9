#include "front/acceptor.h"

#include <cerrno>
#include <memory>
#include <sys/socket.h>
#include <thread>

#include "front/canned.h"
#include "front/context.h"
#include "front/socket_setup.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr Millis kAcceptWait{250};
constexpr Millis kBackOff{100};
// Connections above the limit that may linger until their client has read the 503;
// those above that are closed at once.
constexpr std::size_t kRefusedReserve = 64;

// The peer's trouble, or none at all; the next accept may succeed.
bool isPassing(int code) {
    switch (code) {
        case EAGAIN:
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTUNREACH: return true;
        default: return false;
    }
}

}  // namespace

Acceptor::Acceptor(Context* context, const FrontServer::Listener& listener, const Reply& busy)
    : context_(context), listener_(listener.socket), tls_(listener.tls), busy_(busy) {}

void Acceptor::prepare() { setupListener(listener_, kAcceptWait); }

void Acceptor::run() noexcept {
    while (!stopping_.load() && !context_->leaving()) {
        try {
            acceptOne();
        } catch (const std::exception& failure) {
            context_->log(LogLevel::kError, failure.what());
        }
    }
}

void Acceptor::acceptOne() {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd socket(::accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        failed(errno);
        return;
    }
    failing_ = false;
    take(std::move(socket), address);
}

// Out of descriptors or memory: the connection stays in the backlog, perhaps for a
// sibling, until something was closed here.
void Acceptor::failed(int code) noexcept {
    if (isPassing(code)) return;
    if (!failing_) {
        try {
            context_->log(LogLevel::kWarning,
                          cat("cannot accept connections: ", errnoText(code), "; trying on"));
        } catch (const std::bad_alloc&) {
            // The line is not worth more trouble.
        }
    }
    failing_ = true;
    std::this_thread::sleep_for(kBackOff);
}

void Acceptor::take(Fd socket, const sockaddr_storage& address) {
    context_->count(Counter::kConnections);
    const std::size_t limit = context_->options.maxConnections;
    const std::size_t open = context_->connections.load();
    if (open >= limit + kRefusedReserve) return;
    setupConnection(socket.get(), address);
    const std::shared_ptr<Connection> connection = std::make_shared<Connection>(
        context_->nextId.fetch_add(1), std::move(socket), describePeer(address),
        context_->options.counters);
    const ConnectionState state = begin(connection.get(), open >= limit);
    context_->connections.fetch_add(1);
    if (!context_->inbox.give(connection, state)) context_->connections.fetch_sub(1);
}

// Where the connection starts. Through TLS one too many is told so after the handshake.
ConnectionState Acceptor::begin(Connection* connection, bool excess) {
    connection->tls = tls_;
    connection->excess = excess;
    if (tls_) return ConnectionState::kGreeting;
    if (!excess) return ConnectionState::kIdle;
    sendCanned(connection->transport, busy_);
    return ConnectionState::kLingering;
}

}  // namespace ociproxy
