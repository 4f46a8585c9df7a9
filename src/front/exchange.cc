#include "front/exchange.h"

#include <utility>

#include "front/connection_queue.h"

namespace ociproxy {

ExchangeHandle::ExchangeHandle(std::shared_ptr<Connection> connection,
                               std::shared_ptr<PendingRequest> pending,
                               std::shared_ptr<ConnectionQueue> senders, const PaceLimits& pace)
    : connection_(std::move(connection)),
      pending_(std::move(pending)),
      senders_(std::move(senders)) {
    if (pending_->request.hasBody) {
        pending_->body =
            std::make_shared<RequestBodyReader>(connection_.get(), pending_->request, pace);
    }
}

// The sender answers for an exchange without a reply: the application may be gone here.
ExchangeHandle::~ExchangeHandle() {
    if (!replied_.exchange(true)) submit();
}

void ExchangeHandle::reply(Reply reply) noexcept {
    if (replied_.exchange(true)) return;
    pending_->reply = std::move(reply);
    submit();
}

void ExchangeHandle::submit() noexcept {
    if (pending_->body) pending_->body->release();
    senders_->push(std::move(connection_), ConnectionState::kSending);
}

}  // namespace ociproxy
