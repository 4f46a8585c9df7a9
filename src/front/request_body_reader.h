#ifndef OCIPROXY_SRC_FRONT_REQUEST_BODY_READER_H
#define OCIPROXY_SRC_FRONT_REQUEST_BODY_READER_H

#include <atomic>
#include <mutex>
#include <string_view>
#include <sys/types.h>

#include "front/chunked_decoder.h"
#include "front/pace.h"
#include "ociproxy/front/request_body.h"

namespace ociproxy {

class Connection;
struct Request;

// Reads the body of a request from its connection while that is the exchange's: first what
// came with the head, then from the socket, on the application's thread, with poll(). Never
// reads beyond the body, but for bytes that came with the end of chunks: these go back to
// the connection's input, as part of the next request. The client's pace is judged as a
// reader's is: only time spent waiting for it counts.
//
// Shared by the exchange and its pending request.
class RequestBodyReader final : public RequestBody {
public:
    // REQUIRES: the request has a body. `connection` is the exchange's until release().
    // `limits`: their writeStall is the longest wait for the next byte.
    RequestBodyReader(Connection* connection, const Request& request, const PaceLimits& limits);

    std::optional<std::uint64_t> length() const noexcept override { return length_; }
    Read read(char* buffer, std::size_t size) override;

    // The exchange lets go of the connection. REQUIRES: no read() runs.
    void release() noexcept;
    // Ends a read() that waits, and all later ones; when it returns none runs. For who ends
    // the connection while it may still be the exchange's. Any thread; REQUIRES: the socket
    // is open, unless the body was released.
    void interrupt() noexcept;
    // Whether it was read to its end. REQUIRES: released.
    bool complete() const noexcept { return final_ == Status::kEnd; }

private:
    struct Taken {
        std::size_t consumed = 0;
        std::size_t stored = 0;
    };

    Read readNext(char* buffer, std::size_t size);
    Taken take(std::string_view bytes, char* out, std::size_t size);
    Taken takeChunks(std::string_view bytes, char* out, std::size_t size);
    std::size_t takeInput(char* buffer, std::size_t size);
    std::size_t receive(char* buffer, std::size_t size);
    ssize_t receiveSome(char* buffer, std::size_t size) noexcept;
    void sendContinue();
    bool await(bool sending);

    const int socket_;
    const std::optional<std::uint64_t> length_;
    std::mutex mutex_;              // held by who reads
    std::atomic<bool> open_{true};  // false: released or interrupted
    Connection* connection_;        // nullptr: likewise
    bool continueDue_;
    // Not kData; what was stored before it is given first.
    std::optional<Status> final_;
    std::uint64_t taken_ = 0;  // bytes of the body
    ChunkedDecoder decoder_;   // where there is no length
    Pace pace_;
};

}  // namespace ociproxy

#endif
