#ifndef OCIPROXY_SRC_FRONT_HANDSHAKER_H
#define OCIPROXY_SRC_FRONT_HANDSHAKER_H

#include <memory>
#include <string_view>

#include "front/connection.h"
#include "ociproxy/front/message.h"

namespace ociproxy {

class Context;

// Shakes hands with the clients of TLS listeners, a step whenever one has sent something.
// On a thread of its own: the signature of an RSA key takes a millisecond, during which
// the reactor would serve nobody. There is one, so that however many come at once they
// take one core of the worker's share, and wait for each other only.
class Handshaker {
public:
    // REQUIRES: context->options.tls.
    explicit Handshaker(Context* context);

    // REQUIRES: the connection is in kSecuring and the caller's.
    void serve(const std::shared_ptr<Connection>& connection) noexcept;

private:
    ConnectionState step(Connection* connection);
    ConnectionState begin(Connection* connection);
    ConnectionState shake(Connection* connection);
    ConnectionState refused(const Connection& connection, std::string_view cause);

    Context* context_;
    const Reply busy_;   // to one too many
    const Reply plain_;  // to who speaks no TLS
};

}  // namespace ociproxy

#endif
