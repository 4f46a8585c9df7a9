#include "ociproxy/shm/token_board.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/clock.h"
#include "support/shared_tables.h"

namespace ociproxy {

namespace {

constexpr std::int64_t kHour = 3'600'000'000'000;

Sha256 keyOf(int number) {
    return sha256Of(std::to_string(number));
}

}  // namespace

class TokenBoardTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TokenBoardTest);
    CPPUNIT_TEST(keepsWhatWasPut);
    CPPUNIT_TEST(replacesTheTokenOfAKey);
    CPPUNIT_TEST(forgetsWhatIsOver);
    CPPUNIT_TEST(removesOnlyThatVeryToken);
    CPPUNIT_TEST(leavesNothingOfARemovedOrReplacedToken);
    CPPUNIT_TEST(refusesWhatIsTooLong);
    CPPUNIT_TEST(aFullBoardGivesUpTheTokenThatEndsFirst);
    CPPUNIT_TEST(whatIsOverMakesRoomFirst);
    CPPUNIT_TEST(aHalfWrittenTokenOfADeadWriterIsWiped);
    CPPUNIT_TEST(threadsSeeWholeTokens);
    CPPUNIT_TEST_SUITE_END();

public:
    void keepsWhatWasPut() {
        CPPUNIT_ASSERT(!board_.find(keyOf(1)));
        CPPUNIT_ASSERT(board_.put(keyOf(1), "one", later(1)));
        CPPUNIT_ASSERT(board_.put(keyOf(2), std::string("t\0o", 3), later(1)));
        CPPUNIT_ASSERT_EQUAL(std::string("one"), *board_.find(keyOf(1)));
        CPPUNIT_ASSERT_EQUAL(std::string("t\0o", 3), *board_.find(keyOf(2)));
        CPPUNIT_ASSERT(!board_.find(keyOf(3)));
    }

    void replacesTheTokenOfAKey() {
        board_.put(keyOf(1), "a long first token", later(2));
        board_.put(keyOf(1), "next", later(1));
        CPPUNIT_ASSERT_EQUAL(std::string("next"), *board_.find(keyOf(1)));
        CPPUNIT_ASSERT_EQUAL(1u, used());
    }

    void forgetsWhatIsOver() {
        board_.put(keyOf(1), "old", monotonicNs());
        CPPUNIT_ASSERT(!board_.find(keyOf(1)));
        board_.put(keyOf(1), "new", later(1));
        CPPUNIT_ASSERT_EQUAL(std::string("new"), *board_.find(keyOf(1)));
    }

    void removesOnlyThatVeryToken() {
        board_.put(keyOf(1), "first", later(1));
        board_.put(keyOf(1), "second", later(1));
        board_.removeIf(keyOf(1), "first");
        board_.removeIf(keyOf(1), "secon");
        board_.removeIf(keyOf(2), "second");
        CPPUNIT_ASSERT_EQUAL(std::string("second"), *board_.find(keyOf(1)));
        board_.removeIf(keyOf(1), "second");
        CPPUNIT_ASSERT(!board_.find(keyOf(1)));
    }

    void leavesNothingOfARemovedOrReplacedToken() {
        board_.put(keyOf(1), "secret-one", later(1));
        board_.put(keyOf(1), "x", later(1));
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{1}, bytesLeft());
        board_.removeIf(keyOf(1), "x");
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{0}, bytesLeft());
    }

    void refusesWhatIsTooLong() {
        const std::string longest(TokenBoard::kMaxToken, 'a');
        CPPUNIT_ASSERT(board_.put(keyOf(1), longest, later(1)));
        CPPUNIT_ASSERT_EQUAL(longest, *board_.find(keyOf(1)));
        CPPUNIT_ASSERT(!board_.put(keyOf(1), longest + "a", later(1)));
        CPPUNIT_ASSERT(!board_.put(keyOf(2), "", later(1)));
        CPPUNIT_ASSERT_EQUAL(longest, *board_.find(keyOf(1)));
    }

    void aFullBoardGivesUpTheTokenThatEndsFirst() {
        const int kHours[] = {3, 1, 2, 4};
        for (int hours : kHours) board_.put(keyOf(hours), "t", later(hours));
        CPPUNIT_ASSERT(board_.put(keyOf(9), "nine", later(9)));
        CPPUNIT_ASSERT(!board_.find(keyOf(1)));
        for (int kept : {2, 3, 4, 9}) CPPUNIT_ASSERT(board_.find(keyOf(kept)));
    }

    void whatIsOverMakesRoomFirst() {
        for (int i = 1; i <= 3; ++i) board_.put(keyOf(i), "t", later(i));
        board_.put(keyOf(4), "over", monotonicNs() - 1);
        board_.put(keyOf(5), "new", later(1));
        for (int kept : {1, 2, 3, 5}) CPPUNIT_ASSERT(board_.find(keyOf(kept)));
    }

    void aHalfWrittenTokenOfADeadWriterIsWiped() {
        board_.put(keyOf(1), "whole", later(1));
        const pid_t child = forkChild([this] {
            tables_.tokenHeader->mutex.lock(kLockTimeout);
            TokenSlot& slot = tables_.tokenSlots[1];
            std::fill_n(slot.token, 100, 's');
            slot.key = keyOf(2);
            ::raise(SIGKILL);
        });
        CPPUNIT_ASSERT(WIFSIGNALED(waitForChild(child)));
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{105}, bytesLeft());
        CPPUNIT_ASSERT_EQUAL(std::string("whole"), *board_.find(keyOf(1)));
        CPPUNIT_ASSERT(!board_.find(keyOf(2)));
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{5}, bytesLeft());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, tables_.counters.get(Counter::kLockRepaired));
    }

    void threadsSeeWholeTokens() {
        std::atomic<int> torn{0};
        const auto writeAndRead = [&](char letter) {
            for (int i = 0; i < 300; ++i) {
                board_.put(keyOf(1), std::string(static_cast<std::size_t>(1 + i % 50), letter),
                           later(1));
                const std::optional<std::string> seen = board_.find(keyOf(1));
                if (seen && seen->find_first_not_of(seen->front()) != std::string::npos) ++torn;
                board_.removeIf(keyOf(1), std::string(3, letter));
            }
        };
        std::thread a(writeAndRead, 'a');
        std::thread b(writeAndRead, 'b');
        a.join();
        b.join();
        CPPUNIT_ASSERT_EQUAL(0, torn.load());
        CPPUNIT_ASSERT(used() <= 1);
    }

private:
    static std::int64_t later(int hours) { return monotonicNs() + hours * kHour; }

    unsigned used() const {
        unsigned count = 0;
        for (std::size_t i = 0; i < SharedTables<>::kTokenSlots; ++i) {
            count += tables_.tokenSlots[i].length.load() != 0;
        }
        return count;
    }

    std::ptrdiff_t bytesLeft() const {
        std::ptrdiff_t left = 0;
        for (std::size_t i = 0; i < SharedTables<>::kTokenSlots; ++i) {
            const char* token = tables_.tokenSlots[i].token;
            left += std::count_if(token, token + TokenBoard::kMaxToken,
                                  [](char c) { return c != '\0'; });
        }
        return left;
    }

    SharedTables<> tables_;
    TokenBoard board_ = tables_.tokens();
};

CPPUNIT_TEST_SUITE_REGISTRATION(TokenBoardTest);

}  // namespace ociproxy
