#ifndef OCIPROXY_SRC_FRONT_SENDER_H
#define OCIPROXY_SRC_FRONT_SENDER_H

#include <cstdint>
#include <memory>

#include "front/connection.h"
#include "front/transfer.h"

namespace ociproxy {

class Context;

// What the sender threads do: one turn of at most a MiB per connection, then the next
// connection's. A connection that cannot go on leaves the senders (for the reactor, or
// parked until its growing body wakes it) and holds no thread. Any thread may run
// turns; a connection has one at a time.
class Sender {
public:
    explicit Sender(Context* context) : context_(context) {}

    // One turn. REQUIRES: the connection is in kSending and the caller's. Gives the state
    // that it is to enter: kSending, for the next turn, or one of the reactor's.
    ConnectionState turn(const std::shared_ptr<Connection>& connection) noexcept;
    // Turns until somebody else waits for one; then passes it on to whom it belongs.
    void serve(const std::shared_ptr<Connection>& connection) noexcept;

private:
    Transfer::Outcome send(Connection* connection);
    void begin(Connection* connection);
    ConnectionState settle(Connection* connection, Transfer::Outcome outcome);
    ConnectionState fail(Connection* connection, const char* cause) noexcept;
    ConnectionState end(Connection* connection, bool complete, ConnectionState state) noexcept;
    void logCut(const Connection& connection) noexcept;

    Context* context_;
};

// A transfer for the connection; wakes of a growing body push it to the senders.
// REQUIRES: the caller owns the connection.
std::unique_ptr<Transfer> makeTransfer(Context* context, Connection* connection, Reply reply,
                                       Transfer::Options options);

}  // namespace ociproxy

#endif
