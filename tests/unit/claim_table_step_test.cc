// The claim table as it would be if a process were killed after any one of the
// instructions of an operation: the operation is single-stepped, and each state of the
// memory that it goes through is taken for the last one.
#include "ociproxy/shm/claim_table.h"

#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include <linux/futex.h>
#include <sys/ptrace.h>

#include <cppunit/extensions/HelperMacros.h>

#include "shm/claim_slot.h"
#include "support/runner.h"
#include "support/shared_tables.h"

namespace ociproxy {

namespace {

using Outcome = ClaimTable::Outcome;

constexpr Millis kKeep{60'000};
constexpr std::uint64_t kBytes = 500;

ClaimKey key(const std::string& name) {
    return claimKey({"test", name});
}

}  // namespace

class ClaimTableStepTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ClaimTableStepTest);
    CPPUNIT_TEST(claimOfAnotherKeysSlot);
    CPPUNIT_TEST(claimOfWhatFailed);
    CPPUNIT_TEST(takeoverFromADeadOwner);
    CPPUNIT_TEST(takeoverOfAnOrphan);
    CPPUNIT_TEST(takeoverFromAnUnresponsiveOwner);
    CPPUNIT_TEST(newLineage);
    CPPUNIT_TEST(startAndProgress);
    CPPUNIT_TEST(verified);
    CPPUNIT_TEST(finish);
    CPPUNIT_TEST(fail);
    CPPUNIT_TEST(abandon);
    CPPUNIT_TEST(sweep);
    CPPUNIT_TEST_SUITE_END();

public:
    // Not in the constructor: fixtures are made long before their tests run.
    void setUp() override {
        owner_ = tables_.workers.raise(1);
        actor_ = tables_.workers.raise(2);
        third_ = tables_.workers.raise(3);
    }

