#ifndef OCIPROXY_SRC_FRONT_TRANSPORT_H
#define OCIPROXY_SRC_FRONT_TRANSPORT_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <sys/types.h>

#include "front/tls_channel.h"

namespace ociproxy {

// The bytes of one connection, both ways, on a non-blocking socket: as they are, or through
// TLS once secure() was called. The operations tell what the system calls of their names
// do: a count, or -1 with errno. EAGAIN: nothing can be done before the socket is ready,
// for what waitsForRoom() says.
// Borrows the socket. Owned by its connection; one thread at a time.
class Transport {
public:
    explicit Transport(int socket) noexcept : socket_(socket) {}
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    void secure(std::unique_ptr<TlsChannel> channel) noexcept { tls_ = std::move(channel); }
    // nullptr: plain.
    TlsChannel* tls() const noexcept { return tls_.get(); }

    // 0: the client has ended what it sends.
    ssize_t receive(char* bytes, std::size_t size) noexcept;
    // Whether receive() would give something though the socket need not be readable: to
    // be asked before anybody waits for input.
    bool pending() const noexcept { return tls_ && tls_->pending(); }
    // Whether receive() would give something now.
    bool hasInput() noexcept;

    // `more`: something follows at once, so that a short packet need not be sent.
    ssize_t send(const char* bytes, std::size_t size, bool more) noexcept;
    // From a file, at `offset`. 0: the file ends before. An error may be the file's.
    ssize_t sendFile(int file, std::uint64_t offset, std::size_t size) noexcept;

    // After EAGAIN: whether the socket must have room for output, else input. `usually`:
    // what the operation is about.
    bool waitsForRoom(bool usually) const noexcept {
        return tls_ ? tls_->waitsForRoom() : usually;
    }

    // Ends what we send, in order; what was sent still arrives. With TLS never to be
    // called in the middle of a reply, so that such an end is seen as one.
    void finish() noexcept;
    // The same for a connection that is closed at once.
    void sayGoodbye() noexcept {
        if (tls_) tls_->sayGoodbye();
    }
    // Throws away what the client sends. As receive(); after finish() only.
    ssize_t discard(char* scratch, std::size_t size) noexcept;

private:
    const int socket_;
    std::unique_ptr<TlsChannel> tls_;
};

}  // namespace ociproxy

#endif
