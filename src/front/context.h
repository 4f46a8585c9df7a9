#ifndef OCIPROXY_SRC_FRONT_CONTEXT_H
#define OCIPROXY_SRC_FRONT_CONTEXT_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "front/connection_queue.h"
#include "front/doorkeeper.h"
#include "front/refusals.h"
#include "ociproxy/front/server.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {

enum class LogLevel : std::uint8_t;
struct PendingRequest;

// How far a server has gone towards its end; never back.
enum class Departure : std::uint8_t {
    kStaying,
    kRetiring,  // no new connections, and those there are get one more reply
    kDraining,  // and idle ones are closed
};

// What acceptors, reactor, handlers and senders of one server share: the queues between
// them, and how a request ends. Outlives all their threads. Any thread, except where a
// method takes a connection: then its owner.
class Context {
public:
    Context(const FrontServer::Options& options, Application* application);

    const FrontServer::Options options;
    Application* const application;
    // Handlers and senders are shared with exchanges and wake functions, which may
    // outlive the server.
    const std::shared_ptr<ConnectionQueue> handlers;
    const std::shared_ptr<ConnectionQueue> senders;
    ConnectionQueue handshakes;
    ReactorInbox inbox;
    std::atomic<Departure> departure{Departure::kStaying};
    std::atomic<std::size_t> connections{0};
    std::atomic<std::uint64_t> nextId{1};
    Doorkeeper door;
    Refusals refusals;

    bool leaving() const noexcept { return departure.load() != Departure::kStaying; }

    // A reply of the front itself; the connection ends after it.
    Reply refusal(int status, std::string_view message) noexcept;

    // Whom a request is from if it came from a trusted proxy (all are that connect through
    // a unix socket), as far as that proxy tells. REQUIRES: it has the connection's peer.
    void nameClient(PendingRequest* pending) const;

    // Ends what is in progress, if anything: no more wakes, one Application::finished().
    void finish(Connection* connection, bool complete) noexcept;

    // A handshake that led to nothing: counted, and logged for who looks for it.
    void noteTlsFailure(const Connection& connection, std::string_view cause) noexcept;

    void count(Counter counter, std::uint64_t amount = 1) noexcept;
    void log(LogLevel level, std::string_view message) noexcept;
};

}  // namespace ociproxy

#endif
