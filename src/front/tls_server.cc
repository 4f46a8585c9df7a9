#include "ociproxy/front/tls.h"

#include <cstring>
#include <string_view>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

using Certificate = std::unique_ptr<X509, void (*)(X509*)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Memory = std::unique_ptr<BIO, int (*)(BIO*)>;

// Forward secrecy and authenticated encryption: what is left of TLS 1.2 without CBC and
// SHA-1. Every client of registries since Go 1.2 and OpenSSL 1.0.2 has these. Those of
// TLS 1.3 are OpenSSL's own.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// How long a session may be resumed. Of a client with a certificate not for long: it is
// not looked at again meanwhile.
constexpr long kSessionSeconds = 3600;
constexpr long kVerifiedSessionSeconds = 300;

constexpr std::time_t kDay = 24 * 3600;

[[noreturn]] void fail(const TlsServer::Pem& pem, const std::string& what) {
    const unsigned long code = ERR_peek_last_error();
    const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    throw Error(cat(pem.name, ": ", what, reason ? cat(" (", reason, ")") : ""));
}

Memory memory(const TlsServer::Pem& pem) {
    Memory out(BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size())), &BIO_free);
    if (!out) fail(pem, "out of memory");
    return out;
}

bool isEndOfPem(unsigned long code) noexcept {
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

std::vector<Certificate> certificatesOf(const TlsServer::Pem& pem) {
    std::vector<Certificate> out;
    const Memory text = memory(pem);
    ERR_clear_error();
    while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
        out.emplace_back(next, &X509_free);
    }
    if (!isEndOfPem(ERR_peek_last_error())) fail(pem, "a certificate cannot be read");
    ERR_clear_error();
    if (out.empty()) fail(pem, "there is no certificate in PEM form in it");
    return out;
}

// Nobody is there to be asked.
int refusePassphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

PrivateKey keyOf(const TlsServer::Pem& pem) {
    const Memory text = memory(pem);
    bool encrypted = false;
    ERR_clear_error();
    PrivateKey key(PEM_read_bio_PrivateKey(text.get(), nullptr, refusePassphrase, &encrypted),
                   &EVP_PKEY_free);
    if (!key) {
        ERR_clear_error();
        fail(pem, encrypted ? "it is encrypted; a key without a passphrase is needed"
                            : "there is no private key in PEM form in it");
    }
    return key;
}

