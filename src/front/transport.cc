#include "front/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

namespace ociproxy {

ssize_t Transport::receive(char* bytes, std::size_t size) noexcept {
    return tls_ ? tls_->receive(bytes, size) : ::recv(socket_, bytes, size, 0);
}

bool Transport::hasInput() noexcept {
    if (pending()) return true;
    char next = 0;
    return ::recv(socket_, &next, 1, MSG_PEEK) > 0;
}

ssize_t Transport::send(const char* bytes, std::size_t size, bool more) noexcept {
    if (tls_) return tls_->send(bytes, size, more);
    return ::send(socket_, bytes, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

ssize_t Transport::sendFile(int file, std::uint64_t offset, std::size_t size) noexcept {
    if (tls_) return tls_->sendFile(file, offset, size);
    off_t from = static_cast<off_t>(offset);
    return ::sendfile(socket_, file, &from, size);
}

void Transport::finish() noexcept {
    sayGoodbye();
    tls_.reset();
    ::shutdown(socket_, SHUT_WR);
}

ssize_t Transport::discard(char* scratch, std::size_t size) noexcept {
    return ::recv(socket_, scratch, size, 0);
}

}  // namespace ociproxy
