// Options of listening and accepted sockets, and who is at the other end.
#ifndef OCIPROXY_SRC_FRONT_SOCKET_SETUP_H
#define OCIPROXY_SRC_FRONT_SOCKET_SETUP_H

#include "front/connection.h"
#include "ociproxy/base/clock.h"

struct sockaddr_storage;

namespace ociproxy {

// Makes accept4() on the listener wait, but no longer than `wait`. The setting belongs to the
// open socket and so to every process that shares it; all set the same. Throws SysError.
void setupListener(int listener, Millis wait);

// For TCP: no delay, keep-alive probes, an end to what is never acknowledged, and a
// bound on bytes the kernel holds for a slow reader. Failures are not fatal.
void setupConnection(int socket, const sockaddr_storage& peer) noexcept;

Peer describePeer(const sockaddr_storage& address);
Peer describePeer(const IpAddress& address, std::uint16_t port);

// Ends a connection as well as that goes without waiting for its client: what has been
// sent to us by now is read, so that the kernel need not answer it with a reset.
void endUnread(int socket) noexcept;

// Makes close() discard what the kernel still holds and reset the connection.
void resetOnClose(int socket) noexcept;

}  // namespace ociproxy

#endif
