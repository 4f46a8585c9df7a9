// The reactor's part for connections that begin with a PROXY header: who is it?
#include "front/canned.h"
#include "front/context.h"
#include "front/proxy_header_reader.h"
#include "front/reactor.h"
#include "front/socket_setup.h"

namespace ociproxy {

void Reactor::receiveProxyHeader(const Shared& connection) {
    switch (connection->proxyHeader->read(connection->socket.get())) {
        case ProxyHeaderReader::Status::kIncomplete: awaitInput(connection); return;
        case ProxyHeaderReader::Status::kComplete: welcome(connection); return;
        case ProxyHeaderReader::Status::kRefused:
            context_->refusals.note(RefusalReason::kProxyHeader, connection->peer.text);
            close(connection);
            return;
        case ProxyHeaderReader::Status::kGone: close(connection); return;
    }
}

// It is known now who the client is; whatever else comes before the first request follows.
void Reactor::welcome(const Shared& connection) {
    const std::optional<ProxiedClient> client = connection->proxyHeader->client();
    connection->proxyHeader.reset();
    connection->unnamed = !client;
    if (client) {
        connection->peer = describePeer(client->address, client->port);
        if (!connection->excess && !admitClient(connection)) return;
    }
    if (connection->tls) {
        connection->headStart = now();
        connection->enter(ConnectionState::kGreeting);
        awaitGreeting(connection);
    } else if (connection->excess) {
        sendCanned(connection->transport, tooMany());
        connection->enter(ConnectionState::kLingering);
        startLinger(connection);
    } else {
        park(connection);
    }
}

// False: the connection was one too many of its client and could not even wait to be told
// so in order. Else whether it is too many is said by `excess`.
bool Reactor::admitClient(const Shared& connection) {
    if (context_->door.admitClient(&connection->place, connection->peer.address.value()) ==
        Doorkeeper::Answer::kWelcome) {
        return true;
    }
    context_->refusals.note(RefusalReason::kTooManyOfClient, connection->peer.text);
    connection->excess = true;
    if (context_->door.turnAway(&connection->place)) return true;
    if (!connection->tls) sendCanned(connection->transport, tooMany());
    endUnread(connection->socket.get());
    close(connection);
    return false;
}

Reply Reactor::tooMany() { return context_->refusal(503, "too many connections"); }

}  // namespace ociproxy
