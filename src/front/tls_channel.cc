#include "front/tls_channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

// Four full records; what one call reads from a file.
constexpr std::size_t kBufferSize = 64 * 1024;
// A head that fits is sent in one record with the body behind it.
constexpr std::size_t kMostHeld = 8 * 1024;

using Buffer = std::array<char, kBufferSize>;

// Of this thread; nullptr: no memory. Not on its stack, which is small.
Buffer* threadBuffer() noexcept {
    static thread_local std::unique_ptr<Buffer> buffer;
    if (!buffer) buffer.reset(new (std::nothrow) Buffer);
    return buffer.get();
}

// What is left from earlier calls of this thread would be taken for the next one's.
void startCall() noexcept {
    ERR_clear_error();
    errno = 0;
}

// What a resumed session was granted for may have ended since: each time a session is
// taken up the client gets a new one, but its certificate is not verified again.
bool isExpired(const X509* certificate) noexcept {
    return certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
}

std::string reasonOf(SSL* ssl, int code) {
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
    const unsigned long queued = ERR_peek_error();
    const char* const reason = queued == 0 ? nullptr : ERR_reason_error_string(queued);
    if (reason) return reason;
    return code != 0 ? errnoText(code) : "connection closed within the handshake";
}

}  // namespace

TlsChannel::TlsChannel(ssl_ctx_st* context, int socket) : ssl_(SSL_new(context), &SSL_free) {
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket) != 1) throw std::bad_alloc();
    SSL_set_accept_state(ssl_.get());
}

TlsChannel::~TlsChannel() = default;

TlsChannel::Shake TlsChannel::shakeHands() {
    startCall();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1 && !(resumed() && isExpired(SSL_get0_peer_certificate(ssl_.get())))) {
        return Shake::kDone;
    }
    if (result == 1) return fail(X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED));
    const int code = errno;
    failed(result);
    if (!broken_ && !end_) return Shake::kWait;
    return fail(reasonOf(ssl_.get(), code));
}

TlsChannel::Shake TlsChannel::fail(std::string reason) noexcept {
    failure_ = std::move(reason);
    broken_ = true;
    return Shake::kFailed;
}

bool TlsChannel::resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

// -1 and errno for a call that brought nothing, or 0 at the end of input.
ssize_t TlsChannel::failed(int result) noexcept {
    const int code = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            waitsForRoom_ = SSL_want_write(ssl_.get());
            errno = EAGAIN;
            return -1;
        case SSL_ERROR_ZERO_RETURN: end_ = 0; return 0;
        default: break;
    }
    // What is no TLS is the client's fault, like a reset.
    broken_ = true;
    end_ = code == 0 || code == EAGAIN ? ECONNRESET : code;
    errno = *end_;
    return -1;
}

// As much as there is, since no event tells of what is left inside.
ssize_t TlsChannel::receive(char* bytes, std::size_t size) noexcept {
    std::size_t got = 0;
    while (got < size && !end_) {
        std::size_t more = 0;
        startCall();
        if (SSL_read_ex(ssl_.get(), bytes + got, size - got, &more) == 1) {
            got += more;
            drained_ = SSL_has_pending(ssl_.get()) == 0;
            if (drained_) break;
        } else if (failed(0) < 0 && errno == EAGAIN) {
            drained_ = true;
            break;
        }
    }
    if (got > 0) return static_cast<ssize_t>(got);
    if (!end_) {
        errno = EAGAIN;
        return -1;
    }
    drained_ = false;  // the end stays to be read
    errno = *end_;
    return *end_ == 0 ? 0 : -1;
}

bool TlsChannel::hold(const char* bytes, std::size_t size) noexcept {
    if (held_.size() + size > kMostHeld) return false;
    try {
        held_.append(bytes, size);
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

// A record at a time, as far as the socket takes them. After EAGAIN the same bytes have to
// come again, which is what callers do.
ssize_t TlsChannel::write(const char* bytes, std::size_t size) noexcept {
    std::size_t total = 0;
    while (total < size && !broken_) {
        std::size_t sent = 0;
        startCall();
        if (SSL_write_ex(ssl_.get(), bytes + total, size - total, &sent) == 1) {
            total += sent;
        } else if (failed(0) == 0 || errno != EAGAIN) {
            broken_ = true;
        } else {
            break;
        }
    }
    if (total > 0) return static_cast<ssize_t>(total);
    if (broken_) errno = EPIPE;
    return -1;
}

// `buffer` has room for what is held in front of its `size` bytes, which begin behind that.
// Tells how many of the `size` were sent.
ssize_t TlsChannel::writeBehindHeld(char* buffer, std::size_t size) noexcept {
    const std::size_t held = held_.size();
    std::memcpy(buffer, held_.data(), held);
    const ssize_t sent = write(buffer, held + size);
    if (sent < 0) return sent;
    const std::size_t done = static_cast<std::size_t>(sent);
    held_.erase(0, done);
    if (held_.empty()) std::string().swap(held_);
    if (done > held) return static_cast<ssize_t>(done - held);
    errno = broken_ ? EPIPE : EAGAIN;
    return -1;
}

ssize_t TlsChannel::send(const char* bytes, std::size_t size, bool more) noexcept {
    if (more && hold(bytes, size)) return static_cast<ssize_t>(size);
    if (held_.empty()) return write(bytes, size);
    Buffer* const buffer = threadBuffer();
    if (!buffer) {
        errno = ENOMEM;
        return -1;
    }
    const std::size_t part = std::min(size, buffer->size() - held_.size());
    std::memcpy(buffer->data() + held_.size(), bytes, part);
    return writeBehindHeld(buffer->data(), part);
}

ssize_t TlsChannel::sendFile(int file, std::uint64_t offset, std::size_t size) noexcept {
    if (BIO_get_ktls_send(SSL_get_wbio(ssl_.get()))) return sendFileByKernel(file, offset, size);
    Buffer* const buffer = threadBuffer();
    if (!buffer) {
        errno = ENOMEM;
        return -1;
    }
    const std::size_t held = held_.size();
    const ssize_t got = ::pread(file, buffer->data() + held, std::min(size, buffer->size() - held),
                                static_cast<off_t>(offset));
    if (got <= 0) return got;
    return writeBehindHeld(buffer->data(), static_cast<std::size_t>(got));
}

ssize_t TlsChannel::sendFileByKernel(int file, std::uint64_t offset, std::size_t size) noexcept {
    while (!held_.empty()) {
        const ssize_t sent = write(held_.data(), held_.size());
        if (sent < 0) return sent;
        held_.erase(0, static_cast<std::size_t>(sent));
    }
    startCall();
    const ossl_ssize_t sent =
        SSL_sendfile(ssl_.get(), file, static_cast<off_t>(offset), size, 0);
    if (sent >= 0) return sent;
    const int code = errno;
    // An error may be the file's, as with sendfile(2): its errno tells.
    if (failed(static_cast<int>(sent)) < 0 && errno != EAGAIN && code != 0) errno = code;
    return -1;
}

void TlsChannel::sayGoodbye() noexcept {
    if (broken_ || !SSL_is_init_finished(ssl_.get())) return;
    startCall();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

}  // namespace ociproxy
