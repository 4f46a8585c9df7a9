#ifndef OCIPROXY_SRC_FRONT_CONNECTION_H
#define OCIPROXY_SRC_FRONT_CONNECTION_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "front/doorkeeper.h"
#include "front/transport.h"
#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

class Counters;
struct PendingRequest;
class ProxyHeaderReader;
class RequestParser;
class Transfer;

// What a connection does, and with it who owns it.
//
//   kGreeting <----> kSecuring --done--> kIdle        (of a TLS listener; refused: kLingering)
//   kIdle --bytes--> kReading --head--> kQueued --reply--> kSending --done--> kIdle
//                        |                                  |  ^   `-close--> kLingering
//                        `--refused, answered at once-----'    |
//                                     kBlocked, kParking <-----+  each may end in kClosed
//                                               kParked
enum class ConnectionState : std::uint8_t {
    kGreeting,   // reactor: waits to go on with a TLS handshake
    kSecuring,   // the thread that shakes hands or its queue
    kIdle,       // reactor: no byte of a head yet
    kReading,    // reactor: part of a head
    kQueued,     // a handler thread, then the application's exchange
    kSending,    // a sender thread or its queue; the reactor, for a reply from memory
    kBlocked,    // reactor: waits for room in the socket
    kParking,    // reactor: to be parked until a growing body has more
    kParked,     // nobody: whoever changes the state (wake function, reactor) owns it
    kLingering,  // reactor: end sent, input discarded until the client closes
    kClosed,
};
const char* stateName(ConnectionState state) noexcept;

struct Peer {
    std::optional<IpAddress> address;  // nullopt: not an internet socket
    std::uint16_t port = 0;
    std::string text;
};

// One client connection. Held by shared pointers, but owned (may be touched) by one
// thread at a time, as its state says; ownership passes with the state through queues
// whose locks order memory. The exceptions are the atomics, `next` (the queue's that
// holds the connection) and what is const. While idle it costs its descriptor and less
// than a KiB: buffer and parser exist only from the first byte of a head on.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    // `counters`: whose gauges follow its states; may be nullptr.
    Connection(std::uint64_t id, Fd socket, Peer peer, Counters* counters = nullptr);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    ConnectionState state() const noexcept { return state_.load(); }
    // The only way from state to state, but for claimParked() and abandon().
    // REQUIRES: called by the owner; a transition that exists.
    void enter(ConnectionState next) noexcept;
    // Takes a parked connection over into kSending. Any thread; one of them succeeds.
    bool claimParked() noexcept;
    // kClosed, whatever it was: when the server stops.
    void abandon() noexcept;

    const std::uint64_t id;

    // The owner's.
    Peer peer;    // as a PROXY header says, once that was read
    Place place;  // left when the connection is closed
    std::unique_ptr<ProxyHeaderReader> proxyHeader;  // of one that is still to come
    Fd socket;
    Transport transport;  // on that socket
    std::string input;  // bytes read and not yet consumed
    std::unique_ptr<RequestParser> parser;
    std::shared_ptr<PendingRequest> pending;  // between head and end of the reply
    std::unique_ptr<Transfer> transfer;       // while a reply is sent
    TimePoint headStart;  // of the first byte of the head; of a handshake: of its wait
    bool tls = false;                         // came by a TLS listener
    bool unnamed = false;  // its PROXY header named no client: it speaks for the proxy itself
    bool excess = false;                      // one too many: to be told so and let go
    bool served = false;                      // a reply was completed
    bool reset = false;  // closing discards what the kernel still holds

    // Set by the wake function of a growing body; cleared before the body is looked at.
    std::atomic<bool> woken{false};

    // The reactor's alone, in every state.
    bool adopted = false;
    std::uint32_t armed = 0;       // what epoll waits for; 0: nothing
    TimePoint deadline;            // see DeadlineHeap
    TimePoint scheduled;
    std::uint64_t lingerLeft = 0;

    // The queue's.
    std::shared_ptr<Connection> next;

private:
    void recount(ConnectionState before, ConnectionState after) noexcept;

    Counters* const counters_;
    std::atomic<ConnectionState> state_{ConnectionState::kIdle};
};

}  // namespace ociproxy

#endif
