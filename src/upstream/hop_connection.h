#ifndef OCIPROXY_SRC_UPSTREAM_HOP_CONNECTION_H
#define OCIPROXY_SRC_UPSTREAM_HOP_CONNECTION_H

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "upstream/byte_source.h"
#include "upstream/hop_socket.h"
#include "upstream/tls_session.h"

namespace ociproxy {

// A connection to one hop, with or without TLS, and the bytes that were read ahead. Owns
// its socket; one thread at a time. Failures are UpstreamErrors whose text is the cause
// alone.
class HopConnection : public ByteSource {
public:
    explicit HopConnection(HopSocket socket) : socket_(std::move(socket)) {}
    ~HopConnection() override = default;
    HopConnection(const HopConnection&) = delete;
    HopConnection& operator=(const HopConnection&) = delete;

    // As TlsSession. REQUIRES: nothing was read or written yet.
    void startTls(const Poco::Net::Context::Ptr& context, const std::string& host);

    const IpAddress& peer() const noexcept { return socket_.peer(); }
    // For all calls that follow.
    void setPatience(const Patience& patience) noexcept { socket_.setPatience(patience); }
    // As HopSocket, of bytes past TLS.
    void setMinimumRate(const MinimumRate& rate) noexcept { socket_.setMinimumRate(rate); }

    void writeAll(std::string_view data);
    std::size_t read(char* out, std::size_t size) override;
    int get() override;

    // Whether nothing is there to be read and the peer has not closed: what a
    // connection between two requests must be.
    bool quiet() const noexcept;
    // Whether a byte has come since the last call of writeAll().
    bool answered() const noexcept { return answered_; }

private:
    std::size_t receive(char* out, std::size_t size);

    HopSocket socket_;
    std::unique_ptr<TlsSession> tls_;
    std::vector<char> ahead_;
    std::size_t position_ = 0;
    bool answered_ = false;
};

}  // namespace ociproxy

#endif
