// Waking what waits on claims, and the pool that works for upstreams.
#include "proxy/claim_watcher.h"

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/claim_keys.h"
#include "proxy/upstream_pool.h"
#include "support/proxy_fixture.h"
#include "support/runner.h"

namespace ociproxy {
namespace {

constexpr std::chrono::seconds kPatience{20};

// Counts events; a test waits for a number of them.
class Events {
public:
    void happen() {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++count_;
        changed_.notify_all();
    }
    bool reach(int wanted) {
        std::unique_lock<std::mutex> lock(mutex_);
        return changed_.wait_for(lock, kPatience, [&] { return count_ >= wanted; });
    }
    int count() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return count_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int count_ = 0;
};

class ClaimWatcherTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ClaimWatcherTest);
    CPPUNIT_TEST(waitEndsWhenTheClaimEnds);
    CPPUNIT_TEST(progressDoesNotEndAWait);
    CPPUNIT_TEST(waitEndsAtItsTime);
    CPPUNIT_TEST(changeBeforeTheWaitIsSeen);
    CPPUNIT_TEST(followerSeesProgress);
    CPPUNIT_TEST(cancelledFollowerIsNotCalled);
    CPPUNIT_TEST(lostTakeOverOfAnOrphanIsAskedForAgain);
    CPPUNIT_TEST(lostTakeOverBeforeTheSweepIsAskedForAgain);
    CPPUNIT_TEST(stopFiresWhatIsLeft);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<ProxyFixture>();
        watcher_ = std::make_unique<ClaimWatcher>(&fixture_->shared.claims(),
                                                  &fixture_->shared.workers(), 0);
        watcher_->start();
        key_ = claimKey({"test", "key"});
        handle_ = fixture_->shared.claims().claim(key_, fixture_->self, Sha256{}).handle;
    }
    void tearDown() override {
        watcher_.reset();
        fixture_.reset();
    }

    void waitEndsWhenTheClaimEnds() {
        awaitFrom(look());
        CPPUNIT_ASSERT(fixture_->shared.claims().finish(handle_));
        CPPUNIT_ASSERT(events_.reach(1));
    }

    void progressDoesNotEndAWait() {
        fixture_->shared.claims().start(handle_, 1000);
        // First: what the watcher has noted for a wait is no event for a follower.
        Events seen;
        const auto ticket = watcher_->follow(key_, [&seen] { seen.happen(); });
        CPPUNIT_ASSERT(seen.reach(1));
        awaitFrom(look());
        const int before = seen.count();
        fixture_->shared.claims().progress(handle_, 10);
        CPPUNIT_ASSERT(seen.reach(before + 1));
        CPPUNIT_ASSERT_EQUAL(0, events_.count());
        ticket->cancel();
    }

    void waitEndsAtItsTime() {
        watcher_->awaitChange(key_, look(), now() + Millis{20}, [this] { events_.happen(); });
        CPPUNIT_ASSERT(events_.reach(1));
    }

    void changeBeforeTheWaitIsSeen() {
        const ClaimView seen = look();
        fixture_->shared.claims().fail(handle_, ClaimFailure{}, Millis{60'000});
        awaitFrom(seen);
        CPPUNIT_ASSERT(events_.reach(1));
    }

    void followerSeesProgress() {
        fixture_->shared.claims().start(handle_, 10'000'000);
        const auto ticket = watcher_->follow(key_, [this] { events_.happen(); });
        CPPUNIT_ASSERT(events_.reach(1));
        const int before = events_.count();
        fixture_->shared.claims().progress(handle_, 5'000'000);
        CPPUNIT_ASSERT(events_.reach(before + 1));
        ticket->cancel();
    }

    void cancelledFollowerIsNotCalled() {
        const auto ticket = watcher_->follow(key_, [this] { events_.happen(); });
        CPPUNIT_ASSERT(events_.reach(1));
        ticket->cancel();
        const int before = events_.count();
        Events other;
        const auto second = watcher_->follow(key_, [&other] { other.happen(); });
        fixture_->shared.claims().start(handle_, 10);
        CPPUNIT_ASSERT(other.reach(1));
        CPPUNIT_ASSERT_EQUAL(before, events_.count());
        second->cancel();
    }

    void lostTakeOverOfAnOrphanIsAskedForAgain() {
        const WorkerId dead = fixture_->self;
        expectCalledAgainAfter([&] {
            fixture_->shared.workers().raise(0);
            fixture_->shared.claims().sweep(dead);
        });
    }

    void lostTakeOverBeforeTheSweepIsAskedForAgain() {
        expectCalledAgainAfter([&] { fixture_->shared.workers().raise(0); });
    }

    void stopFiresWhatIsLeft() {
        awaitFrom(look());
        watcher_->stop();
        CPPUNIT_ASSERT_EQUAL(1, events_.count());
        awaitFrom(look());
        CPPUNIT_ASSERT_EQUAL(2, events_.count());
    }

private:
    // More calls than the one for the change itself: nothing else ever happens to the claim.
    void expectCalledAgainAfter(const std::function<void()>& death) {
        fixture_->shared.claims().start(handle_, 1000);
        const auto ticket = watcher_->follow(key_, [this] { events_.happen(); });
        CPPUNIT_ASSERT(events_.reach(1));
        death();
        CPPUNIT_ASSERT(events_.reach(events_.count() + 3));
        ticket->cancel();
    }
    ClaimView look() { return *fixture_->shared.claims().find(key_, 0); }
    void awaitFrom(const ClaimView& seen) {
        watcher_->awaitChange(key_, seen, now() + std::chrono::minutes(10),
                              [this] { events_.happen(); });
    }

    std::unique_ptr<ProxyFixture> fixture_;
    std::unique_ptr<ClaimWatcher> watcher_;
    ClaimKey key_{};
    ClaimHandle handle_;
    Events events_;
};

class CollectingReplanner : public Replanner {
public:
    void replan(SessionPtr session) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        sessions.push_back(std::move(session));
        events.happen();
    }
    std::mutex mutex_;
    std::vector<SessionPtr> sessions;
    Events events;
};

