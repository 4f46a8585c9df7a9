#ifndef OCIPROXY_SRC_FRONT_TLS_CHANNEL_H
#define OCIPROXY_SRC_FRONT_TLS_CHANNEL_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

struct ssl_ctx_st;
struct ssl_st;

namespace ociproxy {

// The server's side of TLS on a non-blocking socket, which it borrows. Made when the first
// byte has come; what an idle one holds is OpenSSL's state without buffers. The operations
// are those of Transport. One thread at a time.
class TlsChannel {
public:
    enum class Shake { kDone, kWait, kFailed };

    TlsChannel(ssl_ctx_st* context, int socket);  // throws std::bad_alloc
    ~TlsChannel();  // without a word to the client
    TlsChannel(const TlsChannel&) = delete;
    TlsChannel& operator=(const TlsChannel&) = delete;

    // Goes on with the handshake; kWait: when the socket is ready. After kFailed failure()
    // says why, and the client was sent an alert if TLS has one for it. Throws
    // std::bad_alloc.
    Shake shakeHands();
    const std::string& failure() const noexcept { return failure_; }
    bool resumed() const noexcept;

    ssize_t receive(char* bytes, std::size_t size) noexcept;
    bool pending() const noexcept { return !drained_; }
    ssize_t send(const char* bytes, std::size_t size, bool more) noexcept;
    ssize_t sendFile(int file, std::uint64_t offset, std::size_t size) noexcept;
    bool waitsForRoom() const noexcept { return waitsForRoom_; }
    // Tells the client that nothing more comes, unless the channel has failed.
    void sayGoodbye() noexcept;

private:
    Shake fail(std::string reason) noexcept;
    ssize_t failed(int result) noexcept;
    bool hold(const char* bytes, std::size_t size) noexcept;
    ssize_t write(const char* bytes, std::size_t size) noexcept;
    ssize_t writeBehindHeld(char* buffer, std::size_t size) noexcept;
    ssize_t sendFileByKernel(int file, std::uint64_t offset, std::size_t size) noexcept;

    const std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
    std::string held_;           // to be sent with what follows, in one record
    std::string failure_;
    std::optional<int> end_;     // of input: 0, or the errno that ended it
    bool drained_ = false;       // nothing comes before the socket is readable
    bool waitsForRoom_ = false;
    bool broken_ = false;        // no more calls but to free it
};

}  // namespace ociproxy

#endif
