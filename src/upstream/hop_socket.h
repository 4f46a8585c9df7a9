#ifndef OCIPROXY_SRC_UPSTREAM_HOP_SOCKET_H
#define OCIPROXY_SRC_UPSTREAM_HOP_SOCKET_H

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "upstream/minimum_rate.h"

namespace ociproxy {

// How long a connection may be waited for: to a point in time and, in between, for
// that much silence. A plain value.
struct Patience {
    TimePoint deadline = TimePoint::max();
    Millis silence = Millis::max();

    static Patience until(TimePoint deadline) noexcept { return {deadline, Millis::max()}; }
    static Patience forSilence(Millis silence) noexcept { return {TimePoint::max(), silence}; }
};

// A connected TCP socket that never blocks, and the only place that waits for it: so
// one deadline bounds everything that is built on it, however few bytes the peer sends
// at a time. Movable; one thread at a time. Failures are UpstreamErrors whose text is
// the cause alone. SIGPIPE must be ignored.
class HopSocket {
public:
    // Throws kConnectionRefused or kConnectionTimeout.
    static HopSocket connect(const IpAddress& address, std::uint16_t port, TimePoint deadline);

    int fd() const noexcept { return fd_.get(); }
    // The address at the other end, as the kernel says.
    const IpAddress& peer() const noexcept { return peer_; }

    // Of what is read from now on any rate will do.
    void setPatience(const Patience& patience) noexcept {
        patience_ = patience;
        rate_.reset();
    }
    // What is read has to keep this rate, too, as long as the patience stays. The reader
    // says by received() what it got.
    void setMinimumRate(const MinimumRate& rate) noexcept { rate_ = rate; }
    void received(std::size_t count) noexcept {
        if (rate_) rate_->received(count, now());
    }
    // Waits for POLLIN or POLLOUT. Throws kResponseTimeout.
    void wait(short events);

    // At least one byte; 0 at the end.
    std::size_t read(char* out, std::size_t size);
    std::size_t write(const char* data, std::size_t size);

    // Whether there is something to read, the end included. Does not wait.
    bool readable() const noexcept;

private:
    HopSocket() = default;
    void startConnecting(const IpAddress& address, std::uint16_t port);
    void finishConnecting();
    void identifyPeer();

    Fd fd_;
    IpAddress peer_;
    Patience patience_;
    std::optional<MinimumRate> rate_;
};

}  // namespace ociproxy

#endif
