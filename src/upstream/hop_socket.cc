#include "upstream/hop_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"

namespace ociproxy {

namespace {

constexpr std::int64_t kLongestPollMs = 60'000;

struct SocketName {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketName nameOf(const IpAddress& address, std::uint16_t port) {
    SocketName out;
    if (address.isV4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address.bytes().data() + 12, 4);
        out.size = sizeof v4;
        std::memcpy(&out.storage, &v4, sizeof v4);
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, address.bytes().data(), 16);
        out.size = sizeof v6;
        std::memcpy(&out.storage, &v6, sizeof v6);
    }
    return out;
}

[[noreturn]] void connectFailed(int code) {
    const UpstreamFailure failure = code == ETIMEDOUT ? UpstreamFailure::kConnectionTimeout
                                                      : UpstreamFailure::kConnectionRefused;
    throw UpstreamError(failure, cat("connect: ", errnoText(code)));
}

[[noreturn]] void terminated(int code) {
    throw UpstreamError(UpstreamFailure::kConnectionTerminated, errnoText(code));
}

// Rounded up: a poll that ends early would only be repeated.
int pollMs(Millis left) noexcept {
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kLongestPollMs));
}

// To the deadline or the end of the allowed silence, whichever comes first.
Millis timeLeft(const Patience& patience, TimePoint start) noexcept {
    const TimePoint current = now();
    Millis left = Millis::max();
    if (patience.deadline != TimePoint::max()) {
        left = std::chrono::ceil<Millis>(patience.deadline - current);
    }
    if (patience.silence != Millis::max()) {
        left = std::min(left, std::chrono::ceil<Millis>(start + patience.silence - current));
    }
    return left;
}

}  // namespace

HopSocket HopSocket::connect(const IpAddress& address, std::uint16_t port, TimePoint deadline) {
    HopSocket socket;
    socket.setPatience(Patience::until(deadline));
    socket.startConnecting(address, port);
    socket.finishConnecting();
    socket.identifyPeer();
    const int on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

void HopSocket::startConnecting(const IpAddress& address, std::uint16_t port) {
    const int family = address.isV4() ? AF_INET : AF_INET6;
    fd_.reset(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd_) connectFailed(errno);
    SocketName name = nameOf(address, port);
    if (::connect(fd_.get(), name.get(), name.size) < 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        connectFailed(errno);
    }
}

void HopSocket::finishConnecting() {
    try {
        wait(POLLOUT);
    } catch (const UpstreamError&) {
        throw UpstreamError(UpstreamFailure::kConnectionTimeout, "connect: timed out");
    }
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &code, &size) < 0) code = errno;
    if (code != 0) connectFailed(code);
}

void HopSocket::identifyPeer() {
    SocketName remote;
    SocketName local;
    if (::getpeername(fd_.get(), remote.get(), &remote.size) < 0) connectFailed(errno);
    if (::getsockname(fd_.get(), local.get(), &local.size) < 0) connectFailed(errno);
    // A port of the ephemeral range on loopback, where nobody listens, may be given to
    // this very socket, which then is connected with itself.
    if (remote.size == local.size &&
        std::memcmp(&remote.storage, &local.storage, local.size) == 0) {
        connectFailed(ECONNREFUSED);
    }
    const std::optional<IpAddress> address = IpAddress::fromSockaddr(remote.get());
    if (!address) connectFailed(EAFNOSUPPORT);
    peer_ = *address;
}

void HopSocket::wait(short events) {
    const TimePoint start = now();
    if (rate_ && rate_->tooSlow(start)) {
        throw UpstreamError(UpstreamFailure::kResponseTimeout, "slower than the minimum rate");
    }
    for (Millis left = timeLeft(patience_, start); left.count() > 0;
         left = timeLeft(patience_, start)) {
        pollfd entry{fd_.get(), events, 0};
        const int ready = ::poll(&entry, 1, pollMs(left));
        if (ready > 0) {
            if (rate_) rate_->paused(start, now());
            return;
        }
        if (ready < 0 && errno != EINTR) terminated(errno);
    }
    throw UpstreamError(UpstreamFailure::kResponseTimeout, "no answer in time");
}

std::size_t HopSocket::read(char* out, std::size_t size) {
    for (;;) {
        const ssize_t got = ::recv(fd_.get(), out, size, 0);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno == EAGAIN) {
            wait(POLLIN);
        } else if (errno != EINTR) {
            terminated(errno);
        }
    }
}

std::size_t HopSocket::write(const char* data, std::size_t size) {
    for (;;) {
        const ssize_t sent = ::send(fd_.get(), data, size, MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EAGAIN) {
            wait(POLLOUT);
        } else if (errno != EINTR) {
            terminated(errno);
        }
    }
}

bool HopSocket::readable() const noexcept {
    pollfd entry{fd_.get(), POLLIN | POLLRDHUP, 0};
    return ::poll(&entry, 1, 0) != 0;
}

}  // namespace ociproxy
