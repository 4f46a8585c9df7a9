#include "upstream/tls_session.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include "ociproxy/base/address.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/upstream/failure.h"
#include "upstream/hop_socket.h"

namespace ociproxy {

namespace {

int clampSize(std::size_t size) noexcept {
    return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

// What is left from earlier calls of this thread would be taken for the next one's.
void startCall() noexcept {
    ERR_clear_error();
    errno = 0;
}

std::string queuedError() {
    const unsigned long code = ERR_get_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    return reason == nullptr ? "TLS failure" : cat("TLS: ", reason);
}

}  // namespace

TlsSession::TlsSession(HopSocket* socket, const Poco::Net::Context::Ptr& context,
                       const std::string& host)
    : socket_(*socket), context_(context), ssl_(SSL_new(context->sslContext()), &SSL_free) {
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.fd()) != 1) {
        throw UpstreamError(UpstreamFailure::kTlsProtocol, queuedError());
    }
    expect(host);
    shakeHands();
}

TlsSession::~TlsSession() = default;

// The name that the certificate must carry, and the one that is asked for: an IP literal
// is not allowed in SNI (RFC 6066 3).
void TlsSession::expect(const std::string& host) {
    SSL* ssl = ssl_.get();
    bool done = false;
    if (IpAddress::parse(host)) {
        done = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        done = SSL_set1_host(ssl, host.c_str()) == 1 &&
               SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
    }
    if (!done) throw UpstreamError(UpstreamFailure::kTlsProtocol, queuedError());
}

void TlsSession::shakeHands() {
    int result = 0;
    do {
        startCall();
        result = SSL_connect(ssl_.get());
        if (result == 1) break;
    } while (goOn(result));
    if (result != 1) {
        throw UpstreamError(UpstreamFailure::kConnectionTerminated,
                            "connection closed within the TLS handshake");
    }
    // The handshake has failed before this if verification did.
    OCIPROXY_ASSERT(SSL_get_verify_result(ssl_.get()) == X509_V_OK);
    established_ = true;
}

std::size_t TlsSession::read(char* out, std::size_t size) {
    for (;;) {
        startCall();
        const int got = SSL_read(ssl_.get(), out, clampSize(size));
        if (got > 0) return static_cast<std::size_t>(got);
        if (!goOn(got)) return 0;
    }
}

std::size_t TlsSession::write(const char* data, std::size_t size) {
    for (;;) {
        startCall();
        const int sent = SSL_write(ssl_.get(), data, clampSize(size));
        if (sent > 0) return static_cast<std::size_t>(sent);
        if (!goOn(sent)) {
            throw UpstreamError(UpstreamFailure::kConnectionTerminated, "connection closed");
        }
    }
}

bool TlsSession::pending() const noexcept {
    return SSL_has_pending(ssl_.get()) != 0;
}

// Waits if the last call wants that. False at the end of the connection.
bool TlsSession::goOn(int result) {
    const int code = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: socket_.wait(POLLIN); return true;
    case SSL_ERROR_WANT_WRITE: socket_.wait(POLLOUT); return true;
    case SSL_ERROR_ZERO_RETURN: return false;
    case SSL_ERROR_SYSCALL:
        if (code == 0) return false;
        throw UpstreamError(UpstreamFailure::kConnectionTerminated, errnoText(code));
    default: failed();
    }
}

void TlsSession::failed() {
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        throw UpstreamError(UpstreamFailure::kTlsCertificate,
                            cat("certificate: ", X509_verify_cert_error_string(verdict)));
    }
    throw UpstreamError(established_ ? UpstreamFailure::kConnectionTerminated
                                     : UpstreamFailure::kTlsProtocol,
                        queuedError());
}

}  // namespace ociproxy
