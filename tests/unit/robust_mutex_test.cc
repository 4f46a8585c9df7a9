#include "shm/robust_mutex.h"

#include <csignal>

#include <cppunit/extensions/HelperMacros.h>

#include "support/shared_tables.h"

namespace ociproxy {

namespace {

constexpr Millis kShort{20};

}  // namespace

// The lock itself, when its memory is written to by who has no business there, and the
// patience of one process with it. What ClaimTableDeathTest kills is not killed here.
class RobustMutexTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RobustMutexTest);
    CPPUNIT_TEST(anyFlippedBitOfAFreeLockIsGotOver);
    CPPUNIT_TEST(anyFlippedByteOfAFreeLockIsGotOver);
    CPPUNIT_TEST(aHolderThatExistsIsNotBuried);
    CPPUNIT_TEST(aProcessIsPatientOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    void anyFlippedBitOfAFreeLockIsGotOver() {
        for (std::size_t byte = 0; byte < sizeof(RobustMutex); ++byte) {
            for (unsigned bit = 0; bit < 8; ++bit) assertGotOver(byte, 1u << bit);
        }
    }

    void anyFlippedByteOfAFreeLockIsGotOver() {
        for (std::size_t byte = 0; byte < sizeof(RobustMutex); ++byte) assertGotOver(byte, 0xff);
    }

    void aHolderThatExistsIsNotBuried() {
        const pid_t child = holdInChild();
        CPPUNIT_ASSERT(mutex_->lock(kShort) == RobustMutex::Lock::kTimedOut);
        ::kill(child, SIGSTOP);
        CPPUNIT_ASSERT(mutex_->lock(kShort) == RobustMutex::Lock::kTimedOut);
        ::kill(child, SIGKILL);
        waitForChild(child);
        CPPUNIT_ASSERT(mutex_->lock(kShort) == RobustMutex::Lock::kOwnerDied);
        mutex_->consistent();
        mutex_->unlock();
    }

    void aProcessIsPatientOnce() {
        LockPatience patience;
        const pid_t child = holdInChild();
        TimePoint began = now();
        CPPUNIT_ASSERT(patience.lock(mutex_.get()) == MutexLock::kTimedOut);
        CPPUNIT_ASSERT(now() - began >= Millis{1'900});
        began = now();
        for (int i = 0; i < 5; ++i) {
            CPPUNIT_ASSERT(patience.lock(mutex_.get()) == MutexLock::kTimedOut);
        }
        CPPUNIT_ASSERT(now() - began < Millis{1'900});
        ::kill(child, SIGKILL);
        waitForChild(child);
        CPPUNIT_ASSERT(patience.lock(mutex_.get()) == MutexLock::kOwnerDied);
        mutex_->consistent();
        mutex_->unlock();
    }

private:
    pid_t holdInChild() {
        mutex_->init();
        const pid_t child = forkChild([this] {
            mutex_->lock(kLockTimeout);
            *holding_.get() = 1;
            for (;;) ::pause();
        });
        awaitAtLeast(*holding_.get(), 1);
        return child;
    }

    // Both by this thread, whose id may be the one that the flip made up, and by another.
    void assertGotOver(std::size_t byte, unsigned flip) {
        mutex_->init();
        useOnce();
        char* place = reinterpret_cast<char*>(mutex_.get()) + byte;
        *place = static_cast<char>(*place ^ flip);
        CPPUNIT_ASSERT(useOnce());
        CPPUNIT_ASSERT_EQUAL(0, waitForChild(forkChild([this] {
                                 if (!useOnce()) ::_exit(2);
                             })));
    }

    bool useOnce() {
        const RobustMutex::Lock lock = mutex_->lock(kShort);
        if (lock == RobustMutex::Lock::kTimedOut) return false;
        if (lock == RobustMutex::Lock::kOwnerDied) mutex_->consistent();
        mutex_->unlock();
        return true;
    }

    SharedArray<RobustMutex> mutex_;
    SharedArray<std::atomic<int>> holding_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RobustMutexTest);

}  // namespace ociproxy