    void claimOfAnotherKeysSlot() {
        const ClaimTable::Result old = begin("old");
        claims_.finish(old.handle);
        claimSlot("old").endedNs = claimSlot("old").keepUntilNs = 0;
        seal(&claimSlot("old"));
        for (std::size_t i = 1; i < 16; ++i) begin("other " + std::to_string(i));
        step([this] { claim(claims_, "new", actor_); }, [&](ClaimTable& table) {
            const std::optional<ClaimView> seen = table.find(key("new"));
            CPPUNIT_ASSERT(!seen || seen->state == ClaimState::kOrphaned);
            CPPUNIT_ASSERT(!seen || (seen->bytes == 0 && seen->lineage != old.lineage));
            CPPUNIT_ASSERT(!table.find(key("old")));
            const ClaimTable::Result next = claim(table, "new", third_);
            CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.lineage != old.lineage);
        });
        CPPUNIT_ASSERT(claims_.find(key("new"))->state == ClaimState::kRunning);
    }

    void claimOfWhatFailed() {
        const ClaimTable::Result old = begin("a");
        claims_.fail(old.handle, {1, 503, 0, true}, kKeep);
        step([this] { claim(claims_, "a", actor_); }, [&](ClaimTable& table) {
            const std::optional<ClaimView> seen = table.find(key("a"));
            if (seen && seen->state == ClaimState::kFailed) {
                CPPUNIT_ASSERT_EQUAL(503u, seen->failure.status);
            }
            const ClaimTable::Result next = claim(table, "a", third_);
            CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.attempt <= 2);
            CPPUNIT_ASSERT(next.lineage != old.lineage);
            CPPUNIT_ASSERT(!next.adoption || next.adoption->bytes == 0);
        });
    }

    void takeoverFromADeadOwner() {
        const ClaimTable::Result old = begin("a");
        tables_.workers.raise(1);
        step([this] { claim(claims_, "a", actor_); },
             [&](ClaimTable& table) { assertAdopted(table, old.lineage, kBytes); });
    }

    void takeoverOfAnOrphan() {
        const ClaimTable::Result old = begin("a");
        tables_.workers.raise(1);
        claims_.sweep(owner_);
        step([this] { claim(claims_, "a", actor_); },
             [&](ClaimTable& table) { assertAdopted(table, old.lineage, kBytes); });
    }

    // The old owner may wake at any time: its file is never adopted, and it never
    // writes on behalf of a lineage that is not its own.
    void takeoverFromAnUnresponsiveOwner() {
        const ClaimTable::Result old = begin("a");
        tables_.workerSlots[1].beatNs = 0;
        step([this] { claim(claims_, "a", actor_); }, [&](ClaimTable& table) {
            const std::optional<ClaimView> seen = table.find(key("a"));
            if (table.owns(old.handle)) CPPUNIT_ASSERT_EQUAL(old.lineage, seen->lineage);
            const ClaimTable::Result next = claim(table, "a", third_);
            CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.lineage != old.lineage);
            CPPUNIT_ASSERT(!next.adoption || next.adoption->bytes == 0);
            CPPUNIT_ASSERT(!table.owns(old.handle));
        });
    }

    void newLineage() {
        const ClaimTable::Result mine = begin("a", actor_);
        claims_.verified(mine.handle, kBytes);
        std::set<std::uint64_t> lineages;
        step([&] { claims_.newLineage(mine.handle); }, [&](ClaimTable& table) {
            const ClaimTable::Result next = claim(table, "a", third_);
            CPPUNIT_ASSERT(next.adoption);
            const bool old = next.adoption->lineage == mine.lineage;
            CPPUNIT_ASSERT(next.adoption->bytes == 0 || (old && next.adoption->bytes == kBytes));
            lineages.insert(next.adoption->lineage);
        });
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, lineages.size());
    }

    void startAndProgress() {
        const ClaimTable::Result mine = begin("a", actor_);
        const auto action = [&] {
            claims_.start(mine.handle, 1000);
            claims_.progress(mine.handle, 2 * kBytes);
        };
        step(action, [&](ClaimTable& table) {
            const std::optional<ClaimView> seen = table.find(key("a"));
            CPPUNIT_ASSERT(!seen->started || seen->total == 1000);
            const bool more = seen->bytes == 2 * kBytes;
            assertAdopted(table, mine.lineage, more ? 2 * kBytes : kBytes);
        });
    }

    void verified() {
        const ClaimTable::Result mine = begin("a", actor_);
        step([&] { claims_.verified(mine.handle, 2 * kBytes); }, [&](ClaimTable& table) {
            const bool more = table.find(key("a"))->bytes == 2 * kBytes;
            assertAdopted(table, mine.lineage, more ? 2 * kBytes : kBytes);
        });
    }

    void finish() {
        const ClaimTable::Result mine = begin("a", actor_);
        step([&] { claims_.finish(mine.handle); }, [&](ClaimTable& table) {
            if (table.find(key("a"))->state == ClaimState::kCommitted) return;
            assertAdopted(table, mine.lineage, kBytes);
        });
    }

    void fail() {
        const ClaimTable::Result mine = begin("a", actor_);
        const ClaimFailure failure{1, 404, 3, false};
        step([&] { claims_.fail(mine.handle, failure, kKeep); }, [&](ClaimTable& table) {
            const std::optional<ClaimView> seen = table.find(key("a"));
            if (seen->state != ClaimState::kFailed) {
                return assertAdopted(table, mine.lineage, kBytes);
            }
            CPPUNIT_ASSERT(seen->failure.status == 404 && seen->failure.retryAfter == 3);
            CPPUNIT_ASSERT(claim(table, "a", third_).outcome == Outcome::kFailed);
        });
    }

    void abandon() {
        claims_.fail(begin("a", actor_).handle, {1, 503, 0, true}, kKeep);
        const ClaimTable::Result mine = claim(claims_, "a", actor_);
        CPPUNIT_ASSERT_EQUAL(2u, mine.attempt);
        step([&] { claims_.abandon(mine.handle); }, [&](ClaimTable& table) {
            const ClaimTable::Result next = claim(table, "a", third_);
            CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.attempt <= 2);
            CPPUNIT_ASSERT(!next.adoption || next.adoption->lineage == mine.lineage);
        });
        CPPUNIT_ASSERT_EQUAL(2u, claim(claims_, "a", third_).attempt);
    }

    void sweep() {
        const ClaimTable::Result a = begin("a");
        const ClaimTable::Result b = begin("b");
        tables_.workers.raise(1);
        step([&] { claims_.sweep(owner_); }, [&](ClaimTable& table) {
            assertAdopted(table, a.lineage, kBytes);
            CPPUNIT_ASSERT_EQUAL(b.lineage, claim(table, "b", third_).adoption->lineage);
        });
    }

