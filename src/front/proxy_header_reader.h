#ifndef OCIPROXY_SRC_FRONT_PROXY_HEADER_READER_H
#define OCIPROXY_SRC_FRONT_PROXY_HEADER_READER_H

#include <string>

#include "front/proxy_header.h"

namespace ociproxy {

// Takes the PROXY header that a connection begins with from its socket, and not one byte
// more: what stands behind it is for whoever reads the socket next, TLS too. The socket is
// never left readable by bytes of an incomplete header, so that waiting for the rest is
// not a spin. One thread at a time.
class ProxyHeaderReader {
public:
    enum class Status { kIncomplete, kComplete, kRefused, kGone };

    // Takes what is there of it. REQUIRES: a non-blocking socket; kIncomplete so far.
    Status read(int socket);

    // After kComplete; see ProxyHeaderParser.
    const std::optional<ProxiedClient>& client() const noexcept { return parser_.client(); }

private:
    ProxyHeaderParser parser_;
    std::string header_;
};

}  // namespace ociproxy

#endif
