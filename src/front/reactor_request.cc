// The reactor's part between a client's bytes and a request's reply.
#include <algorithm>
#include <cerrno>

#include "front/context.h"
#include "front/exchange.h"
#include "front/reactor.h"
#include "front/reactor_events.h"

namespace ociproxy {
namespace {

bool isInMemory(const Body& body) noexcept {
    if (const FileBody* file = std::get_if<FileBody>(&body)) return file->resident;
    return !std::holds_alternative<FollowBody>(body) && !std::holds_alternative<StreamBody>(body);
}

bool isReading(ConnectionState state) noexcept {
    return state == ConnectionState::kIdle || state == ConnectionState::kReading;
}

}  // namespace

// Until all that has arrived is read: what the transport holds no event tells of.
void Reactor::receive(const Shared& connection) {
    do {
        receiveOnce(connection);
    } while (holds(connection) && isReading(connection->state()) &&
             connection->transport.pending());
}

void Reactor::receiveOnce(const Shared& connection) {
    // Room for a head that is just too long, so that the parser is the one to say so.
    const std::size_t most = limits_.head + limits_.requestLine + 8;
    const std::size_t room = most - std::min(most, connection->input.size());
    const ssize_t got = connection->transport.receive(
        scratch_.data(), std::min(scratch_.size(), std::max<std::size_t>(room, 1)));
    if (got > 0) {
        takeBytes(connection, std::string_view(scratch_.data(), static_cast<std::size_t>(got)));
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        arm(connection, connection->transport.waitsForRoom(false) ? kRoom : kInput);
    } else if (got == 0 && connection->state() == ConnectionState::kReading) {
        refuse(connection, 400, "request head is incomplete");
    } else {
        close(connection);
    }
}

// `bytes` may be empty when there is input left from the previous request.
void Reactor::takeBytes(const Shared& connection, std::string_view bytes) {
    connection->input.append(bytes);
    if (connection->state() == ConnectionState::kIdle) {
        connection->enter(ConnectionState::kReading);
        connection->headStart = now();
        connection->parser = std::make_unique<RequestParser>(limits_);
        deadlines_.set(connection.get(), now() + context_->options.headerTimeout);
    }
    parse(connection);
}

void Reactor::parse(const Shared& connection) {
    RequestParser& parser = *connection->parser;
    switch (parser.advance(connection->input)) {
        case RequestParser::Status::kIncomplete: arm(connection, kInput); return;
        case RequestParser::Status::kRefused:
            refuse(connection, parser.refusal().status, parser.refusal().message);
            return;
        case RequestParser::Status::kComplete: submit(connection); return;
    }
}

// Hands a request to the handlers; while it is worked on nothing more is read.
void Reactor::submit(const Shared& connection) {
    std::shared_ptr<PendingRequest> pending = std::make_shared<PendingRequest>();
    pending->request = connection->parser->takeRequest();
    pending->request.peer = connection->peer.address;
    pending->request.peerPort = connection->peer.port;
    pending->request.received = now();
    pending->request.secure = connection->tls;
    if (!context_->options.trustedProxies.empty() && !connection->unnamed) {
        context_->nameClient(pending.get());
    }
    connection->input.erase(0, connection->parser->consumed());
    if (connection->input.empty()) std::string().swap(connection->input);
    connection->parser.reset();
    connection->pending = std::move(pending);
    deadlines_.set(connection.get(), DeadlineHeap::never());
    context_->count(Counter::kRequests);
    if (answerAtOnce(connection)) return;
    if (context_->handlers->push(connection, ConnectionState::kQueued) ==
        ConnectionQueue::Push::kFull) {
        refuse(connection, 503, "too many requests are waiting");
    }
}

bool Reactor::answerAtOnce(const Shared& connection) {
    PendingRequest& pending = *connection->pending;
    pending.reply = context_->application->immediateReply(pending.request);
    if (!pending.reply) return false;
    const bool head = pending.request.method == Method::kHead;
    if (head || isInMemory(pending.reply->body)) {
        sendNow(connection);
    } else {
        context_->senders->push(connection, ConnectionState::kSending);
    }
    return true;
}

// Through the inbox if more requests are there already: one after the other for each
// connection, and none of them at the cost of the stack.
void Reactor::sendNow(const Shared& connection) {
    connection->enter(ConnectionState::kSending);
    const ConnectionState next = sender_.turn(connection);
    if (next == ConnectionState::kSending) {
        context_->senders->push(connection, next);
    } else if (next == ConnectionState::kIdle &&
               (!connection->input.empty() || connection->transport.pending())) {
        context_->inbox.give(connection, next);
    } else {
        connection->enter(next);
        takeOne(connection);
    }
}

void Reactor::refuse(const Shared& connection, int status, std::string_view message) {
    Transfer::Options options;
    options.keepAlive = false;
    if (connection->pending) {
        options.method = connection->pending->request.method;
    } else {
        options.method = connection->parser->method();
        context_->count(Counter::kBadRequests);
    }
    connection->transfer = makeTransfer(context_, connection.get(),
                                        context_->refusal(status, message), options);
    deadlines_.set(connection.get(), DeadlineHeap::never());
    context_->senders->push(connection, ConnectionState::kSending);
}

}  // namespace ociproxy
