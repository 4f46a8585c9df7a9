#include "front/acceptor.h"

#include <cerrno>
#include <memory>
#include <sys/socket.h>
#include <thread>

#include "front/canned.h"
#include "front/context.h"
#include "front/proxy_header_reader.h"
#include "front/socket_setup.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr Millis kAcceptWait{250};
constexpr Millis kBackOff{100};
constexpr Millis kQuiet{60'000};

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
    : context_(context),
      listener_(listener.socket),
      tls_(listener.tls),
      proxyHeader_(listener.proxyHeader),
      busy_(busy) {}

void Acceptor::prepare() { setupListener(listener_, kAcceptWait); }

void Acceptor::run() noexcept {
    while (!stopping_.load() && !context_->leaving()) {
        try {
            // What cannot even be refused in order waits in the backlog, perhaps for a sibling.
            if (context_->door.awaitRoom(kAcceptWait)) acceptOne();
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
    take(std::move(socket), address);
}

// Out of descriptors or memory: the connection stays in the backlog, perhaps for a
// sibling, until something was closed here.
void Acceptor::failed(int code) noexcept {
    if (isPassing(code)) return;
    if (now() >= quietUntil_) {
        quietUntil_ = now() + kQuiet;
        try {
            context_->log(LogLevel::kWarning,
                          cat("cannot accept connections: ", errnoText(code),
                              "; trying on (said once a minute at most)"));
        } catch (const std::bad_alloc&) {
            // The line is not worth more trouble.
        }
    }
    std::this_thread::sleep_for(kBackOff);
}

void Acceptor::take(Fd socket, const sockaddr_storage& address) {
    context_->count(Counter::kConnections);
    setupConnection(socket.get(), address);
    Peer peer = describePeer(address);
    if (proxyHeader_ && peer.address && !isOneOf(context_->options.trustedProxies, *peer.address)) {
        context_->refusals.note(RefusalReason::kUntrusted, peer.text);
        return;
    }
    Place place;
    const bool excess = !admit(&place, peer);
    if (excess && !context_->door.turnAway(&place)) {
        dismiss(socket);
    } else {
        hand(std::move(socket), std::move(peer), std::move(place), excess);
    }
}

// Those behind a proxy are many clients; a PROXY header tells which, when it was read.
bool Acceptor::admit(Place* place, const Peer& peer) {
    if (context_->door.admit(place) != Doorkeeper::Answer::kWelcome) {
        context_->refusals.note(RefusalReason::kTooMany, peer.text);
        return false;
    }
    if (!peer.address || isOneOf(context_->options.trustedProxies, *peer.address)) return true;
    if (context_->door.admitClient(place, *peer.address) == Doorkeeper::Answer::kWelcome) {
        return true;
    }
    context_->refusals.note(RefusalReason::kTooManyOfClient, peer.text);
    return false;
}

// Too many are turned away already to wait until this one has read the answer, or even for
// a handshake to have it read.
void Acceptor::dismiss(const Fd& socket) {
    Transport transport(socket.get());
    if (!tls_) sendCanned(transport, busy_);
    endUnread(socket.get());
}

void Acceptor::hand(Fd socket, Peer peer, Place place, bool excess) {
    const std::shared_ptr<Connection> connection = std::make_shared<Connection>(
        context_->nextId.fetch_add(1), std::move(socket), std::move(peer),
        context_->options.counters);
    connection->place = std::move(place);
    const ConnectionState state = begin(connection.get(), excess);
    context_->connections.fetch_add(1);
    if (!context_->inbox.give(connection, state)) context_->connections.fetch_sub(1);
}

// Where the connection starts. Through TLS one too many is told so after the handshake.
ConnectionState Acceptor::begin(Connection* connection, bool excess) {
    connection->tls = tls_;
    connection->excess = excess;
    if (excess && !tls_) {
        sendCanned(connection->transport, busy_);
        return ConnectionState::kLingering;
    }
    if (!proxyHeader_) return tls_ ? ConnectionState::kGreeting : ConnectionState::kIdle;
    connection->proxyHeader = std::make_unique<ProxyHeaderReader>();
    return ConnectionState::kIdle;
}

}  // namespace ociproxy
