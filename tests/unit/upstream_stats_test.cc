#include "ociproxy/shm/upstream_stats.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "support/shared_tables.h"

namespace ociproxy {

class UpstreamStatsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamStatsTest);
    CPPUNIT_TEST(thereIsNoRowBeforeTheFirstRequest);
    CPPUNIT_TEST(outcomesAndTimesAreKeptByName);
    CPPUNIT_TEST(namesBeyondTheTableShareARow);
    CPPUNIT_TEST(longNamesShareARow);
    CPPUNIT_TEST(aRowLeftHalfNamedHarmsNobody);
    CPPUNIT_TEST(aSpoiledLengthIsNoName);
    CPPUNIT_TEST(nothingIsLostBetweenThreadsAndProcesses);
    CPPUNIT_TEST_SUITE_END();

public:
    void thereIsNoRowBeforeTheFirstRequest() { CPPUNIT_ASSERT(stats_.rows().empty()); }

    void outcomesAndTimesAreKeptByName() {
        stats_.observe("quay.io", UpstreamOutcome::k2xx, Micros{600});
        stats_.observe("docker.io", UpstreamOutcome::k4xx, Micros{10});
        stats_.observe("quay.io", UpstreamOutcome::kFailed, Micros{700});
        const std::vector<UpstreamStats::Row> rows = stats_.rows();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, rows.size());
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), rows[0].name);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(rows[0], UpstreamOutcome::k4xx));
        CPPUNIT_ASSERT_EQUAL(std::string("quay.io"), rows[1].name);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(rows[1], UpstreamOutcome::k2xx));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(rows[1], UpstreamOutcome::kFailed));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, requests(rows[1], UpstreamOutcome::k4xx));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1300}, rows[1].duration.sumMicros);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, rows[1].duration.buckets[1]);
    }

    void namesBeyondTheTableShareARow() {
        constexpr std::size_t kTooMany = 3;
        for (int round = 0; round < 2; ++round) {
            for (std::size_t i = 0; i < UpstreamStats::kMaxNames + kTooMany; ++i) {
                stats_.observe(cat("r", i, ".test"), UpstreamOutcome::k2xx, Micros{1});
            }
        }
        CPPUNIT_ASSERT_EQUAL(UpstreamStats::kMaxNames + 1, stats_.rows().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2 * kTooMany},
                             requests(row("other"), UpstreamOutcome::k2xx));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, requests(row("r63.test"), UpstreamOutcome::k2xx));
    }

    void longNamesShareARow() {
        const std::string longest(UpstreamStats::kMaxNameLength, 'a');
        stats_.observe(longest, UpstreamOutcome::k5xx, Micros{1});
        stats_.observe(longest + "a", UpstreamOutcome::k5xx, Micros{1});
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, stats_.rows().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(row(longest), UpstreamOutcome::k5xx));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(row("other"), UpstreamOutcome::k5xx));
    }

    void aRowLeftHalfNamedHarmsNobody() {
        cells_[0].state.store(UpstreamCells::kNaming);
        stats_.observe("quay.io", UpstreamOutcome::k2xx, Micros{1});
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, stats_.rows().size());
        // Two that named a row at the same time.
        stats_.observe("docker.io", UpstreamOutcome::k2xx, Micros{1});
        cells_[2].nameLength = cells_[1].nameLength;
        std::copy(cells_[1].name, cells_[1].name + cells_[1].nameLength, cells_[2].name);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, stats_.rows().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, requests(row("quay.io"), UpstreamOutcome::k2xx));
    }

    void aSpoiledLengthIsNoName() {
        stats_.observe("quay.io", UpstreamOutcome::k2xx, Micros{1});
        cells_[0].nameLength = UINT32_MAX;
        CPPUNIT_ASSERT(stats_.rows().empty());
        stats_.observe("quay.io", UpstreamOutcome::k2xx, Micros{1});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, requests(row("quay.io"), UpstreamOutcome::k2xx));
    }

    void nothingIsLostBetweenThreadsAndProcesses() {
        const auto askMany = [this] {
            for (int i = 0; i < 2'000; ++i) {
                stats_.observe(cat("r", i % 10, ".test"), UpstreamOutcome::k3xx, Micros{2});
            }
        };
        const pid_t child = forkChild(askMany);
        std::thread one(askMany);
        std::thread two(askMany);
        one.join();
        two.join();
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(child));
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, stats_.rows().size());
        for (const UpstreamStats::Row& row : stats_.rows()) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{600}, requests(row, UpstreamOutcome::k3xx));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1'200}, row.duration.sumMicros);
        }
    }

private:
    static std::uint64_t requests(const UpstreamStats::Row& row, UpstreamOutcome outcome) {
        return row.requests[static_cast<std::size_t>(outcome)];
    }

    UpstreamStats::Row row(const std::string& name) const {
        for (const UpstreamStats::Row& row : stats_.rows()) {
            if (row.name == name) return row;
        }
        CPPUNIT_FAIL("no row " + name);
        return {};
    }

    SharedArray<UpstreamCells, UpstreamStats::kMaxNames + 1> cells_;
    UpstreamStats stats_{cells_.get()};
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamStatsTest);

}  // namespace ociproxy
