#ifndef OCIPROXY_SRC_FRONT_EXCHANGE_H
#define OCIPROXY_SRC_FRONT_EXCHANGE_H

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "front/request_body_reader.h"
#include "ociproxy/front/application.h"

namespace ociproxy {

class Connection;
class ConnectionQueue;

// A request between the end of its head and the end of its reply. Shared by its
// connection and its exchange; `reply` is written and the body read by the exchange before
// the connection is pushed to the senders, and looked at by the sender that pops it.
struct PendingRequest {
    Request request;
    std::optional<Reply> reply;  // stays empty if the exchange was dropped
    std::string client;  // as a trusted proxy names it; empty: the connection's peer
    std::shared_ptr<RequestBodyReader> body;  // nullptr: the request has none

    // Whether the next bytes of the connection are the next request's.
    bool bodyIsRead() const noexcept { return !request.hasBody || (body && body->complete()); }
};

// What the application holds. Knows the connection only to pass it on, and the queue
// rather than the server, so that it may outlive the server.
class ExchangeHandle final : public Exchange {
public:
    // `pace`: of the client that sends a body.
    ExchangeHandle(std::shared_ptr<Connection> connection,
                   std::shared_ptr<PendingRequest> pending,
                   std::shared_ptr<ConnectionQueue> senders, const PaceLimits& pace);
    ~ExchangeHandle() override;

    const Request& request() const noexcept override { return pending_->request; }
    RequestBody* body() noexcept override { return pending_->body.get(); }
    void reply(Reply reply) noexcept override;

private:
    void submit() noexcept;

    std::shared_ptr<Connection> connection_;
    std::shared_ptr<PendingRequest> pending_;
    std::shared_ptr<ConnectionQueue> senders_;
    std::atomic<bool> replied_{false};
};

}  // namespace ociproxy

#endif
