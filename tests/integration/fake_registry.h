#ifndef OCIPROXY_TESTS_INTEGRATION_FAKE_REGISTRY_H
#define OCIPROXY_TESTS_INTEGRATION_FAKE_REGISTRY_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "integration/fake_server.h"
#include "integration/fake_tokens.h"

namespace ociproxy::itest {

// How requests for one path are answered other than honestly. A plain value.
struct Behaviour {
    std::string method;           // only requests of this method; empty: any
    int times = -1;               // only so many requests; -1: all
    int status = 0;               // this status instead of the content
    Fields fields;                // further fields of the answer: Location ...
    std::string body;             // with `status`
    std::shared_ptr<Gate> beforeHead;      // stop before the head
    std::shared_ptr<Gate> inBody;          // stop once `gateAt` bytes of the body are sent
    std::uint64_t gateAt = 0;
    std::optional<std::uint64_t> cutAfter; // close after so many bytes of the body
    bool resetOnCut = false;               // RST instead of FIN
    std::optional<std::uint64_t> flipAt;   // flip a bit of that byte of the content
    std::int64_t lengthError = 0;          // Content-Length says so many bytes more
    bool chunked = false;                  // no Content-Length
    bool lastChunk = true;
    bool ranges = true;                    // Range is honoured
    bool wrongContentRange = false;
    bool digestField = true;               // Docker-Content-Digest is sent
};

// A registry, CDN or token server that does what the test wants and remembers every
// request. Plain HTTP on 127.0.0.1. Everything may be called while requests run.
class FakeRegistry {
public:
    FakeRegistry();
    ~FakeRegistry();

    std::uint16_t port() const { return server_.port(); }
    std::string authority() const;  // "127.0.0.1:PORT"
    std::string url() const;        // "http://127.0.0.1:PORT"
    // Connections are refused until start().
    void stop();
    void start() { server_.start(); }
    std::uint64_t connections() const { return server_.connections(); }

    // Content. Blobs and manifests return their digest.
    std::string addBlob(const std::string& repository, const std::string& bytes);
    std::string addManifest(const std::string& repository, const std::string& bytes,
                            const std::string& mediaType, const std::string& tag = {});
    void addFile(const std::string& path, const std::string& bytes);

    // Behaviours of a path replace each other; "" stands for every path below /v2/.
    void behave(const std::string& path, const Behaviour& behaviour);
    void behaveWell(const std::string& path);

    // From now on requests below /v2/ need a token of `mint`.
    void requireTokens(std::shared_ptr<TokenMint> mint, const TokenChallenge& challenge);
    // Serves /token from `mint`.
    void serveTokens(std::shared_ptr<TokenMint> mint, const TokenReply& reply = {});

    // What was asked.
    std::vector<Received> requests() const;
    std::size_t count(const std::function<bool(const Received&)>& which) const;
    std::size_t count(const std::string& method, const std::string& path) const;
    std::size_t calls() const;       // below /v2/
    std::size_t blobGets() const;    // GET of any blob
    std::size_t blobGets(const std::string& digest) const;  // in any repository
    std::size_t blobHeads() const;
    std::size_t tokenCalls() const;  // to /token
    bool asked(const std::string& path) const;  // by any method
    // Fails the running test when there was none.
    Received lastRequest(const std::string& path) const;
    std::string describeRequests() const;
    void forgetRequests();

private:
    struct Content {
        std::string type;
        std::string digest;
        std::shared_ptr<const std::string> bytes;
    };
    struct Answer;

    bool answer(const Received& request, Wire& wire);
    Behaviour behaviourFor(const Received& request);
    Answer answerFor(const Received& request, const Behaviour& behaviour);
    Answer contentAnswer(const Received& request, const Behaviour& behaviour);
    Answer tokenAnswer();
    bool unauthorized(const Received& request) const;
    void openGates();

    mutable std::mutex mutex_;
    std::map<std::string, Content> contents_;
    std::map<std::string, Behaviour> behaviours_;
    std::vector<std::shared_ptr<Gate>> gates_;
    std::vector<Received> requests_;
    std::shared_ptr<TokenMint> accepted_;
    TokenChallenge challenge_;
    std::shared_ptr<TokenMint> mint_;
    TokenReply tokenReply_;
    FakeServer server_;  // last: its threads use the rest
};

std::string blobPath(const std::string& repository, const std::string& digest);
std::string manifestPath(const std::string& repository, const std::string& reference);

}  // namespace ociproxy::itest

#endif
