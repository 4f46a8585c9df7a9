// The tables when somebody writes to their memory: ten thousand random bytes, and after
// each of them the tables are used. What is believed must be what was said.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "support/claim_fixture.h"

namespace ociproxy {

namespace {

constexpr int kFlips = 10'000;
constexpr unsigned kKeys = 24;  // more than there are slots

class Dice {
public:
    explicit Dice(unsigned seed) : engine_(seed) {}
    std::size_t operator()(std::size_t sides) { return engine_() % sides; }

private:
    std::mt19937_64 engine_;
};

}  // namespace

class ClaimTableFlipsTest : public ClaimFixture {
    CPPUNIT_TEST_SUITE(ClaimTableFlipsTest);
    CPPUNIT_TEST(flippedSlotsAreNotBelieved);
    CPPUNIT_TEST(numbersOfTheHeaderMayBeAnything);
    CPPUNIT_TEST(generationsGoRound);
    CPPUNIT_TEST(aFlippedWorkerIsAffirmed);
    CPPUNIT_TEST(flippedTokensAreNone);
    CPPUNIT_TEST_SUITE_END();

public:
    void flippedSlotsAreNotBelieved() {
        Dice dice(5);
        for (int i = 0; i < kFlips; ++i) {
            flip(tables_.claimSlots.get(), 16 * sizeof(ClaimSlot), dice);
            for (std::size_t steps = dice(3); steps > 0; --steps) act(dice);
            assertNobodyIsDeceived();
        }
        assertWorks();
    }

    void numbersOfTheHeaderMayBeAnything() {
        Dice dice(6);
        const std::size_t size = offsetof(ClaimHeader, mutex);
        for (int i = 0; i < kFlips / 10; ++i) {
            flip(tables_.claimHeader.get(), size, dice);
            for (std::size_t steps = 1 + dice(3); steps > 0; --steps) act(dice);
            assertNobodyIsDeceived();
        }
        assertWorks();
    }

    // Handles of before are nobody's after: zero is no number, and no number comes twice.
    void generationsGoRound() {
        tables_.claimHeader->lastGeneration = UINT64_MAX - 3;
        std::vector<ClaimHandle> earlier;
        for (int i = 0; i < 8; ++i) {
            const ClaimHandle handle = claim("a", one_).handle;
            CPPUNIT_ASSERT(handle.generation != 0);
            for (const ClaimHandle& old : earlier) {
                CPPUNIT_ASSERT(old.generation != handle.generation && !claims_.owns(old));
            }
            CPPUNIT_ASSERT(claims_.finish(handle));
            earlier.push_back(handle);
        }
        CPPUNIT_ASSERT(earlier.back().generation < 10);
        tables_.claimHeader->lastGeneration = 1;  // somebody else wrote there
        CPPUNIT_ASSERT(claim("b", one_).handle.generation > earlier.back().generation);
    }

    void aFlippedWorkerIsAffirmed() {
        WorkerSlot& slot = tables_.workerSlots[1];
        const ClaimHandle handle = claim("a", one_).handle;
        slot.epoch = 77;
        CPPUNIT_ASSERT(!tables_.workers.isCurrent(one_));
        tables_.workers.affirm(one_);
        CPPUNIT_ASSERT(tables_.workers.isResponsive(one_));
        for (std::int64_t beat : {INT64_MAX, INT64_MIN, std::int64_t{-1}}) {
            slot.beatNs = beat;
            CPPUNIT_ASSERT(!tables_.workers.isResponsive(one_));
            tables_.workers.affirm(one_);
            CPPUNIT_ASSERT(tables_.workers.isResponsive(one_));
        }
        slot.beatNs = 7;  // silent for long: that is for the master to judge
        tables_.workers.affirm(one_);
        CPPUNIT_ASSERT_EQUAL(std::int64_t{7}, slot.beatNs.load());
        CPPUNIT_ASSERT(claims_.owns(handle));
    }

