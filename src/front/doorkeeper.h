#ifndef OCIPROXY_SRC_FRONT_DOORKEEPER_H
#define OCIPROXY_SRC_FRONT_DOORKEEPER_H

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "ociproxy/base/address.h"
#include "ociproxy/base/clock.h"

namespace ociproxy {

class Doorkeeper;

// One connection's place among those of a server, given up by the destructor. Movable; not
// synchronized. The doorkeeper outlives it or it has been left.
class Place {
public:
    Place() noexcept = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place() { leave(); }

    void leave() noexcept;

private:
    friend class Doorkeeper;
    enum class Kind : std::uint8_t { kNone, kAdmitted, kTurnedAway };

    Doorkeeper* keeper_ = nullptr;
    std::optional<std::uint64_t> client_;  // counted for that one
    Kind kind_ = Kind::kNone;
};

// Decides who may come into a server that has a limit for all connections and one for
// those of a single client, and who of those turned away is waited for until an answer was
// taken. A client is an IPv4 address or the /64 of an IPv6 address, which is what one
// network gets to choose addresses from. Constant time; what it remembers is bounded by
// the connections that there are. Any thread.
class Doorkeeper {
public:
    enum class Answer : std::uint8_t { kWelcome, kTooMany, kTooManyOfClient };
    struct Limits {
        std::size_t connections = 0;
        std::size_t ofClient = 0;    // 0: no limit
        std::size_t turnedAway = 0;  // waited for at a time
    };

    explicit Doorkeeper(const Limits& limits) : limits_(limits) {}

    // One of all; nobody's until the client is known.
    Answer admit(Place* place);
    // REQUIRES: admitted, and not for a client yet. Throws std::bad_alloc.
    Answer admitClient(Place* place, const IpAddress& client);
    // Makes `place`, which may be one of all, that of a connection that is only waited
    // for; false: there is none left, and `place` is left.
    bool turnAway(Place* place) noexcept;

    // Waits while neither an admission nor a refusal in order is possible, at most so long.
    // Whether one is.
    bool awaitRoom(Millis atMost);

private:
    friend class Place;
    void release(const Place& place) noexcept;
    bool hasRoom() const noexcept;

    const Limits limits_;
    std::mutex mutex_;
    std::condition_variable left_;
    std::size_t admitted_ = 0;
    std::size_t turnedAway_ = 0;
    std::unordered_map<std::uint64_t, std::size_t> clients_;
};

}  // namespace ociproxy

#endif
