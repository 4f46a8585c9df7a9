#ifndef OCIPROXY_SRC_FRONT_ACCEPTOR_H
#define OCIPROXY_SRC_FRONT_ACCEPTOR_H

#include <atomic>

#include "front/connection.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/front/message.h"
#include "ociproxy/front/server.h"

struct sockaddr_storage;

namespace ociproxy {

class Context;

// Accepts from one listener that other processes share: blocking, because those who
// wait in accept4() are served in turn, which spreads connections evenly (epoll would
// wake the last one again and again). One thread; stops within kAcceptWait.
class Acceptor {
public:
    // `busy`: what a connection above the limits is answered.
    Acceptor(Context* context, const FrontServer::Listener& listener, const Reply& busy);

    void prepare();       // throws SysError
    void run() noexcept;  // the body of the thread; ends when stopped or draining
    void stop() noexcept { stopping_.store(true); }

private:
    void acceptOne();
    void failed(int code) noexcept;
    void take(Fd socket, const sockaddr_storage& address);
    bool admit(Place* place, const Peer& peer);
    void dismiss(const Fd& socket);
    void hand(Fd socket, Peer peer, Place place, bool excess);
    ConnectionState begin(Connection* connection, bool excess);

    Context* context_;
    const int listener_;
    const bool tls_;
    const bool proxyHeader_;  // connections begin with one
    const Reply busy_;
    std::atomic<bool> stopping_{false};
    TimePoint quietUntil_ = TimePoint::min();  // no further line on failures before
};

}  // namespace ociproxy

#endif