// A work that says when it runs and ends when it is told to.
class GatedWork : public Work {
public:
    GatedWork(const std::string& key, const std::string& upstream, Lane lane, Replanner* replanner,
              Events* started, std::shared_future<void> gate)
        : Work(key, upstream, lane, replanner), started_(started), gate_(std::move(gate)) {}
    void run() noexcept override {
        started_->happen();
        gate_.wait();
        WorkResult result;
        result.startedFill = true;
        release(result);
    }

private:
    Events* started_;
    std::shared_future<void> gate_;
};

// From here on the calling thread cannot make others; the rest of the process can.
bool loseThreads() {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{sizeof code / sizeof code[0], code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class UpstreamPoolTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamPoolTest);
    CPPUNIT_TEST(equalWorksAreJoined);
    CPPUNIT_TEST(oneUpstreamDoesNotTakeAllThreads);
    CPPUNIT_TEST(smallLanePassesFills);
    CPPUNIT_TEST(queuedForTooLongIsReleased);
    CPPUNIT_TEST(stopReleasesWhatIsQueued);
    CPPUNIT_TEST(survivesThatNoThreadIsToBeHad);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        started_ = std::make_unique<Events>();
        replanner_ = std::make_unique<CollectingReplanner>();
        gate_ = std::promise<void>();
        open_ = gate_.get_future().share();
        options_ = UpstreamPool::Options();
        options_.smallThreads = 1;
        options_.fillThreads = 2;
        options_.fillsPerUpstream = 1;
        options_.expired.refusal = Refusal();
        options_.stopped.refusal = Refusal();
    }

    void equalWorksAreJoined() {
        UpstreamPool pool(options_);
        pool.submit(work("same", "a", Lane::kFill), session());
        CPPUNIT_ASSERT(started_->reach(1));
        pool.submit(work("same", "a", Lane::kFill), session());  // joins what runs
        gate_.set_value();
        CPPUNIT_ASSERT(replanner_->events.reach(2));
        pool.stop();
        CPPUNIT_ASSERT_EQUAL(1, started_->count());
        CPPUNIT_ASSERT(replanner_->sessions[0]->findings.startedFill);
        CPPUNIT_ASSERT(!replanner_->sessions[1]->findings.startedFill);
        CPPUNIT_ASSERT(replanner_->sessions[1]->findings.collapsed);
    }

    void oneUpstreamDoesNotTakeAllThreads() {
        UpstreamPool pool(options_);
        pool.submit(work("1", "a", Lane::kFill), session());
        pool.submit(work("2", "a", Lane::kFill), session());
        CPPUNIT_ASSERT(started_->reach(1));
        pool.submit(work("3", "b", Lane::kFill), session());
        CPPUNIT_ASSERT(started_->reach(2));  // b passes the second of a
        gate_.set_value();
        CPPUNIT_ASSERT(replanner_->events.reach(3));
    }

    void smallLanePassesFills() {
        UpstreamPool pool(options_);
        for (const char* key : {"1", "2", "3", "4"}) {
            pool.submit(work(key, key, Lane::kFill), session());
        }
        CPPUNIT_ASSERT(started_->reach(2));
        pool.submit(work("token", "a", Lane::kSmall), session());
        CPPUNIT_ASSERT(started_->reach(3));
        CPPUNIT_ASSERT(pool.filling());
        gate_.set_value();
        CPPUNIT_ASSERT(replanner_->events.reach(5));
    }

    void queuedForTooLongIsReleased() {
        options_.queueTimeout = Millis{-1};
        UpstreamPool pool(options_);
        pool.submit(work("1", "a", Lane::kFill), session());
        CPPUNIT_ASSERT(started_->reach(1));
        pool.submit(work("2", "a", Lane::kFill), session());
        pool.expire();
        CPPUNIT_ASSERT(replanner_->events.reach(1));
        CPPUNIT_ASSERT(replanner_->sessions[0]->findings.refusal.has_value());
        gate_.set_value();
    }

    void stopReleasesWhatIsQueued() {
        UpstreamPool pool(options_);
        pool.submit(work("1", "a", Lane::kFill), session());
        CPPUNIT_ASSERT(started_->reach(1));
        pool.submit(work("2", "a", Lane::kFill), session());
        gate_.set_value();
        pool.stop();
        CPPUNIT_ASSERT(replanner_->events.reach(2));
        pool.submit(work("3", "a", Lane::kFill), session());
        CPPUNIT_ASSERT(replanner_->events.reach(3));
        CPPUNIT_ASSERT(replanner_->sessions.back()->findings.refusal.has_value());
    }

    void survivesThatNoThreadIsToBeHad() {
        UpstreamPool pool(options_);
        bool tried = false;
        std::thread poor([&] {
            if (!loseThreads()) return;
            tried = true;
            pool.submit(work("1", "a", Lane::kFill), session());
            pool.submit(work("2", "b", Lane::kFill), session());
        });
        poor.join();
        if (!tried) skipTest("system calls cannot be filtered here");
        CPPUNIT_ASSERT_EQUAL(0, started_->count());
        CPPUNIT_ASSERT_EQUAL(0, replanner_->events.count());
        gate_.set_value();
        pool.submit(work("3", "c", Lane::kFill), session());  // with this one comes a thread
        CPPUNIT_ASSERT(replanner_->events.reach(3));
        CPPUNIT_ASSERT_EQUAL(3, started_->count());
    }

private:
    WorkPtr work(const std::string& key, const std::string& upstream, Lane lane) {
        return std::make_shared<GatedWork>(key, upstream, lane, replanner_.get(), started_.get(),
                                           open_);
    }
    static SessionPtr session() { return std::make_shared<Session>(nullptr, Target()); }

    std::unique_ptr<Events> started_;
    std::unique_ptr<CollectingReplanner> replanner_;
    std::promise<void> gate_;
    std::shared_future<void> open_;
    UpstreamPool::Options options_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimWatcherTest);
CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamPoolTest);

}  // namespace
}  // namespace ociproxy
