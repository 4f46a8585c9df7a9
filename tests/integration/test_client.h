#ifndef OCIPROXY_TESTS_INTEGRATION_TEST_CLIENT_H
#define OCIPROXY_TESTS_INTEGRATION_TEST_CLIENT_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "integration/wire.h"
#include "ociproxy/base/digest.h"

namespace ociproxy::itest {

// How a response ended, as far as its framing tells (RFC 9112 section 6.3).
enum class Ending : std::uint8_t {
    kComplete,
    kShort,      // the peer closed before the end
    kReset,      // the connection was reset before the end
    kMalformed,  // no HTTP
    kTimeout,    // nothing more came in time
};
const char* endingName(Ending ending);

// One response as it was on the wire. A plain value.
struct Response {
    Ending ending = Ending::kTimeout;
    int status = 0;  // 0: no head came
    Fields fields;
    std::string body;               // empty if bodies are not kept
    std::uint64_t bodySize = 0;
    std::string digest;             // sha256 of the body, once it has ended

    bool complete() const { return ending == Ending::kComplete; }
    std::string header(std::string_view name) const { return fields.get(name); }
    std::string summary() const;  // one line for messages
};

// A blocking HTTP/1.1 client on one connection that tells exactly what came. Sends
// what it is told, correct or not. One thread.
class TestClient {
public:
    // Connects to 127.0.0.1:port; throws SysError when that is refused.
    explicit TestClient(std::uint16_t port);
    // On a connection that is there already.
    explicit TestClient(Wire wire) : wire_(std::move(wire)), port_(0) {}

    // Large bodies: only their size and digest are kept.
    void forgetBodies() { keepBodies_ = false; }

    // Sends a request with a Host field, unless `fields` have one.
    void send(const std::string& method, const std::string& target, const Fields& fields = {});
    void sendRaw(const std::string& bytes);

    // The whole next response; 1xx are skipped.
    Response read();
    // In steps: the head, then the body as far as wanted, then the rest.
    Response readHead();
    // Reads on until the body has at least `size` bytes or has ended.
    void readBody(Response* response, std::uint64_t size);
    void finish(Response* response) { readBody(response, UINT64_MAX); }

    Response get(const std::string& target, const Fields& fields = {});
    Response head(const std::string& target, const Fields& fields = {});

    // Nothing arrives, neither bytes nor an end.
    bool silentFor(milliseconds time) const;
    bool hasInput() const { return wire_.readable(milliseconds(0)) || !wire_.buffer().empty(); }
    // The peer closes without sending anything more.
    bool closedByPeer();
    void leave() { wire_.finish(); }
    void reset();  // leaves with a RST
    std::uint16_t localPort() const { return wire_.localPort(); }

private:
    enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

    bool chooseFraming(const Response& response);
    bool readMore(Response* response);   // false: the response has ended
    bool readCounted(Response* response);
    bool readChunked(Response* response);
    bool nextChunk(Response* response);
    std::optional<std::string> takeLine(Response* response);
    void moveBody(std::uint64_t size, Response* response);
    bool fill(Response* response);       // false: the response has ended
    void end(Ending ending, Response* response);

    Wire wire_;
    std::uint16_t port_;
    bool keepBodies_ = true;
    bool headRequest_ = false;
    Framing framing_ = Framing::kNone;
    std::uint64_t left_ = 0;          // of the body, or of the chunk
    bool afterChunk_ = false;         // a chunk's CRLF is due
    bool ended_ = true;
    std::unique_ptr<Hasher> hasher_;
};

// One request on a connection of its own.
Response fetch(std::uint16_t port, const std::string& target, const Fields& fields = {});
// GET from the server that listens on the unix socket at `path`. Throws SysError.
Response fetchFrom(const std::string& path, const std::string& target);
Response fetchHead(std::uint16_t port, const std::string& target, const Fields& fields = {});

}  // namespace ociproxy::itest

#endif
