// A storm of broken requests, and one client in its midst that must not notice: what it
// asks for is in the cache, and it gets the right bytes in good time, always.
// OCIPROXY_TORTURE_REQUESTS says how many ("make torture": a million), OCIPROXY_TORTURE_SEED
// which ones.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "integration/integration_test.h"
#include "integration/metrics_page.h"
#include "integration/mutator.h"

namespace ociproxy::itest {

namespace {

using std::chrono::steady_clock;

constexpr unsigned kAttackers = 16;
constexpr milliseconds kCanaryTime{3'000};

std::uint64_t numberFrom(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text != nullptr ? parseUnsigned(text).value_or(otherwise) : otherwise;
}

std::string requestOf(const std::string& firstLine, const std::string& fields = {}) {
    return cat(firstLine, " HTTP/1.1\r\nHost: proxy.test\r\n", fields, "\r\n");
}

// Inputs of the fuzzer without the byte of its own that they begin with.
void addCorpus(std::vector<std::string>* requests) {
    const char* source = std::getenv("OCIPROXY_SRCDIR");
    CPPUNIT_ASSERT_MESSAGE("OCIPROXY_SRCDIR is not set", source != nullptr);
    const std::string directory = cat(source, "/tests/fuzz/corpus/request_head");
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        files.push_back(entry.path().string());
    }
    CPPUNIT_ASSERT(!files.empty());
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
        const std::string input = readFile(file);
        if (input.size() > 1) requests->push_back(input.substr(1));
    }
}

}  // namespace

class TortureTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(TortureTest);
    OCIPROXY_INTEGRATION_TEST(brokenRequestsHurtNobody);
    CPPUNIT_TEST_SUITE_END();

public:
    void brokenRequestsHurtNobody() {
        bytes_ = randomBytes(200 * kKiB);
        target_ = blob("a", up().addBlob("a", bytes_));
        startQuietly();
        assertServed(get(target_), bytes_);
        collectRequests();
        const std::vector<pid_t> workers = proxy().workers();
        const ExpositionPage before = scrape(proxy());

        Crowd crowd(kAttackers + 1, [this](unsigned index) {
            try {
                if (index == kAttackers) watch();
                else attack(index);
            } catch (...) {
                over_ = true;
                throw;
            }
        });
        crowd.join();
        report(counterGrowth(before, scrape(proxy())));
        CPPUNIT_ASSERT(proxy().workers() == workers);
        assertServed(get(target_), bytes_);
    }

