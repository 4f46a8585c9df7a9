// What tests of the front stand on: a FrontServer on a kernel-chosen loopback port, an
// application that does what the test says, files and growing bodies in memory, and a
// client that sends bytes as they are and reads replies strictly.
#ifndef OCIPROXY_TESTS_SUPPORT_FRONT_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_FRONT_FIXTURE_H

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ociproxy/base/fd.h"
#include "ociproxy/front/server.h"
#include "ociproxy/front/tls.h"
#include "support/test_certificates.h"

namespace ociproxy {

// No wait of a test is longer; reaching it is a failure, not a synchronization.
constexpr Millis kFrontPatience{60'000};

// Finished without pointers into the request.
struct FinishedCopy {
    bool hasRequest = false;
    std::string target;
    std::string peer;
    int status = 0;
    std::uint64_t bodyBytes = 0;
    bool complete = false;
    std::string cacheResult;
    int upstreamStatus = 0;
};

// Answers with `handler`; without one "METHOD TARGET" as bytes. Any thread.
class ScriptedApplication : public Application {
public:
    using Handler = std::function<void(std::shared_ptr<Exchange>)>;

    using Immediate = std::function<std::optional<Reply>(const Request&)>;

    void setHandler(Handler handler);
    // Without one there is no immediate reply. Before the server starts.
    void setImmediate(Immediate immediate) { immediate_ = std::move(immediate); }
    std::optional<Reply> immediateReply(const Request& request) noexcept override {
        return immediate_ ? immediate_(request) : std::nullopt;
    }
    void handle(std::shared_ptr<Exchange> exchange) noexcept override;
    Reply errorReply(int status, std::string_view message) noexcept override;
    void finished(const Finished& finished) noexcept override;

    // Waits until at least `count` requests have been handed over, or have finished.
    void waitHandled(std::size_t count);
    std::vector<FinishedCopy> waitFinished(std::size_t count);
    std::vector<std::string> handled() const;  // "METHOD TARGET" in order

private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Handler handler_;
    Immediate immediate_;
    std::vector<std::string> handled_;
    std::vector<FinishedCopy> finished_;
};

Reply bytesReply(std::string bytes, int status = 200);

// Pseudo-random bytes that differ at every offset.
std::string patternBytes(std::size_t size);
// An unnamed file with this content.
std::shared_ptr<const Fd> memoryFile(std::string_view content);
Reply fileReply(std::shared_ptr<const Fd> file, std::uint64_t offset, std::uint64_t size);

// A growing body whose steps the test takes. Any thread.
class TestBody : public GrowingBody {
public:
    explicit TestBody(std::optional<std::uint64_t> length = std::nullopt);
    ~TestBody() override;

    int descriptor() const noexcept override { return file_->get(); }
    Snapshot now() noexcept override;
    void setWake(std::function<void()> wake) override;

    void append(std::string_view bytes);
    void announce(std::uint64_t length);  // the length becomes known
    void promise(std::uint64_t readable);  // says so without writing
    void complete();
    void fail();
    bool hasWake() const;
    void waitUnwatched();  // until the front has ended its wakes

private:
    void change(const std::function<void()>& step);

    mutable std::mutex mutex_;
    std::condition_variable unwatched_;
    std::shared_ptr<const Fd> file_;
    Snapshot snapshot_;
    std::uint64_t written_ = 0;
    std::function<void()> wake_;
};

// Several growing bodies as one, so that each reply has an object of its own.
class TestCrowd {
public:
    explicit TestCrowd(std::shared_ptr<TestBody> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<GrowingBody> join();
    void wakeAll();

private:
    class Member;
    std::shared_ptr<TestBody> shared_;
    std::mutex mutex_;
    std::vector<std::weak_ptr<Member>> members_;
};

struct ClientReply {
    int status = 0;
    Headers headers;
    std::string head;
    std::string body;
    bool whole = false;  // false: ended before the end that the head promised

    // The first value, or "(none)".
    std::string field(std::string_view name) const;
};

// One connection to the server. One thread.
class FrontClient {
public:
    // With TLS: kClosed with close_notify, kTruncated without, kAlert with a fatal one.
    enum class End { kClosed, kReset, kTruncated, kAlert, kNone };

    explicit FrontClient(Fd socket);
    // Speaks TLS from here on; false if the handshake failed, and tlsError() says why.
    bool startTls(SSL_CTX* context, SSL_SESSION* resume = nullptr);
    const std::string& tlsError() const { return tlsError_; }
    SSL* ssl() const { return ssl_.get(); }
    void send(std::string_view bytes);      // all of it; fails the test otherwise
    bool trySend(std::string_view bytes);   // false: the connection is broken
    void get(const std::string& target) { send("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n"); }
    void shutdownSend();
    // REQUIRES: `head` tells whether the request was a HEAD.
    ClientReply read(bool head = false);
    ClientReply readHead();             // leaves the body unread
    void readRest(ClientReply* reply, bool head = false);  // of one whose head was read
    std::string readBytes(std::size_t size);  // fewer only at the end
    std::string readToEnd();
    End waitEnd();                      // REQUIRES: no byte comes before it
    End end() const { return end_; }
    void reset();                       // closes with a reset
    void close() { socket_.reset(); }
    int fd() const { return socket_.get(); }

private:
    bool more();
    ssize_t receiveTls(char* bytes, int size);
    bool readBody(ClientReply* reply, bool head);
    bool readChunks(std::string* body);
    std::string takeLine();

    Fd socket_;
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
    std::string tlsError_;
    std::string buffer_;
    End end_ = End::kNone;
};

class FrontFixture {
public:
    FrontFixture();
    ~FrontFixture();

    FrontServer::Options options;
    ScriptedApplication application;

    // While set, new fixtures speak TLS on their port, and so do the clients of connect():
    // for running tests a second time.
    static bool overTls;
    // The port speaks TLS. Before start().
    void speakTls(const TlsServer::Options& options);
    // What TLS clients of connect() use; REQUIRES: overTls was set.
    TestAuthority& authority() { return *authority_; }
    // A certificate for 127.0.0.1 and its key, of that authority.
    static TlsServer::Options tlsOptions(const TestAuthority& authority);

    void start();  // with `options`
    FrontServer& server() { return *server_; }
    void destroyServer() { server_.reset(); }
    // `receiveBuffer` bytes; 0: the system's choice.
    FrontClient connect(int receiveBuffer = 0);
    FrontClient connectPlain(int receiveBuffer = 0);
    FrontClient connectUnix();
    // One request on a connection of its own; everything until the end.
    std::string exchange(std::string_view request);
    void waitIdle();  // until the server has no connection

private:
    std::string directory_;
    Fd listener_;
    Fd unixListener_;
    std::uint16_t port_ = 0;
    std::unique_ptr<TestAuthority> authority_;
    TestAuthority::Context clientContext_{nullptr, &SSL_CTX_free};
    std::unique_ptr<TlsServer> tls_;
    std::unique_ptr<FrontServer> server_;
};

}  // namespace ociproxy

#endif
