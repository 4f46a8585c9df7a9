#ifndef OCIPROXY_FRONT_SERVER_H
#define OCIPROXY_FRONT_SERVER_H

#include <cstdint>
#include <memory>
#include <vector>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/front/application.h"

namespace ociproxy {

class Counters;
class Log;
class TlsServer;

// The HTTP/1.1 server of one worker process: an acceptor thread per listener
// (blocking accept4 with SO_RCVTIMEO on the shared socket, so that connections
// spread evenly over workers), one epoll reactor that parks idle connections and
// collects heads against deadlines, a bounded pool of handler threads and a few
// sender threads; with a TLS listener one thread that shakes hands. Idle connections,
// slow readers and requests that wait for a fill hold no thread.
//
// Strict (RFC 9110, 9112): what is not understood is refused and
// the connection closed, lingering, so that the answer is not eaten by a reset. A body
// is read by the application or not at all: then the connection is closed after the
// reply, and nothing of it is ever taken for a request.
//
// start() and stop() are called by one thread.
class FrontServer {
public:
    // A listening socket, borrowed.
    struct Listener {
        Listener(int listening, bool speaksTls = false, bool header = false)
            : socket(listening), tls(speaksTls), proxyHeader(header) {}
        int socket;
        bool tls;
        bool proxyHeader;  // connections begin with a header of the PROXY protocol
    };
    struct Options {
        std::vector<Listener> listeners;
        TlsServer* tls = nullptr;  // of listeners that speak TLS; borrowed, for it alone
        unsigned handlers = 8;
        unsigned senders = 4;
        // Whose word on clients' addresses counts: PROXY headers, Forwarded.
        std::vector<Network> trustedProxies;
        std::size_t maxConnections = 10'000;  // above: a canned 503, then close
        std::size_t maxConnectionsPerClient = 0;  // likewise; 0: no limit
        std::size_t maxQueued = 4'096;        // requests waiting for a handler; above: 503
        std::size_t maxRequestLine = 16 * 1024;
        std::size_t maxHead = 128 * 1024;
        std::size_t maxFields = 128;
        std::size_t maxRangeField = 64 * 1024;
        Millis headerTimeout{10'000};  // first byte of a head to its last: 408; of a PROXY header
        Millis keepAliveTimeout{30'000};
        Millis writeStall{15'000};        // counted only while bytes are ready
        std::uint64_t minRate = 1024;     // bytes per second over minRateWindow, likewise
        Millis minRateWindow{30'000};
        Millis bodyTimeout{30'000};  // for the next byte of a request's body; minRate holds too
        Millis lingerTimeout{5'000};  // for the client to take a last reply and close
        Log* log = nullptr;
        Counters* counters = nullptr;
    };

    FrontServer(const Options& options, Application* application);
    ~FrontServer();  // stop() if still running
    FrontServer(const FrontServer&) = delete;
    FrontServer& operator=(const FrontServer&) = delete;

    // Starts all threads; when it returns connections are accepted. Throws Error.
    void start();
    // Stops accepting (an acceptor that waits ends within 250 ms; whom it still takes is
    // served like all others); every connection, idle or not, ends with "Connection: close" on
    // its next reply or when it has been idle for too long: a client whose request is
    // on its way does not find the door shut. Returns at once.
    void retire();
    // The same in haste: idle connections are closed (one that has not made its first
    // request gets 3 s for it), the others end with "Connection: close" on their next
    // reply. Returns at once.
    void drain();
    // Whether no connection is left; while leaving also: and none can come.
    bool idle() const noexcept;
    // Closes everything and joins all threads. Exchanges still held by the
    // application may be replied to later, to no effect.
    void stop();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