private:
    // Not at debug, with lines for each request.
    void startQuietly() {
        makeProxy({2, "", "", ""});
        proxy().configure(cat("workers = 2\nlog_level = info\nadmin_listen = 127.0.0.1:0\n",
                              upstreamSection("up.test", up().url(), "aliases = up\n")));
        proxy().start();
    }

    void collectRequests() {
        const std::string tag = manifest("a", "v1");
        const std::string digest = up().addManifest("a", imageManifest("{}", {bytes_}),
                                                    kManifestType, "v1");
        const std::string image = manifest("a", digest);
        const std::string etag = target_.substr(target_.rfind('/') + 1);
        requests_ = {
            requestOf(cat("GET ", target_)), requestOf(cat("HEAD ", target_)), requestOf("GET /v2/"),
            requestOf(cat("GET ", tag), cat("Accept: ", kManifestType, ", */*\r\n")),
            requestOf(cat("GET ", image), "Accept: */*\r\nUser-Agent: x/1.0 (y; z)\r\n"),
            requestOf(cat("GET ", target_), "Range: bytes=0-99\r\n"),
            requestOf(cat("GET ", target_), "Range: bytes=0-9,20-29,-5\r\n"),
            requestOf(cat("GET ", target_), cat("If-None-Match: W/\"", etag, "\", \"x\"\r\n")),
            requestOf(cat("GET ", target_), cat("Range: bytes=5-\r\nIf-Range: \"", etag, "\"\r\n")),
            requestOf("GET /v2/a/manifests/v1?ns=up.test"), requestOf("GET /v2/up/a/tags/list?n=5"),
            requestOf("GET http://proxy.test/v2/up/a/manifests/v1"), requestOf("OPTIONS *"),
            requestOf("POST /v2/up/a/blobs/uploads/", "Content-Length: 5\r\n") + "hello",
            requestOf("PUT /v2/up/a/blobs/uploads/x", "Transfer-Encoding: chunked\r\n") +
                "5\r\nhello\r\n0\r\n\r\n",
        };
        // As often as all the others together, which are broken from the start.
        const std::vector<std::string> good = requests_;
        addCorpus(&requests_);
        for (std::size_t i = 0; i < requests_.size() / 2; i += good.size()) {
            requests_.insert(requests_.end(), good.begin(), good.end());
        }
    }

    void attack(unsigned index) {
        // Fewer where a sanitizer makes everything slow and "make torture" does the rest.
        const std::uint64_t all =
            numberFrom("OCIPROXY_TORTURE_REQUESTS", underSanitizer() ? 6'000 : 20'000);
        Mutator mutator(numberFrom("OCIPROXY_TORTURE_SEED", 1) * kAttackers + index, requests_);
        std::map<std::string, std::uint64_t> endings;
        for (std::uint64_t i = index; i < all && !over_; i += kAttackers) {
            std::string ending = attackOnce(&mutator);
            CPPUNIT_ASSERT_MESSAGE(cat("attacker ", index, ", request ", i, ": ", ending),
                                   ending != "hangs" && ending != "no HTTP");
            ++endings[ending];
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        for (const auto& [ending, count] : endings) endings_[ending] += count;
        if (++attackersDone_ == kAttackers) over_ = true;
    }

    // One connection: a stream in pieces, then the end or none. Says what came of it.
    std::string attackOnce(Mutator* mutator) {
        Wire wire = Wire::connectLoopback(proxy().port());
        std::string_view left;
        const std::string stream = mutator->next();
        for (left = stream; !left.empty();) {
            const std::size_t size = mutator->below(3) == 0 ? 1 + mutator->below(left.size())
                                                            : left.size();
            if (!wire.send(left.substr(0, size))) break;  // refused before the end
            left.remove_prefix(size);
        }
        const std::size_t farewell = mutator->below(8);
        if (farewell == 0) wire.abort();
        if (farewell <= 1) return "left alone";
        wire.endSending();
        return endOf(&wire);
    }

    // Every connection whose client says no more comes to an end.
    static std::string endOf(Wire* wire) {
        const Deadline deadline;
        ReadResult last = ReadResult::kData;
        std::string status;
        while (last == ReadResult::kData) {
            last = wire->fill(deadline);
            if (status.empty() && wire->buffer().size() >= 12) status = wire->buffer().substr(0, 12);
            if (!status.empty()) wire->take(wire->buffer().size());
        }
        if (last == ReadResult::kTimeout) return "hangs";
        if (status.empty()) return wire->buffer().empty() ? "no answer" : "no HTTP";
        return startsWith(status, "HTTP/1.1 ") ? status.substr(9) : "no HTTP";
    }

    // Alternately on a connection that stays and on a new one.
    void watch() {
        TestClient staying(proxy().port());
        do {
            const steady_clock::time_point start = steady_clock::now();
            if (canaryRequests_ % 2 == 0) assertServed(staying.get(target_), bytes_);
            else assertServed(get(target_), bytes_);
            const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
            slowest_ = std::max(slowest_, took);
            CPPUNIT_ASSERT_MESSAGE(cat("the canary waited for ", took.count(), " ms"),
                                   took < kCanaryTime * slowness());
            ++canaryRequests_;
            up().forgetRequests();
        } while (!over_);
    }

    void report(const Growth& growth) const {
        std::cout << "  canary: " << canaryRequests_ << " requests, none failed, the slowest took "
                  << slowest_.count() << " ms; the others:";
        for (const auto& [ending, count] : endings_) std::cout << " " << count << " " << ending;
        std::cout << std::endl;
        // Both kinds have really been there.
        for (const char* counter : {"ociproxy_requests_refused_total",
                                    "ociproxy_requests_received_total"}) {
            CPPUNIT_ASSERT_MESSAGE(describe(growth), growth.count(counter) == 1);
        }
        CPPUNIT_ASSERT(endings_.count("400") == 1 && endings_.count("200") == 1);
    }

    std::string bytes_;
    std::string target_;
    std::vector<std::string> requests_;
    std::atomic<bool> over_{false};
    std::mutex mutex_;
    std::map<std::string, std::uint64_t> endings_;
    unsigned attackersDone_ = 0;
    std::uint64_t canaryRequests_ = 0;  // of the canary's thread
    milliseconds slowest_{0};
};

CPPUNIT_TEST_SUITE_REGISTRATION(TortureTest);

}  // namespace ociproxy::itest
