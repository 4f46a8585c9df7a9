#include "front/socket_setup.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr int kUserTimeoutMs = 60'000;
constexpr int kUnsentLowWater = 128 * 1024;
constexpr int kKeepIdleSeconds = 60;
constexpr int kKeepIntervalSeconds = 10;
constexpr int kUnreadBlocks = 16;

bool isInternet(const sockaddr_storage& address) noexcept {
    return address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

void setOption(int socket, int level, int name, int value) noexcept {
    ::setsockopt(socket, level, name, &value, sizeof value);
}

std::uint16_t portOf(const sockaddr_storage& address) noexcept {
    if (address.ss_family == AF_INET) {
        return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    }
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

}  // namespace

void setupListener(int listener, Millis wait) {
    const int flags = ::fcntl(listener, F_GETFL);
    if (flags < 0) throwErrno("read flags of a listener");
    if (::fcntl(listener, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        throwErrno("make a listener blocking");
    }
    timeval limit{};
    limit.tv_sec = wait.count() / 1000;
    limit.tv_usec = (wait.count() % 1000) * 1000;
    if (::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
        throwErrno("set the accept time-out of a listener");
    }
}

void setupConnection(int socket, const sockaddr_storage& peer) noexcept {
    if (!isInternet(peer)) return;
    setOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    setOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    setOption(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds);
    setOption(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds);
    setOption(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
    setOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentLowWater);
}

Peer describePeer(const sockaddr_storage& address) {
    Peer peer;
    peer.address = IpAddress::fromSockaddr(reinterpret_cast<const sockaddr*>(&address));
    if (!peer.address) {
        peer.text = "unix:";
        return peer;
    }
    return describePeer(*peer.address, portOf(address));
}

Peer describePeer(const IpAddress& address, std::uint16_t port) {
    Peer peer;
    peer.address = address;
    peer.port = port;
    const bool v4 = address.isV4();
    peer.text = cat(v4 ? "" : "[", address.text(), v4 ? ":" : "]:", port);
    return peer;
}

void endUnread(int socket) noexcept {
    char scratch[4096];
    ::shutdown(socket, SHUT_WR);
    for (int i = 0; i < kUnreadBlocks; ++i) {
        if (::recv(socket, scratch, sizeof scratch, MSG_DONTWAIT) <= 0) return;
    }
}

void resetOnClose(int socket) noexcept {
    const linger now{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace ociproxy
