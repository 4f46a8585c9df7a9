#include "upstream/hop_body.h"

#include <algorithm>
#include <exception>

#include "ociproxy/upstream/failure.h"
#include "upstream/hop_connection.h"
#include "upstream/idle_connections.h"

namespace ociproxy {

namespace {

constexpr std::size_t kMaxDrain = 16 * 1024;
constexpr Millis kDrainTime{500};

BodyFraming readable(const BodyFraming& framing) noexcept {
    return framing.kind == BodyFraming::Kind::kUnknown ? BodyFraming{} : framing;
}

}  // namespace

HopBody::HopBody(Parts parts, const BodyFraming& framing)
    : parts_(std::move(parts)), reader_(parts_.connection.get(), readable(framing)) {
    if (framing.kind == BodyFraming::Kind::kUnknown) parts_.reusable = false;
    parts_.connection->setPatience(Patience::forSilence(parts_.silence));
    parts_.connection->setMinimumRate(MinimumRate(parts_.minRate, parts_.rateWindow, now()));
    if (reader_.complete()) finish();
}

HopBody::~HopBody() = default;

std::size_t HopBody::read(char* out, std::size_t size) {
    if (reader_.complete()) return 0;
    if (!parts_.connection) {
        throw UpstreamError(UpstreamFailure::kConnectionTerminated, "the connection is closed");
    }
    try {
        return readOpen(out, size);
    } catch (...) {
        parts_.connection.reset();
        throw;
    }
}

std::size_t HopBody::readOpen(char* out, std::size_t size) {
    const std::size_t got = reader_.read(out, size);
    if (reader_.complete()) finish();
    return got;
}

void HopBody::finish() {
    if (parts_.reusable) parts_.idle->put(parts_.key, std::move(parts_.connection));
    parts_.connection.reset();
}

void HopBody::drain(TimePoint deadline) noexcept {
    if (reader_.complete() || !parts_.reusable || !parts_.connection) return;
    try {
        parts_.connection->setPatience(Patience::until(std::min(deadline, now() + kDrainTime)));
        char buffer[4096];
        std::size_t total = 0;
        for (std::size_t got = 1; got != 0 && total < kMaxDrain; total += got) {
            got = read(buffer, sizeof buffer);
        }
    } catch (const std::exception&) {
        parts_.connection.reset();
    }
}

}  // namespace ociproxy
