// What tests of the upstream client share: names that lead to loopback, a client with its
// surroundings, and what it has logged.
#ifndef OCIPROXY_TESTS_SUPPORT_UPSTREAM_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_UPSTREAM_FIXTURE_H

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/upstream/client.h"

namespace ociproxy {

class ScriptedServer;

// Resolves as it is told, by default every name to 127.0.0.1, and counts. Any thread.
class ScriptedResolver : public Resolver {
public:
    // The answers for `host`, in turn; the last one stays.
    void set(const std::string& host, std::vector<std::vector<std::string>> answers);
    std::size_t calls(const std::string& host) const;
    std::size_t calls() const;
    std::vector<IpAddress> resolve(const std::string& host) override;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<std::vector<std::string>>> answers_;
    std::map<std::string, std::size_t> calls_;
};

// A client whose log (at trace) and shared memory can be looked at.
class UpstreamFixture {
public:
    UpstreamFixture();
    ~UpstreamFixture();

    ScriptedResolver resolver;
    UpstreamClient::Options options;  // may be changed before client() is first called

    UpstreamClient& client();
    SharedState& shared() { return *shared_; }
    std::string logText() const;

    // A configured http upstream "up.test" with the server as its origin, which may lead
    // to 127.0.0.0/8.
    static Upstream httpUpstream(const ScriptedServer& server);
    static UpstreamPtr share(Upstream upstream);  // with its id
    // A GET of /v2/a/x for the repository "a", within 20 s.
    static UpstreamRequest request(const UpstreamPtr& upstream);

    std::unique_ptr<UpstreamResponse> get(const UpstreamPtr& upstream);
    std::unique_ptr<UpstreamResponse> get(const Upstream& upstream);
    // What a GET fails with; kNone when it does not.
    UpstreamFailure failureOf(const Upstream& upstream);
    static UpstreamFailure failureOf(const std::function<void()>& action);
    // The text of the failure; empty when there is none.
    static std::string textOf(const std::function<void()>& action);

private:
    std::string logPath_;
    std::unique_ptr<Log> log_;
    std::unique_ptr<SharedState> shared_;
    std::unique_ptr<UpstreamClient> client_;
};

}  // namespace ociproxy

// So that CPPUNIT_ASSERT_EQUAL prints failures by name.
#include <cppunit/TestAssert.h>

namespace CppUnit {

template <>
struct assertion_traits<ociproxy::UpstreamFailure> {
    static bool equal(ociproxy::UpstreamFailure a, ociproxy::UpstreamFailure b) { return a == b; }
    static std::string toString(ociproxy::UpstreamFailure failure) {
        return ociproxy::failureText(failure);
    }
};

}  // namespace CppUnit

#endif
