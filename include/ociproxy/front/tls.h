#ifndef OCIPROXY_FRONT_TLS_H
#define OCIPROXY_FRONT_TLS_H

#include <array>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

struct ssl_ctx_st;

namespace ociproxy {

// What the TLS listeners of a FrontServer speak with: TLS 1.2 and 1.3, HTTP/1.1 by ALPN,
// no renegotiation, no compression. Made once, before processes are forked that inherit
// it; nothing is read again.
//
// Sessions are resumed by tickets (RFC 5077, RFC 8446 2.2), which any process with the
// same secret, certificate, authorities and day takes: nothing is kept here about them.
// A client that was let in with other authorities has to show its certificate again.
class TlsServer {
public:
    using TicketSecret = std::array<std::uint8_t, 32>;

    // PEM text; `name` says in messages what it is ("tls_key /etc/x.pem").
    struct Pem {
        std::string name;
        std::string text;
    };
    struct Options {
        Pem certificate;  // of the server, then those that lead from it to a root
        Pem key;          // of the first certificate, without a passphrase
        // Whose certificates clients have to show; nullopt: they need none.
        std::optional<Pem> clientCa;
        TicketSecret ticketSecret{};  // random; shared by who resumes each other's sessions
    };

    // Throws Error that names what cannot be used, never with anything of the key.
    explicit TlsServer(const Options& options);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    // One thread at a time, and not while it shakes hands: makes the ticket keys those
    // of the day of `wall`, if they are not. A ticket lives until midnight UTC at most.
    // Throws std::bad_alloc.
    void renewTicketKeys(std::time_t wall);

    // OpenSSL's; lives as long as this. Any thread.
    ssl_ctx_st* context() const noexcept;
    // When the server's certificate expires, as OpenSSL prints it.
    const std::string& expiry() const noexcept;
    bool expired() const noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
