// Request targets and authorities (RFC 9112 3.2, RFC 3986). Pure functions.
#ifndef OCIPROXY_SRC_FRONT_REQUEST_TARGET_H
#define OCIPROXY_SRC_FRONT_REQUEST_TARGET_H

#include <optional>
#include <string>
#include <string_view>

namespace ociproxy {

struct RequestTarget {
    std::string target;     // origin-form, "*", or the authority of CONNECT
    std::string authority;  // of an absolute-form target, else empty
};

// nullopt when the target has none of the four forms, or one its method may not have.
std::optional<RequestTarget> parseTarget(std::string_view method, std::string_view text);

// host or host:port: a name of letters, digits, '-', '.', '_', '~', an IPv4 address or
// an IPv6 address in brackets. Narrower than RFC 3986: no percent escapes, no
// sub-delimiters, no user information, no empty host, no empty port.
bool isAuthority(std::string_view text) noexcept;

}  // namespace ociproxy

#endif
