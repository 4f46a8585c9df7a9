#include "front/request_body_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <poll.h>
#include <sys/socket.h>

#include "front/connection.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/front/message.h"

namespace ociproxy {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// The head's checks have seen to it that the field is right.
std::optional<std::uint64_t> lengthOf(const Request& request) {
    const std::string* field = request.headers.find("Content-Length");
    if (!field) return std::nullopt;
    return parseUnsigned(*field);
}

// An HTTP/1.0 client does not know 100 (RFC 9110 10.1.1).
bool awaitsContinue(const Request& request) {
    return request.minorVersion > 0 && request.headers.has("Expect");
}

// Rounded up: waiting a moment too short would mean waiting again and again.
int millisUntil(TimePoint time) {
    const std::int64_t left = std::chrono::ceil<Millis>(time - now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

}  // namespace

RequestBodyReader::RequestBodyReader(Connection* connection, const Request& request,
                                     const PaceLimits& limits)
    : socket_(connection->socket.get()),
      length_(lengthOf(request)),
      connection_(connection),
      continueDue_(awaitsContinue(request)),
      pace_(limits) {
    OCIPROXY_ASSERT(request.hasBody);
}

void RequestBodyReader::release() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.store(false);
    connection_ = nullptr;
}

// The end of the socket wakes whoever waits for it; then the lock tells that he left.
void RequestBodyReader::interrupt() noexcept {
    if (!open_.exchange(false)) return;
    ::shutdown(socket_, SHUT_RDWR);
    const std::lock_guard<std::mutex> lock(mutex_);
    connection_ = nullptr;
}

RequestBody::Read RequestBodyReader::read(char* buffer, std::size_t size) {
    OCIPROXY_ASSERT(size > 0);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (final_) return Read{*final_, 0};
    if (!open_.load()) return Read{Status::kClosed, 0};
    return readNext(buffer, size);
}

RequestBody::Read RequestBodyReader::readNext(char* buffer, std::size_t size) {
    if (continueDue_) sendContinue();
    std::size_t stored = 0;
    while (stored == 0 && !final_) {
        stored = connection_->input.empty() ? receive(buffer, size) : takeInput(buffer, size);
    }
    return stored > 0 ? Read{Status::kData, stored} : Read{*final_, 0};
}

// Stores the body's bytes among `bytes` in `out`, which may be where `bytes` begins.
RequestBodyReader::Taken RequestBodyReader::take(std::string_view bytes, char* out,
                                                 std::size_t size) {
    if (!length_) return takeChunks(bytes, out, size);
    const std::uint64_t fitting = std::min(bytes.size(), size);
    const std::size_t count = static_cast<std::size_t>(std::min(fitting, *length_ - taken_));
    std::memmove(out, bytes.data(), count);
    taken_ += count;
    if (taken_ == *length_) final_ = Status::kEnd;
    return Taken{count, count};
}

RequestBodyReader::Taken RequestBodyReader::takeChunks(std::string_view bytes, char* out,
                                                       std::size_t size) {
    Taken taken;
    while (!final_ && taken.consumed < bytes.size() && taken.stored < size) {
        const ChunkedDecoder::Step step =
            decoder_.advance(bytes.substr(taken.consumed, size - taken.stored));
        if (!step.data.empty()) {
            std::memmove(out + taken.stored, step.data.data(), step.data.size());
        }
        taken.consumed += step.consumed;
        taken.stored += step.data.size();
        if (step.status == ChunkedDecoder::Status::kEnd) final_ = Status::kEnd;
        if (step.status == ChunkedDecoder::Status::kMalformed) final_ = Status::kMalformed;
    }
    taken_ += taken.stored;
    return taken;
}

// What came together with the head.
std::size_t RequestBodyReader::takeInput(char* buffer, std::size_t size) {
    std::string& input = connection_->input;
    const Taken taken = take(input, buffer, size);
    input.erase(0, taken.consumed);
    if (input.empty()) std::string().swap(input);
    return taken.stored;
}

std::size_t RequestBodyReader::receive(char* buffer, std::size_t size) {
    if (length_) size = static_cast<std::size_t>(std::min<std::uint64_t>(size, *length_ - taken_));
    const ssize_t got = receiveSome(buffer, size);
    if (got < 0 && errno == EINTR) return 0;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        await(false);
        return 0;
    }
    if (got <= 0) {
        final_ = open_.load() ? Status::kIncomplete : Status::kClosed;
        return 0;
    }
    const std::string_view bytes(buffer, static_cast<std::size_t>(got));
    const Taken taken = take(bytes, buffer, bytes.size());
    if (final_ == Status::kEnd) connection_->input = bytes.substr(taken.consumed);
    return taken.stored;
}

// All that this class reads.
ssize_t RequestBodyReader::receiveSome(char* buffer, std::size_t size) noexcept {
    return connection_->transport.receive(buffer, size);
}

// A client that sends already does not wait for it.
void RequestBodyReader::sendContinue() {
    continueDue_ = false;
    if (!connection_->input.empty()) return;
    std::string_view rest = kContinue;
    while (!rest.empty() && !final_) {
        const ssize_t sent = connection_->transport.send(rest.data(), rest.size(), false);
        if (sent >= 0) {
            rest.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            await(true);
        } else if (errno != EINTR) {
            final_ = Status::kIncomplete;
        }
    }
}

// Waits until the socket is ready for what was tried; false: it will not be, for the
// reason in final_.
bool RequestBodyReader::await(bool sending) {
    const bool room = connection_->transport.waitsForRoom(sending);
    const short events = room ? POLLOUT : POLLIN;
    const std::int64_t taken = static_cast<std::int64_t>(taken_);
    pace_.blocked(now(), taken);
    while (!final_) {
        pollfd waited{socket_, events, 0};
        const int ready = ::poll(&waited, 1, millisUntil(pace_.deadline()));
        if (!open_.load()) {
            final_ = Status::kClosed;
        } else if (ready > 0) {
            pace_.resumed(now(), taken);
            return true;
        } else if (ready < 0 && errno == ENOMEM) {
            throw std::bad_alloc();
        } else if (now() >= pace_.deadline() && pace_.tooSlow(now(), taken)) {
            final_ = Status::kTooSlow;
        }
    }
    return false;
}

}  // namespace ociproxy
