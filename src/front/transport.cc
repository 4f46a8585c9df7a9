#include "front/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

namespace ociproxy {

ssize_t Transport::receive(char* bytes, std::size_t size) noexcept {
    return ::recv(socket_, bytes, size, 0);
}

bool Transport::hasInput() noexcept {
    char next = 0;
    return ::recv(socket_, &next, 1, MSG_PEEK) > 0;
}

ssize_t Transport::send(const char* bytes, std::size_t size, bool more) noexcept {
    return ::send(socket_, bytes, size, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

ssize_t Transport::sendFile(int file, std::uint64_t offset, std::size_t size) noexcept {
    off_t from = static_cast<off_t>(offset);
    return ::sendfile(socket_, file, &from, size);
}

void Transport::finish() noexcept { ::shutdown(socket_, SHUT_WR); }

ssize_t Transport::discard(char* scratch, std::size_t size) noexcept {
    return ::recv(socket_, scratch, size, 0);
}

}  // namespace ociproxy
