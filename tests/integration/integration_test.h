#ifndef OCIPROXY_TESTS_INTEGRATION_INTEGRATION_TEST_H
#define OCIPROXY_TESTS_INTEGRATION_INTEGRATION_TEST_H

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include <cppunit/TestCaller.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include "integration/crowd.h"
#include "integration/fake_registry.h"
#include "integration/fixtures.h"
#include "integration/proxy_process.h"
#include "integration/test_client.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

// How a test wants its proxy. A plain value.
struct ProxySetup {
    unsigned workers = 2;
    std::string global;     // further lines before the sections
    std::string ofUp;       // further lines of [upstream up.test]
    std::string sections;   // further sections
    TempRoot::Place place = TempRoot::Place::kMemory;
};

// A fixture with one fake registry, known to the proxy as up.test and up, and one
// proxy in front of it. Its end is a test too: the proxy stops with status 0, no
// sanitizer spoke, everything under blobs/ hashes to its name and nothing is left in
// tmp/. When a test fails, the proxy's log and what the registry saw are printed, with
// OCIPROXY_TEST_VERBOSE in the environment also when it passes.
class IntegrationTest : public CppUnit::TestFixture {
public:
    void setUp() override;
    void tearDown() override;
    void reportFailure() noexcept;
    // For a test that is skipped in its middle: its end is no test.
    void abandon() noexcept { failed_ = true; }

protected:
    void startProxy(const ProxySetup& setup = {});
    // The same in two steps: proxy() is there, but does not run.
    void makeProxy(const ProxySetup& setup);
    std::string configuration(const ProxySetup& setup) const;
    FakeRegistry& up() { return *up_; }
    ProxyProcess& proxy() { return *proxy_; }

    // Requests on a connection of their own.
    Response get(const std::string& target, const Fields& fields = {});
    Response head(const std::string& target, const Fields& fields = {});
    // Targets below /v2/up/.
    static std::string blob(const std::string& repository, const std::string& digest);
    static std::string manifest(const std::string& repository, const std::string& reference);

    // What a fill left in tmp/ must not be there at the end, unless the test says that
    // a fill was cut by the end of its process.
    void expectLeftOvers() { tidy_ = false; }
    void awaitNoTempFiles();
    // The last bytes go to clients once they are verified, a moment before the commit.
    void awaitStored(const std::string& digest);
    // Waits until the proxy has written an access log line that holds all of `parts`.
    std::string awaitAccessLine(const std::vector<std::string>& parts);

private:
    void report() const noexcept;
    void checkEnd();
    void checkStore();
    void checkLog();

    std::unique_ptr<FakeRegistry> up_;
    std::unique_ptr<ProxyProcess> proxy_;
    bool tidy_ = true;
    bool failed_ = false;
};

// A complete 200 with exactly these bytes.
void assertServed(const Response& response, const std::string& bytes);
// The same for a body of which only size and digest were kept.
void assertServedDigest(const Response& response, std::size_t size, const std::string& digest);
// Not a complete 200 or 206: an error, or a body cut short.
void assertNotServed(const Response& response);
// An OCI error body.
void assertError(const Response& response, int status, const std::string& code);
void assertContains(const std::string& text, const std::string& part);
void assertLacks(const std::string& text, const std::string& part);
std::size_t countOf(const std::string& text, const std::string& part);

// Runs a test and, when it fails, has its fixture print what it knows before that is
// gone.
template <class Fixture>
class ReportingCaller : public CppUnit::TestCaller<Fixture> {
public:
    ReportingCaller(const std::string& name, void (Fixture::*test)(), Fixture* fixture)
        : CppUnit::TestCaller<Fixture>(name, test, fixture), fixture_(fixture) {}

    void runTest() override {
        try {
            CppUnit::TestCaller<Fixture>::runTest();
        } catch (const std::exception&) {
            fixture_->reportFailure();
            throw;
        } catch (...) {  // skipped
            fixture_->abandon();
            throw;
        }
    }

private:
    Fixture* fixture_;
};

}  // namespace ociproxy::itest

// As CPPUNIT_TEST, for fixtures derived from IntegrationTest.
#define OCIPROXY_INTEGRATION_TEST(method)                                                 \
    CPPUNIT_TEST_SUITE_ADD_TEST((new ::ociproxy::itest::ReportingCaller<TestFixtureType>( \
        context.getTestNameFor(#method), &TestFixtureType::method, context.makeFixture())))

#endif