// RFC 7301. A client that speaks other protocols only is refused by an alert: it would
// not understand our answers.
int chooseProtocol(SSL*, const unsigned char** out, unsigned char* size,
                   const unsigned char* offered, unsigned int offeredSize, void*) {
    constexpr std::string_view kHttp = "http/1.1";
    unsigned int at = 0;
    while (at < offeredSize && at + 1u + offered[at] <= offeredSize) {
        const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
        if (name == kHttp) {
            *out = offered + at + 1;
            *size = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
        at += 1u + offered[at];
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Poco::Net::Context::Ptr makeContext() {
    Poco::Net::Context::Params params;
    params.verificationMode = Poco::Net::Context::VERIFY_NONE;
    params.loadDefaultCAs = false;  // whose client certificates count is said explicitly
    params.dhUse2048Bits = true;
    params.cipherList = kCiphers;
    try {
        return new Poco::Net::Context(Poco::Net::Context::TLS_SERVER_USE, params);
    } catch (const Poco::Exception& e) {
        ERR_clear_error();
        throw Error(cat("cannot prepare TLS: ", e.displayText()));
    }
}

void restrict(SSL_CTX* native) {
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    // A client may close without close_notify: requests have an end of their own.
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_mode(native, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(native, 1);  // a record in one call instead of two
    SSL_CTX_set_alpn_select_cb(native, chooseProtocol, nullptr);
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
}

void identify(SSL_CTX* native, const TlsServer::Options& options) {
    const std::vector<Certificate> chain = certificatesOf(options.certificate);
    if (SSL_CTX_use_certificate(native, chain.front().get()) != 1) {
        fail(options.certificate, "the first certificate cannot be used");
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(native, chain[i].get()) != 1) {
            fail(options.certificate, "a certificate of the chain cannot be used");
        }
    }
    const PrivateKey key = keyOf(options.key);
    if (SSL_CTX_use_PrivateKey(native, key.get()) != 1 || SSL_CTX_check_private_key(native) != 1) {
        ERR_clear_error();
        fail(options.key, cat("it is not the key of ", options.certificate.name));
    }
}

void demandCertificates(SSL_CTX* native, const TlsServer::Pem& authorities) {
    for (const Certificate& authority : certificatesOf(authorities)) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(native), authority.get()) != 1 ||
            SSL_CTX_add_client_CA(native, authority.get()) != 1) {
            fail(authorities, "a certificate cannot be used");
        }
    }
    SSL_CTX_set_verify(native, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

std::string_view clientCaOf(const TlsServer::Options& options) {
    return options.clientCa ? std::string_view(options.clientCa->text) : std::string_view();
}

std::string_view viewOf(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace

class TlsServer::Impl {
public:
    explicit Impl(const Options& options);
    ~Impl() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

    void renewTicketKeys(std::time_t wall);
    SSL_CTX* native() const noexcept { return context_->sslContext(); }
    const std::string& expiry() const noexcept { return expiry_; }
    bool expired() const noexcept;

private:
    Sha256 ticketKey(std::uint8_t part) const;

    const Poco::Net::Context::Ptr context_;
    TicketSecret secret_;
    Sha256 identity_;  // of what a session was made for
    std::time_t day_ = -1;
    std::string expiry_;
};

TlsServer::Impl::Impl(const Options& options)
    : context_(makeContext()),
      secret_(options.ticketSecret),
      identity_(sha256Of(cat(viewOf(sha256Of(options.certificate.text)),
                             viewOf(sha256Of(clientCaOf(options)))))) {
    SSL_CTX* const ctx = native();
    restrict(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
    identify(ctx, options);
    if (options.clientCa) demandCertificates(ctx, *options.clientCa);
    SSL_CTX_set_timeout(ctx, options.clientCa ? kVerifiedSessionSeconds : kSessionSeconds);
    SSL_CTX_set_session_id_context(ctx, identity_.data(),
                                   static_cast<unsigned>(identity_.size()));
    const Memory text(BIO_new(BIO_s_mem()), &BIO_free);
    if (text) ASN1_TIME_print(text.get(), X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
    char* bytes = nullptr;
    const long size = text ? BIO_get_mem_data(text.get(), &bytes) : 0;
    expiry_.assign(bytes ? bytes : "", static_cast<std::size_t>(size));
    ERR_clear_error();  // setting up leaves entries in this thread's queue
}

bool TlsServer::Impl::expired() const noexcept {
    return X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(native()))) < 0;
}

// All parts have one length, so that hashing the secret in front of them will do.
Sha256 TlsServer::Impl::ticketKey(std::uint8_t part) const {
    std::string text(reinterpret_cast<const char*>(secret_.data()), secret_.size());
    text += viewOf(identity_);
    std::uint64_t day = static_cast<std::uint64_t>(day_);
    for (int i = 0; i < 8; ++i, day >>= 8) text += static_cast<char>(day & 0xff);
    text += static_cast<char>(part);
    const Sha256 out = sha256Of(text);
    OPENSSL_cleanse(text.data(), text.size());
    return out;
}

void TlsServer::Impl::renewTicketKeys(std::time_t wall) {
    if (wall / kDay == day_) return;
    day_ = wall / kDay;
    // A name of 16 bytes, then keys for HMAC and AES.
    std::vector<std::uint8_t> keys(
        static_cast<std::size_t>(SSL_CTX_get_tlsext_ticket_keys(native(), nullptr, 0)));
    for (std::size_t at = 0, part = 0; at < keys.size(); ++part) {
        const Sha256 piece = ticketKey(static_cast<std::uint8_t>(part));
        const std::size_t size = part == 0 ? 16 : std::min(piece.size(), keys.size() - at);
        std::memcpy(keys.data() + at, piece.data(), size);
        at += size;
    }
    SSL_CTX_set_tlsext_ticket_keys(native(), keys.data(), static_cast<int>(keys.size()));
    OPENSSL_cleanse(keys.data(), keys.size());
}

TlsServer::TlsServer(const Options& options) : impl_(std::make_unique<Impl>(options)) {}

TlsServer::~TlsServer() = default;

void TlsServer::renewTicketKeys(std::time_t wall) { impl_->renewTicketKeys(wall); }

ssl_ctx_st* TlsServer::context() const noexcept { return impl_->native(); }

const std::string& TlsServer::expiry() const noexcept { return impl_->expiry(); }

bool TlsServer::expired() const noexcept { return impl_->expired(); }

}  // namespace ociproxy
