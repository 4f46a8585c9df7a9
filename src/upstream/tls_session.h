#ifndef OCIPROXY_SRC_UPSTREAM_TLS_SESSION_H
#define OCIPROXY_SRC_UPSTREAM_TLS_SESSION_H

#include <cstddef>
#include <memory>
#include <string>

#include <Poco/Net/Context.h>

struct ssl_st;

namespace ociproxy {

class HopSocket;

// TLS on a connected HopSocket, which does all the waiting. (Poco's secure sockets wait
// once per system call for as long as is configured and cannot tell why a certificate
// was refused.) One thread at a time; the socket must stay where it is and outlive this
// object. Failures are UpstreamErrors whose text is the cause alone.
class TlsSession {
public:
    // Shakes hands and verifies that the peer is `host` (RFC 9525). Throws
    // kTlsCertificate, kTlsProtocol, kConnectionTerminated, kResponseTimeout.
    TlsSession(HopSocket* socket, const Poco::Net::Context::Ptr& context,
               const std::string& host);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    // At least one byte; 0 at the end, with or without close_notify. Whatever goes wrong
    // now is kConnectionTerminated, but for kResponseTimeout.
    std::size_t read(char* out, std::size_t size);
    std::size_t write(const char* data, std::size_t size);
    // Whether bytes were received that nobody has read.
    bool pending() const noexcept;

private:
    void expect(const std::string& host);
    void shakeHands();
    bool goOn(int result);
    [[noreturn]] void failed();

    HopSocket& socket_;
    Poco::Net::Context::Ptr context_;
    std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
    bool established_ = false;
};

}  // namespace ociproxy

#endif
