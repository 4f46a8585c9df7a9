#include "front/connection.h"

#include <array>

#include "front/deadline_heap.h"
#include "front/exchange.h"
#include "front/request_parser.h"
#include "front/transfer.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

constexpr std::size_t kStates = static_cast<std::size_t>(ConnectionState::kClosed) + 1;

constexpr std::array<const char*, kStates> kNames{
    "idle", "reading", "queued", "sending", "blocked", "parking", "parked", "lingering", "closed"};

constexpr unsigned bit(ConnectionState state) { return 1U << static_cast<unsigned>(state); }

// From each state, the states that may follow. kSending to itself: the next turn.
constexpr std::array<unsigned, kStates> kFollowers{
    // kIdle; lingering: refused for being one too many
    bit(ConnectionState::kReading) | bit(ConnectionState::kLingering) |
        bit(ConnectionState::kClosed),
    // kReading; sending: refused
    bit(ConnectionState::kQueued) | bit(ConnectionState::kSending) |
        bit(ConnectionState::kClosed),
    // kQueued
    bit(ConnectionState::kSending) | bit(ConnectionState::kClosed),
    // kSending
    bit(ConnectionState::kSending) | bit(ConnectionState::kIdle) |
        bit(ConnectionState::kBlocked) | bit(ConnectionState::kParking) |
        bit(ConnectionState::kLingering) | bit(ConnectionState::kClosed),
    // kBlocked
    bit(ConnectionState::kSending) | bit(ConnectionState::kClosed),
    // kParking
    bit(ConnectionState::kParked) | bit(ConnectionState::kClosed),
    // kParked: left by claimParked() only
    0,
    // kLingering
    bit(ConnectionState::kClosed),
    // kClosed
    0};

}  // namespace

const char* stateName(ConnectionState state) noexcept {
    return kNames[static_cast<std::size_t>(state)];
}

Connection::Connection(std::uint64_t number, Fd connected, Peer from)
    : id(number),
      peer(std::move(from)),
      socket(std::move(connected)),
      deadline(DeadlineHeap::never()),
      scheduled(DeadlineHeap::never()) {}

Connection::~Connection() = default;

void Connection::enter(ConnectionState following) noexcept {
    const ConnectionState before = state_.load();
    if ((kFollowers[static_cast<std::size_t>(before)] & bit(following)) == 0) {
        const std::string step = cat("connection from ", stateName(before), " to ",
                                     stateName(following));
        assertionFailed(step.c_str(), __FILE__, __LINE__);
    }
    state_.store(following);
}

bool Connection::claimParked() noexcept {
    ConnectionState expected = ConnectionState::kParked;
    return state_.compare_exchange_strong(expected, ConnectionState::kSending);
}

}  // namespace ociproxy
