// Every fault of an upstream and every shape of a request: no complete answer is wrong,
// each ends in time, and once the upstream is well again it is right.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <mutex>

#include "integration/integration_test.h"
#include "integration/upstream_faults.h"

namespace ociproxy::itest {

namespace {

using std::chrono::steady_clock;

constexpr unsigned kThreads = 24;
constexpr unsigned kTogether = 16;
constexpr std::size_t kSize = 200 * kKiB;
constexpr std::size_t kFirst = 1'000;
constexpr std::size_t kLast = 1'999;

enum class Shape { kGet, kHead, kRange, kFollowers, kTag };
constexpr Shape kShapes[] = {Shape::kGet, Shape::kHead, Shape::kRange, Shape::kFollowers,
                             Shape::kTag};
constexpr const char* kShapeNames[] = {"GET", "HEAD", "range", "16 followers", "tag"};

// One field of the matrix; a repository of its own.
struct Case {
    const UpstreamFault* fault = nullptr;
    Shape shape = Shape::kGet;
    std::string path;  // in the upstream
    std::string target;
    Resource resource;
    std::atomic<bool> well{false};
    std::atomic<unsigned> gets{0};

    std::string name() const {
        return cat(fault->name, ", ", kShapeNames[static_cast<std::size_t>(shape)]);
    }
};

bool withSlowOnes() { return std::getenv("OCIPROXY_TORTURE_DEADLINES") != nullptr; }

}  // namespace

class UpstreamMatrixTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(UpstreamMatrixTest);
    OCIPROXY_INTEGRATION_TEST(noFaultReachesAClient);
    CPPUNIT_TEST_SUITE_END();

public:
    void noFaultReachesAClient() {
        makeCases();
        FakeServer upstream([this](const Received& request, Wire& wire) {
            return answer(request, &wire);
        });
        makeProxy({2, "", "", ""});
        proxy().configure(cat("workers = 2\n", upstreamSection("bad.test",
                              cat("http://127.0.0.1:", upstream.port()), "aliases = bad\n")));
        proxy().start();
        const std::vector<pid_t> workers = proxy().workers();
        std::atomic<std::size_t> next{0};
        Crowd crowd(kThreads, [&](unsigned) {
            for (std::size_t i = next++; i < cases_.size(); i = next++) run(cases_[i]);
        });
        crowd.join();
        upstream.stop();
        CPPUNIT_ASSERT_MESSAGE("a worker died", proxy().workers() == workers);
        report();
    }

private:
    void makeCases() {
        for (const UpstreamFault& fault : upstreamFaults()) {
            if (fault.slow && !withSlowOnes()) continue;
            for (Shape shape : kShapes) makeCase(fault, shape);
        }
    }

    void makeCase(const UpstreamFault& fault, Shape shape) {
        Case& made = cases_.emplace_back();
        made.fault = &fault;
        made.shape = shape;
        const bool tag = shape == Shape::kTag;
        made.resource.bytes = tag ? imageManifest("{}", {randomBytes(8)}) : randomBytes(kSize);
        made.resource.type = tag ? kManifestType : "application/octet-stream";
        made.resource.digest = digestText(made.resource.bytes);
        const std::string repository = cat("r", cases_.size());
        const auto pathIn = [&](const std::string& prefix) {
            return tag ? manifestPath(cat(prefix, repository), "v1")
                       : blobPath(cat(prefix, repository), made.resource.digest);
        };
        made.path = pathIn("");
        made.target = pathIn("bad/");
        byRepository_[repository] = &made;
    }

    bool answer(const Received& request, Wire* wire) {
        const std::string name = request.path.substr(4, request.path.find('/', 4) - 4);
        const std::map<std::string, Case*>::const_iterator it = byRepository_.find(name);
        if (it == byRepository_.end()) return false;
        Case& present = *it->second;
        const unsigned round = request.method == "GET" ? present.gets++ : 0;
        if (present.well) return answerHonestly(request, present.resource, wire);
        return present.fault->answer(request, present.resource, round, wire);
    }

    void run(Case& present) {
        const steady_clock::time_point start = steady_clock::now();
        if (present.shape == Shape::kFollowers) {
            Crowd followers(kTogether, [&](unsigned) { ask(present); });
            followers.join();
        } else {
            ask(present);
        }
        note(present, steady_clock::now() - start);
        CPPUNIT_ASSERT_MESSAGE(cat(present.name(), ": ", present.gets.load(), " GETs"),
                               present.gets < 16);
        present.well = true;
        await(cat(present.name(), ": a right answer"), [&] { return isRight(present, send(present)); },
              milliseconds(10'000) * slowness());
    }

    Response send(const Case& present) {
        TestClient client(proxy().port());
        if (present.shape == Shape::kHead) return client.head(present.target);
        if (present.shape != Shape::kRange) return client.get(present.target);
        return client.get(present.target, {{"Range", cat("bytes=", kFirst, "-", kLast)}});
    }

    void ask(const Case& present) {
        const Response response = send(present);
        const std::string what = cat(present.name(), ": ", response.summary());
        CPPUNIT_ASSERT_MESSAGE(what, response.ending != Ending::kTimeout);
        CPPUNIT_ASSERT_MESSAGE(what, response.ending != Ending::kMalformed);
        const bool claimsToBe = response.complete() && response.status / 100 == 2;
        CPPUNIT_ASSERT_MESSAGE(what, !claimsToBe || isRight(present, response) ||
                                         isMarked(response) || isPromise(present, response));
        const bool mustBe = present.fault->harmless && present.shape != Shape::kTag;
        CPPUNIT_ASSERT_MESSAGE(what, !mustBe || isRight(present, response));
    }

    static bool isRight(const Case& present, const Response& response) {
        if (!response.complete()) return false;
        const std::string& bytes = present.resource.bytes;
        switch (present.shape) {
        case Shape::kHead:
            return response.status == 200 &&
                   response.header("Content-Length") == cat(bytes.size());
        case Shape::kRange:
            if (response.status == 200) return response.body == bytes;
            return response.status == 206 &&
                   response.body == bytes.substr(kFirst, kLast - kFirst + 1);
        default: return response.status == 200 && response.body == bytes;
        }
    }

    // A part of what nobody could verify yet says so.
    static bool isMarked(const Response& response) {
        return response.status == 206 &&
               response.header("Cache-Status").find("unverified") != std::string::npos;
    }

    // What a HEAD says is the upstream's word; but of the right digest, if of any. A tag may
    // be anything that its upstream says, if that is a manifest of the digest that is named.
    static bool isPromise(const Case& present, const Response& response) {
        const std::string digest = response.header("Docker-Content-Digest");
        if (present.shape == Shape::kHead) return digest == present.resource.digest;
        return present.shape == Shape::kTag && response.status == 200 &&
               digest == digestText(response.body) && startsWith(response.body, "{");
    }

    void note(const Case& present, steady_clock::duration took) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (took <= slowest_) return;
        slowest_ = took;
        slowestName_ = present.name();
    }

    void report() const {
        std::cout << "  " << cases_.size() << " faults and shapes, the slowest was \""
                  << slowestName_ << "\" with "
                  << std::chrono::duration_cast<milliseconds>(slowest_).count() << " ms"
                  << std::endl;
        CPPUNIT_ASSERT(cases_.size() >= 5 * 33);
    }

    std::deque<Case> cases_;
    std::map<std::string, Case*> byRepository_;
    std::mutex mutex_;
    steady_clock::duration slowest_{0};
    std::string slowestName_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamMatrixTest);

}  // namespace ociproxy::itest
