// An upstream whose answers are mutations of good ones: clients get the right bytes or
// none, and what else is served goes on. OCIPROXY_TORTURE_RESPONSES says how many.
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>

#include "integration/fake_server.h"
#include "integration/integration_test.h"
#include "integration/mutator.h"

namespace ociproxy::itest {

namespace {

constexpr unsigned kClients = 32;

std::string answer(const std::string& line, const std::string& fields, const std::string& body) {
    return cat("HTTP/1.1 ", line, "\r\n", fields, "\r\n", body);
}

std::string hexadecimal(std::size_t size) {
    std::string digits;
    for (; size > 0; size /= 16) digits.insert(digits.begin(), "0123456789abcdef"[size % 16]);
    return digits;
}

// What an honest registry might say of these bytes.
std::vector<std::string> answersFor(const std::string& bytes) {
    const std::string length = cat("Content-Length: ", bytes.size(), "\r\n");
    const std::string type = "Content-Type: application/octet-stream\r\n";
    const std::string half = bytes.substr(bytes.size() / 2);
    return {
        answer("200 OK", cat(type, length), bytes),
        answer("200 OK", cat(type, length, "ETag: \"x\"\r\nDocker-Content-Digest: ",
                             digestText(bytes), "\r\nConnection: close\r\n"), bytes),
        answer("200 OK", cat(type, "Transfer-Encoding: chunked\r\n"),
               cat(hexadecimal(bytes.size()), "\r\n", bytes, "\r\n0\r\n\r\n")),
        answer("206 Partial Content",
               cat(type, "Content-Length: ", half.size(), "\r\nContent-Range: bytes ",
                   bytes.size() - half.size(), "-", bytes.size() - 1, "/", bytes.size(), "\r\n"),
               half),
        answer("404 Not Found", "Content-Length: 2\r\n", "{}"),
    };
}

}  // namespace

class BrokenUpstreamTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(BrokenUpstreamTest);
    OCIPROXY_INTEGRATION_TEST(rightBytesOrNone);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        const char* wanted = std::getenv("OCIPROXY_TORTURE_RESPONSES");
        requests_ = wanted != nullptr ? parseUnsigned(wanted).value_or(0)
                                      : underSanitizer() ? 500 : 2'000;
    }

    void rightBytesOrNone() {
        FakeServer broken([this](const Received& request, Wire& wire) {
            return answerBadly(request, &wire);
        });
        startProxy({2, "", "", upstreamSection("bad.test", cat("http://127.0.0.1:", broken.port()),
                                               "aliases = bad\n")});
        const std::string bytes = randomBytes(100 * kKiB);
        const std::string target = blob("a", up().addBlob("a", bytes));
        assertServed(get(target), bytes);
        const std::vector<pid_t> workers = proxy().workers();
        Crowd crowd(kClients, [&](unsigned index) {
            for (std::uint64_t i = index; i < requests_; i += kClients) {
                ask(i);
                if (i % 16 == 0) assertServed(get(target), bytes);
            }
        });
        crowd.join();
        broken.stop();
        CPPUNIT_ASSERT(proxy().workers() == workers);
        assertServed(get(target), bytes);
        report();
    }

private:
    // The content of the repository of that number; larger than what is held back, or not.
    static std::string bytesOf(std::uint64_t number) {
        const std::string line = cat("content of repository ", number, "\n");
        std::string bytes;
        const std::size_t size = number % 8 == 0 ? 100 * kKiB : 1 + number % 300;
        while (bytes.size() < size) bytes += line;
        return bytes;
    }

    // Of "/v2/r17/blobs/...".
    static std::uint64_t numberIn(const std::string& path) {
        const std::string name = path.substr(5, path.find('/', 5) - 5);
        return parseUnsigned(name).value_or(0);
    }

    // Each request gets a mutation of its own, which is the same in every run, and then the
    // end: what says too little would be waited for.
    bool answerBadly(const Received& request, Wire* wire) {
        const std::uint64_t number = numberIn(request.path);
        Mutator mutator(number * 64 + attempts_[number % kSlots]++ % 64,
                        answersFor(bytesOf(number)));
        wire->send(mutator.next());
        return false;
    }

    void ask(std::uint64_t number) {
        const std::string bytes = bytesOf(number);
        const Response response =
            get(cat("/v2/bad/r", number, "/blobs/", digestText(bytes)));
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.ending != Ending::kTimeout);
        CPPUNIT_ASSERT_MESSAGE(response.summary(), response.ending != Ending::kMalformed);
        if (response.complete() && response.status == 200) assertServed(response, bytes);
        const std::lock_guard<std::mutex> lock(mutex_);
        ++seen_[response.complete() ? response.status : 0];
    }

    void report() const {
        std::cout << "  answers to clients:";
        for (const auto& [status, count] : seen_) std::cout << " " << count << "x " << status;
        std::cout << std::endl;
        CPPUNIT_ASSERT(seen_.count(200) == 1 && seen_.count(502) == 1);
    }

    static constexpr std::size_t kSlots = 1024;
    std::uint64_t requests_ = 0;
    std::atomic<std::uint64_t> attempts_[kSlots] = {};
    std::mutex mutex_;
    std::map<int, std::uint64_t> seen_;  // 0: cut
};

CPPUNIT_TEST_SUITE_REGISTRATION(BrokenUpstreamTest);

}  // namespace ociproxy::itest
