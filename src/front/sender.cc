#include "front/sender.h"

#include <functional>
#include <utility>

#include "front/context.h"
#include "front/exchange.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr std::uint64_t kTurnBytes = 1024 * 1024;

// Sets the mark first: if the connection is not parked yet, whoever parks it sees it.
void wake(const std::weak_ptr<Connection>& weak, const std::shared_ptr<ConnectionQueue>& senders) {
    const std::shared_ptr<Connection> connection = weak.lock();
    if (!connection) return;
    connection->woken.store(true);
    if (connection->claimParked()) senders->push(connection, ConnectionState::kSending);
}

bool isFinalStatus(int status) { return status >= 200 && status <= 599; }

}  // namespace

std::unique_ptr<Transfer> makeTransfer(Context* context, Connection* connection, Reply reply,
                                       Transfer::Options options) {
    const bool follows = (std::holds_alternative<FollowBody>(reply.body) ||
                          std::holds_alternative<StreamBody>(reply.body)) &&
                         options.method != Method::kHead;
    options.keepAlive = options.keepAlive && !reply.close && !context->leaving();
    options.pace.writeStall = context->options.writeStall;
    options.pace.minRate = context->options.minRate;
    options.pace.minRateWindow = context->options.minRateWindow;
    std::unique_ptr<Transfer> transfer = std::make_unique<Transfer>(std::move(reply), options);
    if (follows) {
        transfer->setWake([weak = connection->weak_from_this(), senders = context->senders] {
            wake(weak, senders);
        });
    }
    return transfer;
}

void Sender::serve(const std::shared_ptr<Connection>& connection) noexcept {
    ConnectionState next = turn(connection);
    // While nobody waits for a turn, passing it on would only change the thread.
    while (next == ConnectionState::kSending && context_->senders->unused()) {
        next = turn(connection);
    }
    if (next == ConnectionState::kSending) {
        context_->senders->push(connection, next);
    } else {
        context_->inbox.give(connection, next);
    }
}

ConnectionState Sender::turn(const std::shared_ptr<Connection>& connection) noexcept {
    try {
        return settle(connection.get(), send(connection.get()));
    } catch (const std::exception& failure) {
        return fail(connection.get(), failure.what());
    } catch (...) {
        return fail(connection.get(), "unknown exception while a reply was sent");
    }
}

// One reply's trouble ends its connection and nothing else.
ConnectionState Sender::fail(Connection* connection, const char* cause) noexcept {
    context_->log(LogLevel::kError, cause);
    connection->reset = true;
    return end(connection, false, ConnectionState::kClosed);
}

Transfer::Outcome Sender::send(Connection* connection) {
    connection->woken.store(false);  // before the body is looked at: no wake is lost
    if (!connection->transfer) begin(connection);
    return connection->transfer->turn(connection->transport, kTurnBytes);
}

// Makes the transfer of the reply that the application gave, or of a 500.
void Sender::begin(Connection* connection) {
    PendingRequest& pending = *connection->pending;
    Reply reply = pending.reply && isFinalStatus(pending.reply->status)
                      ? std::move(*pending.reply)
                      : context_->refusal(500, "request was not answered");
    Transfer::Options options;
    options.method = pending.request.method;
    options.minorVersion = pending.request.minorVersion;
    // A tunnel was asked for, or bytes follow that are no request: nothing after this.
    options.keepAlive = pending.request.keepAlive && pending.bodyIsRead() &&
                        pending.request.methodText != "CONNECT";
    connection->transfer = makeTransfer(context_, connection, std::move(reply), options);
}

ConnectionState Sender::settle(Connection* connection, Transfer::Outcome outcome) {
    Transfer& transfer = *connection->transfer;
    switch (outcome) {
        case Transfer::Outcome::kAgain: return ConnectionState::kSending;
        case Transfer::Outcome::kBlocked:
            transfer.pace.blocked(now(), transfer.delivered(connection->socket.get()));
            return ConnectionState::kBlocked;
        case Transfer::Outcome::kStarved: return ConnectionState::kParking;
        case Transfer::Outcome::kDone:
            return end(connection, true,
                       transfer.keepAlive() ? ConnectionState::kIdle
                                            : ConnectionState::kLingering);
        case Transfer::Outcome::kCut:
            logCut(*connection);
            connection->reset = true;
            return end(connection, false, ConnectionState::kClosed);
        case Transfer::Outcome::kGone: break;
    }
    return end(connection, false, ConnectionState::kClosed);
}

ConnectionState Sender::end(Connection* connection, bool complete,
                            ConnectionState state) noexcept {
    if (connection->transfer && connection->transfer->droppedFields() > 0) {
        context_->log(LogLevel::kWarning, "reply lost header fields that were not printable");
    }
    context_->finish(connection, complete);
    return state;
}

void Sender::logCut(const Connection& connection) noexcept {
    const Transfer& transfer = *connection.transfer;
    try {
        context_->log(LogLevel::kWarning,
                      cat("reply to ", connection.peer.text, " cut after ", transfer.bodyBytes(),
                          " body bytes: ",
                          transfer.error() != 0 ? errnoText(transfer.error())
                                                : "its body ended too early"));
    } catch (const std::bad_alloc&) {
        return;  // the line is not worth more trouble
    }
}

}  // namespace ociproxy
