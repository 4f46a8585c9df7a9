#include "integration/wire.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr std::size_t kReadSize = 64 * 1024;
constexpr int kBacklog = 1024;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

bool sameName(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool waitFor(int fd, short events, const Deadline& deadline) {
    pollfd entry{fd, events, 0};
    int ready = 0;
    do {
        ready = ::poll(&entry, 1, deadline.leftMillis());
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

Fd newSocket() {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throwErrno("socket");
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
}

}  // namespace

void Fields::add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
}

std::string Fields::get(std::string_view name) const {
    for (const std::pair<std::string, std::string>& field : fields_) {
        if (sameName(field.first, name)) return field.second;
    }
    return {};
}

std::size_t Fields::count(std::string_view name) const {
    std::size_t count = 0;
    for (const std::pair<std::string, std::string>& field : fields_) {
        if (sameName(field.first, name)) ++count;
    }
    return count;
}

std::string Fields::text() const {
    std::string text;
    for (const std::pair<std::string, std::string>& field : fields_) {
        text += cat(field.first, ": ", field.second, "\r\n");
    }
    return text;
}

std::optional<Head> parseHead(std::string_view text) {
    Head head;
    const std::size_t end = text.find("\r\n");
    head.firstLine = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    while (!text.empty()) {
        const std::size_t lineEnd = text.find("\r\n");
        const std::string_view line = text.substr(0, lineEnd);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return std::nullopt;
        head.fields.add(std::string(line.substr(0, colon)),
                        std::string(trim(line.substr(colon + 1))));
        text.remove_prefix(lineEnd == std::string_view::npos ? text.size() : lineEnd + 2);
    }
    return head;
}

Wire Wire::connectLoopback(std::uint16_t port) {
    Fd socket = newSocket();
    const sockaddr_in address = loopback(port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throwErrno(cat("connect to 127.0.0.1:", port));
    }
    return Wire(std::move(socket));
}

Wire Wire::connectPath(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        throwErrno("connect to " + path);
    }
    return Wire(std::move(socket));
}

bool Wire::send(std::string_view bytes) {
    const Deadline deadline(patience() * 3);
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            if (!waitFor(socket_.get(), POLLOUT, deadline)) return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

ReadResult Wire::fill(const Deadline& deadline) {
    if (!waitFor(socket_.get(), POLLIN, deadline)) return ReadResult::kTimeout;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kReadSize);
    ssize_t got = 0;
    do {
        got = ::recv(socket_.get(), &buffer_[before], kReadSize, 0);
    } while (got < 0 && errno == EINTR);
    buffer_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got > 0) return ReadResult::kData;
    return got == 0 ? ReadResult::kEnd : ReadResult::kReset;
}

std::string Wire::take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
}

std::optional<std::string> Wire::takeHead(const Deadline& deadline, ReadResult* last) {
    *last = ReadResult::kData;
    std::size_t end = buffer_.find("\r\n\r\n");
    while (end == std::string::npos) {
        *last = fill(deadline);
        if (*last != ReadResult::kData) return std::nullopt;
        end = buffer_.find("\r\n\r\n");
    }
    std::string head = take(end + 4);
    head.resize(end);
    return head;
}

bool Wire::readable(milliseconds within) const {
    return waitFor(socket_.get(), POLLIN, Deadline(within));
}

void Wire::shutDown() { ::shutdown(socket_.get(), SHUT_RDWR); }

void Wire::endSending() { ::shutdown(socket_.get(), SHUT_WR); }

void Wire::abort() noexcept {
    const linger hard{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    aborted_ = true;
}

void Wire::finish() {
    if (!aborted_) ::shutdown(socket_.get(), SHUT_WR);
    socket_.reset();
}

std::uint16_t Wire::localPort() const { return portOf(socket_.get()); }

Fd listenLoopback(std::uint16_t port) {
    Fd socket = newSocket();
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), kBacklog) != 0) {
        throwErrno(cat("listen on 127.0.0.1:", port));
    }
    return socket;
}

std::uint16_t portOf(int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throwErrno("getsockname");
    }
    return ntohs(address.sin_port);
}

}  // namespace ociproxy::itest
