#include "front/connection.h"

#include <array>

#include "front/deadline_heap.h"
#include "front/exchange.h"
#include "front/proxy_header_reader.h"
#include "front/request_parser.h"
#include "front/transfer.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"

namespace ociproxy {
namespace {

constexpr std::size_t kStates = static_cast<std::size_t>(ConnectionState::kClosed) + 1;

constexpr std::array<const char*, kStates> kNames{
    "greeting", "securing", "idle",   "reading",   "queued", "sending",
    "blocked",  "parking",  "parked", "lingering", "closed"};

constexpr unsigned bit(ConnectionState state) { return 1U << static_cast<unsigned>(state); }

// From each state, the states that may follow. kSending to itself: the next turn.
constexpr std::array<unsigned, kStates> kFollowers{
    // kGreeting
    bit(ConnectionState::kSecuring) | bit(ConnectionState::kClosed),
    // kSecuring
    bit(ConnectionState::kGreeting) | bit(ConnectionState::kIdle) |
        bit(ConnectionState::kLingering) | bit(ConnectionState::kClosed),
    // kIdle; lingering: refused for being one too many
    bit(ConnectionState::kGreeting) | bit(ConnectionState::kReading) |
        bit(ConnectionState::kLingering) | bit(ConnectionState::kClosed),
    // kReading; sending: refused, or answered at once
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

// Where a connection in that state is counted; nullopt: nowhere.
std::optional<WorkerGauge> gaugeOf(ConnectionState state) noexcept {
    switch (state) {
        case ConnectionState::kGreeting:
        case ConnectionState::kSecuring: return WorkerGauge::kConnectionsSecuring;
        case ConnectionState::kIdle: return WorkerGauge::kConnectionsIdle;
        case ConnectionState::kReading: return WorkerGauge::kConnectionsReading;
        case ConnectionState::kQueued: return WorkerGauge::kConnectionsHandled;
        case ConnectionState::kSending: return WorkerGauge::kConnectionsSending;
        case ConnectionState::kBlocked: return WorkerGauge::kConnectionsBlocked;
        case ConnectionState::kParking:
        case ConnectionState::kParked: return WorkerGauge::kConnectionsFollowing;
        case ConnectionState::kLingering: return WorkerGauge::kConnectionsLingering;
        case ConnectionState::kClosed: break;
    }
    return std::nullopt;
}

}  // namespace

const char* stateName(ConnectionState state) noexcept {
    return kNames[static_cast<std::size_t>(state)];
}

Connection::Connection(std::uint64_t number, Fd connected, Peer from, Counters* counters)
    : id(number),
      peer(std::move(from)),
      socket(std::move(connected)),
      transport(socket.get()),
      deadline(DeadlineHeap::never()),
      scheduled(DeadlineHeap::never()),
      counters_(counters) {
    recount(ConnectionState::kClosed, ConnectionState::kIdle);
}

Connection::~Connection() {
    abandon();
}

void Connection::recount(ConnectionState before, ConnectionState after) noexcept {
    const std::optional<WorkerGauge> from = gaugeOf(before);
    const std::optional<WorkerGauge> to = gaugeOf(after);
    if (!counters_ || from == to) return;
    if (from) counters_->change(*from, -1);
    if (to) counters_->change(*to, 1);
}

void Connection::abandon() noexcept {
    recount(state_.exchange(ConnectionState::kClosed), ConnectionState::kClosed);
}

void Connection::enter(ConnectionState following) noexcept {
    const ConnectionState before = state_.load();
    if ((kFollowers[static_cast<std::size_t>(before)] & bit(following)) == 0) {
        const std::string step = cat("connection from ", stateName(before), " to ",
                                     stateName(following));
        assertionFailed(step.c_str(), __FILE__, __LINE__);
    }
    state_.store(following);
    recount(before, following);
}

bool Connection::claimParked() noexcept {
    ConnectionState expected = ConnectionState::kParked;
    if (!state_.compare_exchange_strong(expected, ConnectionState::kSending)) return false;
    recount(ConnectionState::kParked, ConnectionState::kSending);
    return true;
}

}  // namespace ociproxy
