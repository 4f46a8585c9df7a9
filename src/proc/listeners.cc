#include "ociproxy/proc/listeners.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <utility>

#include "ociproxy/base/address.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/privileges.h"
#include "proc/socket_path.h"

namespace ociproxy {

namespace {

constexpr int kBacklog = 4096;
constexpr Millis kRetryEvery{50};

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
    sockaddr_storage storage;
};

SocketAddress v4Address(const std::uint8_t* lastFour, std::uint16_t port) noexcept {
    SocketAddress out{};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(port);
    if (lastFour) std::memcpy(&out.v4.sin_addr, lastFour, sizeof out.v4.sin_addr);
    return out;
}

SocketAddress v6Address(const std::uint8_t* bytes, std::uint16_t port) noexcept {
    SocketAddress out{};
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(port);
    if (bytes) std::memcpy(&out.v6.sin6_addr, bytes, sizeof out.v6.sin6_addr);
    return out;
}

socklen_t sizeOf(const SocketAddress& address) noexcept {
    return address.any.sa_family == AF_INET ? sizeof address.v4 : sizeof address.v6;
}

void enable(int fd, int level, int option, int value) {
    if (::setsockopt(fd, level, option, &value, sizeof value) != 0) throwErrno("setsockopt");
}

// Throws SysError.
Fd listenOn(const SocketAddress& address, bool v6Only) {
    Fd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) throwErrno("socket");
    enable(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.any.sa_family == AF_INET6) enable(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, v6Only);
    if (::bind(fd.get(), &address.any, sizeOf(address)) != 0) throwErrno("bind");
    if (::listen(fd.get(), kBacklog) != 0) throwErrno("listen");
    return fd;
}

bool meansNoIpv6(int code) noexcept {
    return code == EAFNOSUPPORT || code == EADDRNOTAVAIL || code == EPFNOSUPPORT;
}

Fd listenOnAll(std::uint16_t port) {
    try {
        return listenOn(v6Address(nullptr, port), false);
    } catch (const SysError& e) {
        if (!meansNoIpv6(e.code())) throw;
    }
    return listenOn(v4Address(nullptr, port), true);
}

Fd listenOnce(const ListenAddress& where) {
    if (!where.path.empty()) return listenOnPath(where.path, kBacklog);
    if (!where.address) return listenOnAll(where.port);
    const auto& bytes = where.address->bytes();
    if (where.address->isV4()) return listenOn(v4Address(&bytes[12], where.port), true);
    return listenOn(v6Address(bytes.data(), where.port), true);
}

Fd listenPatiently(const ListenAddress& where, TimePoint deadline) {
    for (;;) {
        try {
            return listenOnce(where);
        } catch (const SysError& e) {
            if (e.code() != EADDRINUSE || now() >= deadline) {
                throw FatalError(EX_UNAVAILABLE,
                                 cat("cannot listen on ", where.text, ": ", e.what()));
            }
        }
        std::this_thread::sleep_for(kRetryEvery);
    }
}

void requireListening(int fd) {
    int listening = 0;
    socklen_t size = sizeof listening;
    bool known = ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0;
    if (known && listening != 0) return;
    throw FatalError(EX_CONFIG, cat("descriptor ", fd, ", which was passed to listen on, is no "
                                    "listening socket (a socket unit needs Accept=no)"));
}

std::string boundText(int fd) {
    SocketAddress address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, &address.any, &size) != 0) throwErrno("getsockname");
    if (address.local.sun_family == AF_UNIX && address.local.sun_path[0] != '\0') {
        return cat("unix:", address.local.sun_path);
    }
    std::optional<IpAddress> ip = IpAddress::fromSockaddr(&address.any);
    if (!ip) return "a socket that was passed";  // of another family than the internet's
    if (address.any.sa_family == AF_INET) return cat(ip->text(), ":", ntohs(address.v4.sin_port));
    return cat("[", ip->text(), "]:", ntohs(address.v6.sin6_port));
}

}  // namespace

Listeners::Listeners(const std::vector<ListenAddress>& addresses, Millis patience) {
    TimePoint deadline = now() + patience;
    for (const ListenAddress& where : addresses) {
        sockets_.push_back(listenOn(where, deadline));
    }
}

Listeners::Listeners(const std::vector<ListenAddress>& addresses, const Listeners& earlier)
    : inherited_(earlier.inherited_) {
    if (inherited_) {
        for (const Socket& socket : earlier.sockets_) sockets_.push_back(share(socket));
        return;
    }
    for (const ListenAddress& where : addresses) {
        const Socket* old = earlier.find(where.text, count(where.text));
        sockets_.push_back(old ? share(*old) : listenOn(where, TimePoint::min()));
    }
}

Listeners::Listeners(std::vector<Fd> inherited) : inherited_(true) {
    for (Fd& fd : inherited) {
        requireListening(fd.get());
        sockets_.push_back(Socket{std::string(), std::move(fd), nullptr});
    }
}

Listeners::Socket Listeners::listenOn(const ListenAddress& where, TimePoint deadline) {
    Socket socket{where.text, listenPatiently(where, deadline), nullptr};
    if (!where.path.empty()) socket.path = std::make_shared<SocketPath>(where.path);
    return socket;
}

Listeners::Socket Listeners::share(const Socket& socket) {
    Fd copy(::fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) throwErrno("share a listening socket");
    return Socket{socket.words, std::move(copy), socket.path};
}

std::size_t Listeners::count(const std::string& words) const noexcept {
    std::size_t count = 0;
    for (const Socket& socket : sockets_) count += socket.words == words;
    return count;
}

const Listeners::Socket* Listeners::find(const std::string& words,
                                         std::size_t skip) const noexcept {
    for (const Socket& socket : sockets_) {
        if (socket.words == words && skip-- == 0) return &socket;
    }
    return nullptr;
}

void Listeners::giveTo(const Identity& identity) const {
    orFailWith(EX_UNAVAILABLE, [&] {
        for (const Socket& socket : sockets_) {
            if (socket.path) socket.path->giveTo(identity.uid, identity.gid);
        }
    });
}

std::vector<int> Listeners::descriptors() const {
    std::vector<int> out;
    for (const Socket& socket : sockets_) out.push_back(socket.fd.get());
    return out;
}

std::string Listeners::text() const {
    std::string out;
    for (const Socket& socket : sockets_) {
        if (!out.empty()) out += ", ";
        out += boundText(socket.fd.get());
    }
    return out;
}

}  // namespace ociproxy
