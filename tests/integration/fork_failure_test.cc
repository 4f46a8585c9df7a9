// The kernel refuses the master its forks, by strace: who is there serves, and the master
// tries again and again, less and less often.
#include <csignal>
#include <cstdlib>
#include <vector>

#include <sys/wait.h>

#include "integration/integration_test.h"
#include "integration/proc_view.h"
#include "integration/spawn.h"
#include "ociproxy/base/fd.h"
#include "support/runner.h"

namespace ociproxy::itest {

namespace {

const char* const kForks = "clone,clone3,fork,vfork";

// strace on one process, all of whose forks fail with EAGAIN while this lives.
class ForkRefusal {
public:
    explicit ForkRefusal(pid_t victim) {
        const std::string calls = root_.file("calls");
        pid_ = spawn({"/usr/bin/env", "strace", "-p", cat(victim), "-ttt", "-o", calls, "-e",
                      cat("trace=", kForks), "-e", cat("inject=", kForks, ":error=EAGAIN")},
                     root_.file("out"), root_.file("err"));
        bool ended = false;
        await("strace is attached", [&] {
            ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
            return ended || said().find(" attached") != std::string::npos;
        });
        if (ended) {
            pid_ = 0;
            skipTest(cat("strace cannot attach: ", said()));
        }
    }
    ~ForkRefusal() { end(); }
    ForkRefusal(const ForkRefusal&) = delete;
    ForkRefusal& operator=(const ForkRefusal&) = delete;

    void end() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGTERM);  // so that it lets go
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    // When forks were refused, in seconds.
    std::vector<double> refusals() const {
        std::vector<double> times;
        for (const std::string& line : linesOf(readFile(root_.file("calls")))) {
            if (line.find("INJECTED") != line.npos) times.push_back(std::atof(line.c_str()));
        }
        return times;
    }

private:
    std::string said() const { return readFile(root_.file("err")); }

    TempRoot root_;
    pid_t pid_ = 0;
};

}  // namespace

class ForkFailureTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(ForkFailureTest);
    OCIPROXY_INTEGRATION_TEST(othersServeUntilAForkSucceeds);
    OCIPROXY_INTEGRATION_TEST(reloadIsRefused);
    CPPUNIT_TEST_SUITE_END();

public:
    void othersServeUntilAForkSucceeds() {
        startProxy();
        await("two workers", [&] { return proxy().workers().size() == 2; });
        ForkRefusal refusal(proxy().master());
        const pid_t victim = proxy().workers().front();
        ::kill(victim, SIGKILL);
        await("its end", [victim] { return isGone(victim); });
        await("four refusals", [&] {
            assertServed(get("/v2/"), "{}");
            return refusal.refusals().size() >= 4;
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, proxy().workers().size());
        const std::vector<double> times = refusal.refusals();
        // At least 200, 400 and 800 ms: the death was the first short life.
        CPPUNIT_ASSERT(times[1] - times[0] > 0.15 && times[2] - times[1] > 0.35 &&
                       times[3] - times[2] > 0.75);
        CPPUNIT_ASSERT(countOf(proxy().log(), kSaid) >= 4);
        refusal.end();
        await("two workers", [&] { return proxy().workers().size() == 2; });
        assertServed(get("/v2/"), "{}");
    }

    void reloadIsRefused() {
        startProxy();
        await("two workers", [&] { return proxy().workers().size() == 2; });
        const std::vector<pid_t> before = proxy().workers();
        {
            ForkRefusal refusal(proxy().master());
            assertContains(proxy().refusedReload(), kSaid);
            assertServed(get("/v2/"), "{}");
        }
        CPPUNIT_ASSERT(before == proxy().workers());
        proxy().reload();
        await("new workers", [&] {
            return proxy().workers().size() == 2 && proxy().workers() != before;
        });
        assertServed(get("/v2/"), "{}");
    }

private:
    static constexpr const char* kSaid =
        "cannot start worker 0: Resource temporarily unavailable";
};

CPPUNIT_TEST_SUITE_REGISTRATION(ForkFailureTest);

}  // namespace ociproxy::itest
