#include "front/doorkeeper.h"

#include <utility>

#include "ociproxy/base/error.h"

namespace ociproxy {
namespace {

constexpr std::size_t kNetworkBytes = 8;  // of an IPv6 address
constexpr std::size_t kV4Offset = 12;

// IPv4 addresses share a range with IPv6 multicast, from where nobody connects.
std::uint64_t keyOf(const IpAddress& client) noexcept {
    const bool v4 = client.isV4();
    const std::size_t first = v4 ? kV4Offset : 0;
    const std::size_t end = v4 ? client.bytes().size() : kNetworkBytes;
    std::uint64_t key = v4 ? 0xffffffff : 0;
    for (std::size_t i = first; i < end; ++i) key = key << 8 | client.bytes()[i];
    return key;
}

}  // namespace

Place::Place(Place&& other) noexcept { *this = std::move(other); }

Place& Place::operator=(Place&& other) noexcept {
    if (this == &other) return *this;
    leave();
    keeper_ = other.keeper_;
    client_ = other.client_;
    kind_ = std::exchange(other.kind_, Kind::kNone);
    return *this;
}

void Place::leave() noexcept {
    if (kind_ == Kind::kNone) return;
    keeper_->release(*this);
    kind_ = Kind::kNone;
    client_.reset();
}

Doorkeeper::Answer Doorkeeper::admit(Place* place) {
    OCIPROXY_ASSERT(place->kind_ == Place::Kind::kNone);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (admitted_ >= limits_.connections) return Answer::kTooMany;
    ++admitted_;
    place->keeper_ = this;
    place->kind_ = Place::Kind::kAdmitted;
    return Answer::kWelcome;
}

Doorkeeper::Answer Doorkeeper::admitClient(Place* place, const IpAddress& client) {
    OCIPROXY_ASSERT(place->kind_ == Place::Kind::kAdmitted && !place->client_);
    if (limits_.ofClient == 0) return Answer::kWelcome;
    const std::uint64_t key = keyOf(client);
    const std::lock_guard<std::mutex> lock(mutex_);
    std::size_t& count = clients_[key];
    if (count >= limits_.ofClient) return Answer::kTooManyOfClient;
    ++count;
    place->client_ = key;
    return Answer::kWelcome;
}

bool Doorkeeper::turnAway(Place* place) noexcept {
    place->leave();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (turnedAway_ >= limits_.turnedAway) return false;
    ++turnedAway_;
    place->keeper_ = this;
    place->kind_ = Place::Kind::kTurnedAway;
    return true;
}

void Doorkeeper::release(const Place& place) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (place.client_) {
        const auto found = clients_.find(*place.client_);
        if (--found->second == 0) clients_.erase(found);
    }
    --(place.kind_ == Place::Kind::kAdmitted ? admitted_ : turnedAway_);
    left_.notify_all();
}

bool Doorkeeper::hasRoom() const noexcept {
    return admitted_ < limits_.connections || turnedAway_ < limits_.turnedAway;
}

bool Doorkeeper::awaitRoom(Millis atMost) {
    std::unique_lock<std::mutex> lock(mutex_);
    return left_.wait_for(lock, atMost, [this] { return hasRoom(); });
}

}  // namespace ociproxy
