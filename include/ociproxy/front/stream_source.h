#ifndef OCIPROXY_FRONT_STREAM_SOURCE_H
#define OCIPROXY_FRONT_STREAM_SOURCE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace ociproxy {

// Bytes that somebody else produces while they are sent, through a bounded buffer in
// memory: one object per reply, and the only reader of its bytes. Destroying it tells the
// producer that nobody wants the rest. look() and consume() are called by one sender
// thread at a time; the wake function is called by others.
class StreamSource {
public:
    enum class State : std::uint8_t {
        kRunning,   // more may come
        kComplete,  // what is ready is the rest
        kBroken,    // the rest will never come: cut the connection, whatever is ready
    };
    struct Look {
        State state = State::kRunning;
        std::string_view ready;  // the next bytes; valid, where they are, until consumed
    };

    virtual ~StreamSource() = default;

    virtual Look look() noexcept = 0;
    // Gives back the first `size` bytes of what was ready: there is room for others.
    virtual void consume(std::size_t size) noexcept = 0;
    // As GrowingBody::setWake().
    virtual void setWake(std::function<void()> wake) = 0;
};

}  // namespace ociproxy

#endif
