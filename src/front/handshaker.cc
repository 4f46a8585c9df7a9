#include "front/handshaker.h"

#include <cerrno>
#include <sys/socket.h>

#include "front/canned.h"
#include "front/context.h"
#include "ociproxy/base/log.h"
#include "ociproxy/front/tls.h"

namespace ociproxy {
namespace {

constexpr char kHandshakeRecord = 0x16;  // RFC 8446 5.1

}  // namespace

Handshaker::Handshaker(Context* context)
    : context_(context),
      busy_(context->refusal(503, "too many connections")),
      plain_(context->refusal(400, "this port speaks TLS")) {}

void Handshaker::serve(const std::shared_ptr<Connection>& connection) noexcept {
    ConnectionState following = ConnectionState::kClosed;
    try {
        following = step(connection.get());
    } catch (const std::exception& failure) {
        context_->log(LogLevel::kError, failure.what());
    }
    context_->inbox.give(connection, following);
}

ConnectionState Handshaker::step(Connection* connection) {
    return connection->transport.tls() ? shake(connection) : begin(connection);
}

// Looks at the first byte before anything is spent on the client.
ConnectionState Handshaker::begin(Connection* connection) {
    char first = 0;
    const ssize_t got = ::recv(connection->socket.get(), &first, 1, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return ConnectionState::kGreeting;
    if (got <= 0) return ConnectionState::kClosed;
    if (first != kHandshakeRecord) {
        sendCanned(connection->transport, plain_);
        return refused(*connection, "no TLS");
    }
    connection->transport.secure(std::make_unique<TlsChannel>(context_->options.tls->context(),
                                                              connection->socket.get()));
    return shake(connection);
}

ConnectionState Handshaker::shake(Connection* connection) {
    context_->options.tls->renewTicketKeys(static_cast<std::time_t>(wallSeconds()));
    TlsChannel& channel = *connection->transport.tls();
    switch (channel.shakeHands()) {
        case TlsChannel::Shake::kWait: return ConnectionState::kGreeting;
        case TlsChannel::Shake::kFailed: return refused(*connection, channel.failure());
        case TlsChannel::Shake::kDone: break;
    }
    context_->count(Counter::kTlsHandshakes);
    if (channel.resumed()) context_->count(Counter::kTlsResumed);
    if (!connection->excess) return ConnectionState::kIdle;
    sendCanned(connection->transport, busy_);
    return ConnectionState::kLingering;
}

// Lingers, so that the client gets to read the alert or the answer.
ConnectionState Handshaker::refused(const Connection& connection, std::string_view cause) {
    context_->noteTlsFailure(connection, cause);
    return ConnectionState::kLingering;
}

}  // namespace ociproxy