private:
    using Check = std::function<void(ClaimTable&)>;

    ClaimTable::Result claim(ClaimTable& table, const std::string& name, const WorkerId& me) {
        return table.claim(key(name), me, {});
    }

    ClaimTable::Result begin(const std::string& name) { return begin(name, owner_); }
    ClaimTable::Result begin(const std::string& name, const WorkerId& me) {
        const ClaimTable::Result result = claim(claims_, name, me);
        CPPUNIT_ASSERT(claims_.progress(result.handle, kBytes));
        return result;
    }

    ClaimSlot& claimSlot(const std::string& name) {
        std::size_t i = 0;
        while (tables_.claimSlots[i].key != key(name)) ++i;
        return tables_.claimSlots[i];
    }

    void assertAdopted(ClaimTable& table, std::uint64_t lineage, std::uint64_t bytes) {
        const ClaimTable::Result next = claim(table, "a", third_);
        CPPUNIT_ASSERT(next.outcome == Outcome::kOwner && next.adoption);
        CPPUNIT_ASSERT_EQUAL(lineage, next.adoption->lineage);
        CPPUNIT_ASSERT_EQUAL(bytes, next.adoption->bytes);
    }

    // What lies in the memory, the mutex excepted.
    struct Snapshot {
        std::uint64_t changing;
        std::uint64_t lastGeneration;
        std::uint64_t lastLineage;
        char slots[16 * sizeof(ClaimSlot)];
    };

    void takeSnapshot(Snapshot* out) const {
        std::memset(static_cast<void*>(out), 0, sizeof *out);
        out->changing = tables_.claimHeader->changing;
        out->lastGeneration = tables_.claimHeader->lastGeneration;
        out->lastLineage = tables_.claimHeader->lastLineage;
        std::memcpy(out->slots, static_cast<const void*>(tables_.claimSlots.get()),
                    sizeof out->slots);
    }

    // Runs `action` in a child, instruction by instruction, and `check` on every state
    // of the table in between, as it is once the dead actor has been swept.
    void step(const std::function<void()>& action, const Check& check) {
        const pid_t child = forkChild([&] {
            if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
            ::raise(SIGSTOP);
            action();
            ::raise(SIGSTOP);
        });
        int status = waitForChild(child);
        if (WIFEXITED(status)) skipTest("ptrace is not allowed here");
        const Killer killer{child};
        Snapshot last;
        takeSnapshot(&last);
        unsigned states = 0;
        for (;;) {
            CPPUNIT_ASSERT_EQUAL(0l, ::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr));
            status = waitForChild(child);
            CPPUNIT_ASSERT(WIFSTOPPED(status));
            if (WSTOPSIG(status) == SIGSTOP) break;
            Snapshot present;
            takeSnapshot(&present);
            if (std::memcmp(&present, &last, sizeof present) == 0) continue;
            ++states;
            last = present;
            check(afterDeath(present));
        }
        CPPUNIT_ASSERT_MESSAGE("no state in between was seen", states >= 2);
    }

    struct Killer {
        pid_t pid;
        ~Killer() {
            ::kill(pid, SIGKILL);
            waitForChild(pid);
        }
    };

    ClaimTable& afterDeath(const Snapshot& snapshot) {
        copy_ = std::make_unique<SharedTables<16>>();
        copy_->claimHeader->changing = static_cast<std::uint32_t>(snapshot.changing);
        copy_->claimHeader->lastGeneration = snapshot.lastGeneration;
        copy_->claimHeader->lastLineage = snapshot.lastLineage;
        std::memcpy(static_cast<void*>(copy_->claimSlots.get()), snapshot.slots,
                    sizeof snapshot.slots);
        for (std::uint32_t i = 0; i < kMaxWorkers; ++i) {
            copy_->workerSlots[i].epoch = tables_.workerSlots[i].epoch.load();
            copy_->workerSlots[i].beatNs = tables_.workerSlots[i].beatNs.load();
        }
        copyClaims_.reset(new ClaimTable(copy_->claims()));
        copy_->workers.raise(actor_.index);
        copy_->claimHeader->mutex.mutex.__data.__lock = FUTEX_OWNER_DIED;  // as the kernel does
        copyClaims_->sweep(actor_);
        return *copyClaims_;
    }

    SharedTables<16> tables_;
    ClaimTable claims_ = tables_.claims();
    WorkerId owner_;
    WorkerId actor_;
    WorkerId third_;
    std::unique_ptr<SharedTables<16>> copy_;
    std::unique_ptr<ClaimTable> copyClaims_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimTableStepTest);

}  // namespace ociproxy