    void flippedTokensAreNone() {
        Dice dice(7);
        TokenBoard board = tables_.tokens();
        const std::int64_t later = monotonicNs() + ns(kKeep);
        for (int i = 0; i < kFlips; ++i) {
            const std::string name = std::to_string(i % 3);
            const std::string token = "token of " + name;
            board.put(sha256Of(name), token, later);
            TokenSlot& slot = tables_.tokenSlots[dice(4)];
            flip(&slot, offsetof(TokenSlot, token) + token.size(), dice);
            const std::optional<std::string> found = board.find(sha256Of(name));
            CPPUNIT_ASSERT(!found || *found == token);
            if (dice(4) == 0) board.removeIf(sha256Of(name), token);
        }
        CPPUNIT_ASSERT(board.put(sha256Of("x"), "y", later));
        CPPUNIT_ASSERT_EQUAL(std::string("y"), *board.find(sha256Of("x")));
    }

private:
    // What a claim was last told by its owner.
    struct Held {
        ClaimHandle handle;
        std::uint64_t lineage = 0;
        std::uint64_t bytes = 0;
    };

    static void flip(void* memory, std::size_t size, Dice& dice) {
        char* place = static_cast<char*>(memory) + dice(size);
        *place = static_cast<char>(*place ^ (1 + dice(255)));
    }

    static std::string nameOf(std::size_t number) { return "key " + std::to_string(number); }

    void act(Dice& dice) {
        const std::string name = nameOf(dice(kKeys));
        const WorkerId& me = dice(2) == 0 ? one_ : two_;
        const ClaimTable::Result result = claim(name, me);
        if (result.outcome == Outcome::kOwner) begin(name, result);
        const std::map<std::string, Held>::iterator it = held_.find(name);
        if (it == held_.end()) return;
        Held& held = it->second;
        if (claims_.progress(held.handle, held.bytes + 100)) held.bytes += 100;
        told_[held.lineage] = held.bytes;
        switch (dice(6)) {
        case 0: claims_.finish(held.handle); break;
        case 1: claims_.fail(held.handle, failure(true), kKeep); break;
        case 2: claims_.abandon(held.handle); break;
        case 3: claims_.start(held.handle, 1'000'000); break;
        case 4: claims_.find(key(name), 5); break;
        default: claims_.census(); break;
        }
    }

    // Nobody died: there is nothing to adopt, whatever the memory says.
    void begin(const std::string& name, const ClaimTable::Result& result) {
        CPPUNIT_ASSERT(!result.adoption);
        CPPUNIT_ASSERT(generations_.insert(result.handle.generation).second);
        CPPUNIT_ASSERT(told_.count(result.lineage) == 0);
        held_[name] = {result.handle, result.lineage, 0};
        told_[result.lineage] = 0;
    }

    void assertNobodyIsDeceived() {
        for (unsigned i = 0; i < kKeys; ++i) {
            const std::optional<ClaimView> view = claims_.find(key(nameOf(i)));
            if (!view) continue;
            CPPUNIT_ASSERT(told_.count(view->lineage) == 1);
            CPPUNIT_ASSERT(view->bytes <= told_[view->lineage]);
            CPPUNIT_ASSERT(view->total == kUnknownLength || view->total == 1'000'000);
            CPPUNIT_ASSERT(view->state != ClaimState::kOrphaned && !view->adopted);
            CPPUNIT_ASSERT(view->owner == one_ || view->owner == two_);
        }
    }

    // Once everybody has let go, there is room for a bucket full of new keys.
    void assertWorks() {
        for (const auto& [name, held] : held_) claims_.abandon(held.handle);
        for (std::size_t i = 0; i < 16; ++i) age(&tables_.claimSlots[i]);
        fillBucket();
        for (const ClaimHandle& handle : handles_) CPPUNIT_ASSERT(claims_.finish(handle));
    }

    void age(ClaimSlot* slot) {
        if (stateOf(*slot) == ClaimState::kFree) return;
        slot->endedNs = slot->keepUntilNs = 0;
        seal(slot);
    }

    std::map<std::string, Held> held_;
    std::map<std::uint64_t, std::uint64_t> told_;  // bytes by lineage
    std::set<std::uint64_t> generations_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimTableFlipsTest);

}  // namespace ociproxy
