#ifndef OCIPROXY_PROC_LISTENERS_H
#define OCIPROXY_PROC_LISTENERS_H

#include <memory>
#include <string>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

struct Identity;
struct ListenAddress;
class SocketPath;  // src/proc

// The listening sockets: made once by the master, shared by all who serve on them, so
// that connections wait in one queue per address and outlive a worker. Close-on-exec,
// SO_REUSEADDR, never SO_REUSEPORT: a second proxy on the same port must fail.
//
// "All addresses" is one IPv6 socket that takes IPv4 too; without IPv6 an IPv4 one.
// A unix socket (mode 0660) takes the place of one on which nobody answers; its path is
// removed with the last object that shares it, by the process that made it.
//
// Owns the sockets. Not synchronized.
class Listeners {
public:
    // Binds and listens; an address in use is tried again for `patience` (the last
    // process of a killed proxy may take a moment to go). Throws FatalError
    // (EX_UNAVAILABLE) that names the address.
    Listeners(const std::vector<ListenAddress>& addresses, Millis patience);
    // The same for a configuration that replaces the one `earlier` was made for: what is
    // listened on already, by the same words, is shared with it, and its queue with it.
    Listeners(const std::vector<ListenAddress>& addresses, const Listeners& earlier);
    // Sockets that somebody else has made, and that listen already. Throws FatalError
    // (EX_CONFIG) if one does not. They are shared by all later Listeners.
    explicit Listeners(std::vector<Fd> inherited);

    // Unix sockets that were made here become that user's and group's, for those who may
    // connect, and so that the path can be removed. Throws FatalError (EX_UNAVAILABLE).
    void giveTo(const Identity& identity) const;

    std::vector<int> descriptors() const;  // borrowed
    bool empty() const noexcept { return sockets_.empty(); }
    // Really bound: "127.0.0.1:41234, [::]:8080, unix:/run/x".
    std::string text() const;
    // For a process that does not serve: closes its copies.
    void close() noexcept { sockets_.clear(); }

private:
    struct Socket {
        std::string words;  // as in the configuration
        Fd fd;
        std::shared_ptr<SocketPath> path;  // of a unix socket of ours
    };
    static Socket listenOn(const ListenAddress& where, TimePoint deadline);
    static Socket share(const Socket& socket);
    std::size_t count(const std::string& words) const noexcept;
    // The one with these words that comes after `skip` others; nullptr: none.
    const Socket* find(const std::string& words, std::size_t skip) const noexcept;

    std::vector<Socket> sockets_;
    bool inherited_ = false;
};

}  // namespace ociproxy

#endif
