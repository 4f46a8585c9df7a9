#ifndef OCIPROXY_SRC_UPSTREAM_HOP_BODY_H
#define OCIPROXY_SRC_UPSTREAM_HOP_BODY_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ociproxy/base/clock.h"
#include "upstream/body_reader.h"

namespace ociproxy {

class HopConnection;
class IdleConnections;

// The body of one hop's answer. Owns the connection: gives it back to the idle ones as
// soon as the body has been read to its end, and closes it otherwise, so that no rest
// of a body is ever taken for the next answer. One thread.
class HopBody {
public:
    struct Parts {
        std::unique_ptr<HopConnection> connection;
        std::shared_ptr<IdleConnections> idle;
        std::string key;        // among the idle ones
        bool reusable = false;  // the peer keeps the connection open
        Millis silence{60'000};
        std::uint64_t minRate = 0;  // bytes per second over `rateWindow`; 0: any
        Millis rateWindow{30'000};
    };

    // A body of unknown framing counts as empty and ends the connection.
    HopBody(Parts parts, const BodyFraming& framing);
    ~HopBody();

    // As BodyReader; after a failure, and when the connection was closed, throws
    // kConnectionTerminated. Gives up after `silence`, and on what is too slow.
    std::size_t read(char* out, std::size_t size);
    // Reads a short rest that is likely to be there already, to save the connection.
    void drain(TimePoint deadline) noexcept;

private:
    std::size_t readOpen(char* out, std::size_t size);
    void finish();

    Parts parts_;
    BodyReader reader_;
};

}  // namespace ociproxy

#endif
