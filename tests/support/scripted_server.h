// A raw server on loopback that says exactly what a test tells it to, and remembers what
// it was asked.
#ifndef OCIPROXY_TESTS_SUPPORT_SCRIPTED_SERVER_H
#define OCIPROXY_TESTS_SUPPORT_SCRIPTED_SERVER_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ociproxy/base/fd.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace ociproxy {

struct ScriptedRequest {
    std::string head;  // with its empty line
    std::string method;
    std::string target;

    bool has(const std::string& name) const;
    // The first value, or an empty string.
    std::string field(const std::string& name) const;
};

class ScriptedServer;

// One connection, as the script that serves it sees it. Used by that script's thread.
class ScriptedPeer {
public:
    // False when the client has closed.
    bool readRequest(ScriptedRequest* request);
    // False when the client has gone.
    bool send(std::string_view bytes);
    // The same past TLS, if there is any.
    bool sendRaw(std::string_view bytes);
    // Returns when the client has closed, and drops what it still sends; or after
    // `milliseconds`, then with false.
    bool waitForEnd(int milliseconds = -1);
    // Ends the connection with a reset as soon as the script returns.
    void resetAtEnd();
    // From the first connection, 0.
    std::size_t number() const noexcept { return number_; }

private:
    friend class ScriptedServer;

    bool startTls(SSL_CTX* context);
    int receive(char* out, int size);

    ScriptedServer* server_ = nullptr;
    std::size_t number_ = 0;
    Fd fd_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, [](SSL*) {}};
    std::string buffer_;
};

// Listens on a port that the kernel chose and serves each connection on a thread of its
// own. The destructor ends all connections and joins.
class ScriptedServer {
public:
    using Script = std::function<void(ScriptedPeer&)>;
    using Responder = std::function<std::string(const ScriptedRequest&)>;

    // With `tls`, which must outlive the server, it shakes hands first.
    explicit ScriptedServer(Script script, SSL_CTX* tls = nullptr,
                            const std::string& address = "127.0.0.1");
    ~ScriptedServer();

    // Answers each request of a connection with what `responder` returns.
    static Script answering(Responder responder);
    // The same bytes for every request.
    static Script saying(const std::string& bytes);

    std::uint16_t port() const noexcept { return port_; }
    std::size_t accepted() const;
    std::vector<ScriptedRequest> requests() const;
    // REQUIRES: there was exactly one.
    ScriptedRequest onlyRequest() const;

private:
    friend class ScriptedPeer;

    void acceptLoop();
    void serve(ScriptedPeer* peer);
    void record(const ScriptedRequest& request);

    const Script script_;
    SSL_CTX* const tls_;
    Fd listener_;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    bool stopping_ = false;
    std::list<ScriptedPeer> peers_;
    std::vector<std::thread> threads_;
    std::vector<ScriptedRequest> requests_;
    std::thread acceptor_;
};

// A whole response with Content-Length; `fields` are lines that end with CR LF.
std::string plainAnswer(int status, const std::string& fields, const std::string& body);

}  // namespace ociproxy

#endif
