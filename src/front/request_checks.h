// What must hold among the fields of a request once they are all there. Pure.
#ifndef OCIPROXY_SRC_FRONT_REQUEST_CHECKS_H
#define OCIPROXY_SRC_FRONT_REQUEST_CHECKS_H

#include <optional>
#include <string_view>

namespace ociproxy {

struct Request;

// Why a request is refused. `message` is a literal: nothing the client sent is echoed.
struct HeadRefusal {
    int status = 400;
    std::string_view message;
};

// Host (RFC 9112 3.2), message framing (6.1 to 6.3), Expect (RFC 9110 10.1.1) and
// Connection (7.6.1): fills in host, hasBody and keepAlive. `authority` is that of an
// absolute-form target and wins over Host.
std::optional<HeadRefusal> checkRequest(Request* request, std::string_view authority);

}  // namespace ociproxy

#endif
