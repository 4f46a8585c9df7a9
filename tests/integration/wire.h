// Raw sockets and HTTP/1.1 heads for the fake registry and the test client. Written
// for the tests alone, so that a fault of the product's own parsers cannot hide.
#ifndef OCIPROXY_TESTS_INTEGRATION_WIRE_H
#define OCIPROXY_TESTS_INTEGRATION_WIRE_H

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "integration/patience.h"
#include "ociproxy/base/fd.h"

namespace ociproxy::itest {

// Header fields in order of arrival; names compare without case. A plain value.
class Fields {
public:
    Fields() = default;
    Fields(std::initializer_list<std::pair<std::string, std::string>> fields)
        : fields_(fields) {}

    void add(std::string name, std::string value);
    // The first value of that name; empty if there is none.
    std::string get(std::string_view name) const;
    bool has(std::string_view name) const { return count(name) > 0; }
    std::size_t count(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }
    std::string text() const;  // "Name: value\r\n"...

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// A head: the first line and the fields. A plain value.
struct Head {
    std::string firstLine;
    Fields fields;
};
// Parses what stands before the empty line; nullopt when it is no HTTP head.
std::optional<Head> parseHead(std::string_view text);

enum class ReadResult : std::uint8_t { kData, kEnd, kReset, kTimeout };

// A connected stream socket with a read buffer. One thread at a time, except that
// shutDown() may be called by another one to wake it.
class Wire {
public:
    explicit Wire(Fd socket) : socket_(std::move(socket)) {}
    static Wire connectLoopback(std::uint16_t port);
    static Wire connectPath(const std::string& path);  // of a unix socket

    // False when the peer is gone or does not read in time.
    bool send(std::string_view bytes);
    // Reads once more into the buffer.
    ReadResult fill(const Deadline& deadline);
    const std::string& buffer() const { return buffer_; }
    // Removes the first `size` bytes of the buffer.
    std::string take(std::size_t size);
    // The next head, without the empty line; nullopt at the end of the stream.
    std::optional<std::string> takeHead(const Deadline& deadline, ReadResult* last);

    bool readable(milliseconds within) const;  // bytes or the end
    void shutDown();
    void endSending();      // FIN, and reads on
    void abort() noexcept;  // makes finish() send a RST
    void finish();          // FIN: what was sent arrives
    std::uint16_t localPort() const;
    int descriptor() const { return socket_.get(); }

private:
    Fd socket_;
    std::string buffer_;
    bool aborted_ = false;
};

// A listening socket on 127.0.0.1; port 0 lets the kernel choose.
Fd listenLoopback(std::uint16_t port);
std::uint16_t portOf(int socket);

}  // namespace ociproxy::itest

#endif
