#ifndef OCIPROXY_PROXY_PROXY_H
#define OCIPROXY_PROXY_PROXY_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/front/application.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

class Log;
class LogFile;
class SharedState;
class Store;
class UpstreamClient;
class UpstreamDirectory;

// Which hits are hashed again while they are served.
enum class VerifyOnRead : std::uint8_t {
    kOff,
    kFirst,   // of each file the first in this process
    kAlways,  // all that come from disk
};

// What the product decides, in one worker: routes requests, serves hits from the
// store, claims and runs fills, lets requests follow fills of any worker, resolves
// tags, confirms links. The front hands it requests; it holds no sockets of clients.
//
// A request is planned again and again (src/proxy/plan.h) until there is a reply:
// waits hold no thread, upstream work runs on a bounded pool with two lanes, one for
// what is small (HEADs, manifests, tokens) and one for blob bodies.
//
// start() and stop() are called by one thread; the Application's methods by any. The
// front that it serves is stopped first: bodies that it still sends refer to this.
class Proxy : public Application {
public:
    struct Options {
        WorkerId self;
        SharedState* shared = nullptr;
        Store* store = nullptr;
        UpstreamClient* client = nullptr;
        const UpstreamDirectory* directory = nullptr;
        Log* log = nullptr;
        LogFile* accessLog = nullptr;
        std::string instanceId;                     // as in UpstreamClient::Options
        std::optional<Millis> followAfter{Millis{2'000}};  // nullopt: never
        bool unverifiedRanges = true;
        VerifyOnRead verifyOnRead = VerifyOnRead::kOff;
        unsigned smallThreads = 16;                 // upstream work that is short
        unsigned fillThreads = 24;                  // blob bodies
        unsigned fillsPerUpstream = 16;
        unsigned passThreads = 32;                  // bodies that go past the store
        Millis firstByteTimeout{25'000};
        Millis failureKeep{1'500};                  // shared memory of failures
        std::uint64_t finishBelow = 64 * 1024 * 1024;  // smaller fills go on unwanted
        bool keepPartials = true;                   // of fills that failed
        std::size_t openFiles = 512;                // of recent hits
        std::int64_t linkTtl = 24 * 3600;           // seconds
        std::int64_t staleMax = 7 * 24 * 3600;      // seconds
    };

    explicit Proxy(const Options& options);
    ~Proxy() override;  // stop() if still running

    // Starts the threads that watch the claim table and work for upstreams.
    void start();
    // Whether a fill of this worker is running: a draining worker lets it end.
    bool filling() const noexcept;
    // Ends waiting requests with 503 and joins the threads; a fill that runs is cut
    // and orphaned by the caller's exit. May take as long as an upstream is silent:
    // a worker in a hurry leaves by _exit instead.
    void stop();

    std::optional<Reply> immediateReply(const Request& request) noexcept override;
    void handle(std::shared_ptr<Exchange> exchange) noexcept override;
    Reply errorReply(int status, std::string_view message) noexcept override;
    void finished(const Finished& finished) noexcept override;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
