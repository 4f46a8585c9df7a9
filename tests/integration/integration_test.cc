#include "integration/integration_test.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace {

constexpr std::size_t kLogShown = 12'000;

std::string tail(const std::string& text) {
    if (text.size() <= kLogShown) return text;
    return cat("...", text.substr(text.size() - kLogShown));
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += cat(line, "\n");
    return text;
}

}  // namespace

void IntegrationTest::setUp() { up_ = std::make_unique<FakeRegistry>(); }

void IntegrationTest::tearDown() {
    try {
        if (proxy_ && !failed_) checkEnd();
        if (std::getenv("OCIPROXY_TEST_VERBOSE") != nullptr) report();
    } catch (...) {
        reportFailure();
        up_.reset();
        proxy_.reset();
        throw;
    }
    up_.reset();
    proxy_.reset();
}

void IntegrationTest::reportFailure() noexcept {
    failed_ = true;
    report();
}

void IntegrationTest::report() const noexcept {
    try {
        std::cout << "---- requests to the fake registry\n" << up_->describeRequests();
        if (proxy_) {
            std::cout << "---- log of the proxy\n" << tail(proxy_->log())
                      << "---- access log\n" << tail(proxy_->accessLogText());
        }
        std::cout << "----" << std::endl;
    } catch (const std::exception& e) {
        std::cout << "---- no report: " << e.what() << std::endl;
    }
}

void IntegrationTest::checkEnd() {
    if (tidy_ && proxy_->running()) awaitNoTempFiles();
    if (proxy_->running()) {
        CPPUNIT_ASSERT_EQUAL_MESSAGE("exit status of the proxy after TERM", 0, proxy_->stop());
    }
    checkStore();
    checkLog();
}

void IntegrationTest::checkStore() {
    CPPUNIT_ASSERT_EQUAL_MESSAGE("files under blobs/ that do not hash to their name",
                                 std::string(), joined(proxy_->store().damaged()));
}

void IntegrationTest::checkLog() {
    const std::string log = proxy_->log();
    assertLacks(log, "Sanitizer");
    assertLacks(log, "runtime error:");
    assertLacks(log, "assertion");
}

std::string IntegrationTest::configuration(const ProxySetup& setup) const {
    return cat("workers = ", setup.workers, "\nlog_level = debug\n", setup.global, "\n",
               upstreamSection("up.test", up_->url(), cat("aliases = up\n", setup.ofUp)),
               setup.sections);
}

void IntegrationTest::startProxy(const ProxySetup& setup) {
    makeProxy(setup);
    proxy_->start();
}

void IntegrationTest::makeProxy(const ProxySetup& setup) {
    proxy_ = std::make_unique<ProxyProcess>(configuration(setup), setup.place);
}

Response IntegrationTest::get(const std::string& target, const Fields& fields) {
    return fetch(proxy_->port(), target, fields);
}

Response IntegrationTest::head(const std::string& target, const Fields& fields) {
    return fetchHead(proxy_->port(), target, fields);
}

std::string IntegrationTest::blob(const std::string& repository, const std::string& digest) {
    return blobPath(cat("up/", repository), digest);
}

std::string IntegrationTest::manifest(const std::string& repository,
                                      const std::string& reference) {
    return manifestPath(cat("up/", repository), reference);
}

// Partials stay: they are gone on with by whoever asks next.
void IntegrationTest::awaitNoTempFiles() {
    const auto left = [this] {
        std::vector<std::string> files = proxy_->store().tempFiles();
        const auto isPartial = [](const std::string& file) {
            return file.find(".partial") != std::string::npos;
        };
        files.erase(std::remove_if(files.begin(), files.end(), isPartial), files.end());
        return files;
    };
    const bool none = eventually([&] { return left().empty(); });
    CPPUNIT_ASSERT_MESSAGE(cat("left in tmp/:\n", joined(left())), none);
}

void IntegrationTest::awaitStored(const std::string& digest) {
    await(cat(digest, " is stored"), [&] { return proxy_->store().has(digest); });
}

std::string IntegrationTest::awaitAccessLine(const std::vector<std::string>& parts) {
    std::string found;
    await(cat("an access log line with ", joined(parts)), [&] {
        for (const std::string& line : proxy_->accessLog()) {
            bool all = true;
            for (const std::string& part : parts) all = all && line.find(part) != std::string::npos;
            if (all) found = line;
        }
        return !found.empty();
    });
    return found;
}

void assertServed(const Response& response, const std::string& bytes) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 200);
    CPPUNIT_ASSERT_MESSAGE(cat("other bytes: ", response.bodySize, " for ", bytes.size()),
                           response.body == bytes);
}

void assertServedDigest(const Response& response, std::size_t size, const std::string& digest) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete() && response.status == 200);
    CPPUNIT_ASSERT_EQUAL(static_cast<std::uint64_t>(size), response.bodySize);
    CPPUNIT_ASSERT_EQUAL(digest, response.digest);
}

void assertNotServed(const Response& response) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.ending != Ending::kTimeout);
    const bool good = response.status >= 200 && response.status < 300;
    CPPUNIT_ASSERT_MESSAGE(response.summary(), !(good && response.complete()));
}

void assertError(const Response& response, int status, const std::string& code) {
    CPPUNIT_ASSERT_MESSAGE(response.summary(), response.complete());
    CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), status, response.status);
    assertContains(response.header("Content-Type"), "application/json");
    assertContains(response.body, cat("\"code\":\"", code, "\""));
    CPPUNIT_ASSERT(startsWith(response.body, "{\"errors\":["));
    CPPUNIT_ASSERT(!response.fields.has("WWW-Authenticate"));
}

void assertContains(const std::string& text, const std::string& part) {
    CPPUNIT_ASSERT_MESSAGE(cat("\"", part, "\" is not in \"", tail(text), "\""),
                           text.find(part) != std::string::npos);
}

void assertLacks(const std::string& text, const std::string& part) {
    const std::size_t at = text.find(part);
    const std::size_t from = at == std::string::npos || at < 500 ? 0 : at - 500;
    CPPUNIT_ASSERT_MESSAGE(cat("\"", part, "\" is in \"", text.substr(from, 3000), "\""),
                           at == std::string::npos);
}

std::size_t countOf(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
    return count;
}

}  // namespace ociproxy::itest
