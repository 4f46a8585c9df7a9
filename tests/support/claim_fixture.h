#ifndef OCIPROXY_TESTS_SUPPORT_CLAIM_FIXTURE_H
#define OCIPROXY_TESTS_SUPPORT_CLAIM_FIXTURE_H

#include <chrono>
#include <string>
#include <vector>

#include <cppunit/TestAssert.h>
#include <cppunit/TestFixture.h>

#include "ociproxy/shm/claim_table.h"
#include "shm/claim_slot.h"
#include "support/shared_tables.h"

namespace ociproxy {

// A claim table of one bucket, where every key meets every other, and two workers.
class ClaimFixture : public CppUnit::TestFixture {
public:
    // Not in the constructor: fixtures are made long before their tests run.
    void setUp() override {
        one_ = tables_.workers.raise(1);
        two_ = tables_.workers.raise(2);
    }

protected:
    using Outcome = ClaimTable::Outcome;

    static constexpr Millis kKeep{60'000};
    static constexpr Millis kMoment{1'100};  // more than what every end is remembered for

    static ClaimKey key(const std::string& name) {
        return claimKey({"test", name});
    }

    static ClaimFailure failure(bool retryable) {
        ClaimFailure out;
        out.kind = 5;
        out.status = 503;
        out.retryAfter = 7;
        out.retryable = retryable;
        return out;
    }

    static std::int64_t ns(Millis time) {
        return std::chrono::nanoseconds(time).count();
    }

    ClaimTable::Result claim(const std::string& name, const WorkerId& me) {
        return claims_.claim(key(name), me, ann_);
    }
    ClaimTable::Result claim(const std::string& name, const WorkerId& me, const Sha256& who) {
        return claims_.claim(key(name), me, who);
    }

    ClaimView found(const std::string& name) {
        const std::optional<ClaimView> view = claims_.find(key(name));
        CPPUNIT_ASSERT(view);
        return *view;
    }

    ClaimSlot& slot(const std::string& name) {
        for (std::size_t i = 0; i < 16; ++i) {
            if (tables_.claimSlots[i].key == key(name)) return tables_.claimSlots[i];
        }
        CPPUNIT_FAIL("no slot of " + name);
        return tables_.claimSlots[0];
    }

    void age(const std::string& name, Millis by) {
        slot(name).endedNs -= ns(by);
        slot(name).keepUntilNs -= ns(by);
        seal(&slot(name));
    }

    void hang(std::uint32_t index) {
        tables_.workerSlots[index].beatNs = monotonicNs() - ns(WorkerTable::kSilentAfter) - 1;
    }

    ClaimTable::Result claimAndDie(const std::string& name, std::uint64_t bytes) {
        const ClaimTable::Result result = claim(name, one_);
        claims_.progress(result.handle, bytes);
        tables_.workers.raise(1);
        CPPUNIT_ASSERT_EQUAL(1u, claims_.sweep(one_));
        return result;
    }

    void fillBucket() {
        for (int i = 0; i < 16; ++i) {
            const ClaimTable::Result result = claim("fill " + std::to_string(i), one_);
            CPPUNIT_ASSERT(result.outcome == Outcome::kOwner);
            handles_.push_back(result.handle);
        }
    }

    void orphan(const ClaimHandle& handle, Millis age) {
        ClaimSlot& slot = tables_.claimSlots[handle.slot];
        slot.state = static_cast<std::uint32_t>(ClaimState::kOrphaned);
        slot.endedNs = monotonicNs() - ns(age);
        seal(&slot);
    }

    void assertRefused(const ClaimHandle& handle) {
        CPPUNIT_ASSERT(!claims_.owns(handle));
        CPPUNIT_ASSERT(!claims_.start(handle, 9));
        CPPUNIT_ASSERT(!claims_.progress(handle, 9));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, claims_.newLineage(handle));
        CPPUNIT_ASSERT(!claims_.verified(handle, 9));
        CPPUNIT_ASSERT(!claims_.finish(handle));
        CPPUNIT_ASSERT(!claims_.fail(handle, failure(false), kKeep));
        CPPUNIT_ASSERT(!claims_.abandon(handle));
    }

    template <class Action>
    void assertRings(std::uint32_t index, const Action& action) {
        const std::uint32_t before = tables_.workers.doorbell(index);
        action();
        CPPUNIT_ASSERT(before != tables_.workers.doorbell(index));
    }

    template <class Action>
    void assertSilent(std::uint32_t index, const Action& action) {
        const std::uint32_t before = tables_.workers.doorbell(index);
        action();
        CPPUNIT_ASSERT_EQUAL(before, tables_.workers.doorbell(index));
    }

    SharedTables<16> tables_;
    ClaimTable claims_ = tables_.claims();
    WorkerId one_;
    WorkerId two_;
    const Sha256 ann_ = sha256Of("ann");
    const Sha256 bob_ = sha256Of("bob");
    std::vector<ClaimHandle> handles_;
};

}  // namespace ociproxy

#endif
