#include "front/acceptor.h"

#include <cerrno>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <thread>

#include "front/context.h"
#include "front/reply_head.h"
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

Acceptor::Acceptor(Context* context, int listener, const Reply& busy)
    : context_(context), listener_(listener), busy_(busy) {}

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
    ConnectionState state = ConnectionState::kIdle;
    if (open >= limit) {
        sendBusy(socket.get());
        state = ConnectionState::kLingering;
    }
    const std::shared_ptr<Connection> connection = std::make_shared<Connection>(
        context_->nextId.fetch_add(1), std::move(socket), describePeer(address),
        context_->options.counters);
    context_->connections.fetch_add(1);
    if (!context_->inbox.give(connection, state)) context_->connections.fetch_sub(1);
}

// Fits into the buffer of a new socket. Its method is unknown: a body does no harm
// because nothing follows.
void Acceptor::sendBusy(int socket) {
    HeadOptions head;
    head.framing = frameReply(busy_, Method::kGet, 1).value_or(Framing{});
    head.keepAlive = false;
    head.wallSeconds = wallSeconds();
    std::string text = serializeHead(busy_, head).text;
    if (const BytesBody* body = std::get_if<BytesBody>(&busy_.body)) text += body->bytes;
    (void)!::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace ociproxy
