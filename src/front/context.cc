#include "front/context.h"

#include <limits>

#include "front/exchange.h"
#include "front/forwarded.h"
#include "front/transfer.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

// Connections one too many that may linger until their client has read the 503.
constexpr std::size_t kTurnedAway = 64;

Doorkeeper::Limits limitsOf(const FrontServer::Options& options) {
    Doorkeeper::Limits limits;
    limits.connections = options.maxConnections;
    limits.ofClient = options.maxConnectionsPerClient;
    limits.turnedAway = kTurnedAway;
    return limits;
}

// A field that may fail to be added must not fail the refusal.
void addRetryAfter(Reply* reply) noexcept {
    try {
        if (!reply->headers.has("Retry-After")) reply->headers.add("Retry-After", "1");
    } catch (const std::bad_alloc&) {
        return;
    }
}

std::chrono::microseconds since(TimePoint from, TimePoint to) {
    return std::chrono::duration_cast<std::chrono::microseconds>(to - from);
}

Finished describe(const Connection& connection, bool complete) {
    Finished finished;
    finished.peer = connection.peer.text;
    finished.complete = complete;
    TimePoint from = connection.headStart;
    if (connection.pending) {
        finished.request = &connection.pending->request;
        if (!connection.pending->client.empty()) finished.peer = connection.pending->client;
        from = connection.pending->request.received;
    }
    finished.duration = since(from, now());
    if (const Transfer* transfer = connection.transfer.get()) {
        finished.status = transfer->status();
        finished.bodyBytes = transfer->bodyBytes();
        finished.cacheResult = transfer->cacheResult();
        if (!complete) finished.fileError = transfer->error();
        finished.upstreamStatus = transfer->upstreamStatus();
        if (transfer->begunAt()) finished.firstByte = since(from, *transfer->begunAt());
    }
    return finished;
}

}  // namespace

Context::Context(const FrontServer::Options& chosen, Application* served)
    : options(chosen),
      application(served),
      handlers(std::make_shared<ConnectionQueue>(chosen.maxQueued)),
      senders(std::make_shared<ConnectionQueue>(std::numeric_limits<std::size_t>::max())),
      handshakes(std::numeric_limits<std::size_t>::max()),
      door(limitsOf(chosen)),
      refusals(chosen.log, chosen.counters) {}

Reply Context::refusal(int status, std::string_view message) noexcept {
    Reply reply = application->errorReply(status, message);
    reply.close = true;
    if (reply.status == 503) addRetryAfter(&reply);
    return reply;
}

void Context::nameClient(PendingRequest* pending) const {
    Request& request = pending->request;
    if (request.peer && !isOneOf(options.trustedProxies, *request.peer)) return;
    const std::optional<ForwardedClient> client =
        forwardedClient(request.headers, options.trustedProxies);
    if (!client) return;
    request.peer = client->address;
    request.peerPort = client->port;
    pending->client = client->text();
}

void Context::finish(Connection* connection, bool complete) noexcept {
    if (!connection->pending && !connection->transfer) return;
    // No wake may find the connection between here and its next request.
    if (connection->transfer) connection->transfer->setWake({});
    // Nor may the application read its body any more.
    if (connection->pending && connection->pending->body) connection->pending->body->interrupt();
    const Finished finished = describe(*connection, complete);
    count(Counter::kBytesSent, finished.bodyBytes);
    application->finished(finished);
    connection->transfer.reset();
    connection->pending.reset();
    if (complete) connection->served = true;
}

void Context::noteTlsFailure(const Connection& connection, std::string_view cause) noexcept {
    count(Counter::kTlsFailures);
    if (!options.log || !options.log->enabled(LogLevel::kDebug)) return;
    try {
        log(LogLevel::kDebug,
            cat("TLS handshake with ", connection.peer.text, " failed: ", cause));
    } catch (const std::bad_alloc&) {
        return;  // the line is not worth more trouble
    }
}

void Context::count(Counter counter, std::uint64_t amount) noexcept {
    if (options.counters) options.counters->add(counter, amount);
}

void Context::log(LogLevel level, std::string_view message) noexcept {
    if (options.log) options.log->write(level, message);
}

}  // namespace ociproxy
