// The kernel refuses the master its forks, by strace: who is there serves, and the master
// tries again and again, less and less often.
#include <csignal>
#include <cstdlib>
#include <vector>

#include "integration/integration_test.h"
#include "integration/proc_view.h"
#include "integration/tampering.h"

namespace ociproxy::itest {

namespace {

const char* const kForks = "clone,clone3,fork,vfork";

// All forks of one process fail with EAGAIN while this lives.
class ForkRefusal {
public:
    explicit ForkRefusal(pid_t victim)
        : tampering_(victim, {"-ttt", "-e", cat("trace=", kForks), "-e",
                              cat("inject=", kForks, ":error=EAGAIN")}) {}

    void end() { tampering_.end(); }
    // When forks were refused, in seconds.
    std::vector<double> refusals() const {
        std::vector<double> times;
        for (const std::string& line : tampering_.calls()) {
            if (line.find("INJECTED") != line.npos) times.push_back(std::atof(line.c_str()));
        }
        return times;
    }

private:
    Tampering tampering_;
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
