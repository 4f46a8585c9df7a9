// Hashing hits again while they are served (src/proxy/read_verifier.h).
#include "proxy/read_verifier.h"

#include <condition_variable>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/shm/counters.h"
#include "ociproxy/shm/shared_state.h"
#include "proxy/plan.h"
#include "support/store_fixture.h"

namespace ociproxy {
namespace {

constexpr std::size_t kLarge = 5 * 1024 * 1024 + 17;

std::string patternOf(std::size_t size, char first) {
    std::string text(size, first);
    for (std::size_t i = 0; i < size; i += 97) text[i] = static_cast<char>(i / 97);
    return text;
}

// Waits, without polling, until a body is more than it was.
class Watcher {
public:
    explicit Watcher(GrowingBody& body) : body_(body) {
        body_.setWake([this] {
            const std::lock_guard<std::mutex> lock(mutex_);
            ++wakes_;
            changed_.notify_all();
        });
    }
    ~Watcher() { body_.setWake({}); }

    GrowingBody::Snapshot awaitEnd() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            const unsigned seen = wakes_;
            lock.unlock();
            const GrowingBody::Snapshot snapshot = body_.now();
            lock.lock();
            most_ = std::max(most_, snapshot.readable);
            if (snapshot.state != GrowingBody::State::kGrowing) return snapshot;
            beforeEnd_ = std::max(beforeEnd_, snapshot.readable);
            changed_.wait(lock, [&] { return wakes_ != seen; });
        }
    }
    std::uint64_t beforeEnd() const { return beforeEnd_; }

private:
    GrowingBody& body_;
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned wakes_ = 0;
    std::uint64_t most_ = 0;
    std::uint64_t beforeEnd_ = 0;
};

}  // namespace

class ReadVerifierTest : public CppUnit::TestFixture {
    using Verdict = ReadVerifier::Verdict;

    CPPUNIT_TEST_SUITE(ReadVerifierTest);
    CPPUNIT_TEST(offTrustsAll);
    CPPUNIT_TEST(smallContentIsJudgedAtOnce);
    CPPUNIT_TEST(smallDamageIsSetAside);
    CPPUNIT_TEST(largeContentIsPending);
    CPPUNIT_TEST(largeManifestIsJudgedAtOnce);
    CPPUNIT_TEST(intactContentIsServedToItsEnd);
    CPPUNIT_TEST(damagedContentBreaksBeforeItsEnd);
    CPPUNIT_TEST(rangesWaitForTheWhole);
    CPPUNIT_TEST(severalPartsWaitForTheWhole);
    CPPUNIT_TEST(firstIsOncePerFile);
    CPPUNIT_TEST(firstForgetsTheOldest);
    CPPUNIT_TEST(alwaysIsEachTime);
    CPPUNIT_TEST(whatIsWrittenToIsAnotherFile);
    CPPUNIT_TEST(simultaneousReadersShare);
    CPPUNIT_TEST(whoLeavesNeedNotBeServed);
    CPPUNIT_TEST(whatCannotBeReadIsDamaged);
    CPPUNIT_TEST(suspectsAreSetAside);
    CPPUNIT_TEST(stopsWithReadersWaiting);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        fixture_ = std::make_unique<StoreFixture>(memoryDirectory());
        make(VerifyOnRead::kAlways);
    }
    void tearDown() override {
        verifier_.reset();
        fixture_.reset();
    }

    void offTrustsAll() {
        make(VerifyOnRead::kOff);
        const StoredContent content = put(patternOf(100, 'x'));
        damage(0);
        CPPUNIT_ASSERT(judge(content) == Verdict::kTrusted);
        CPPUNIT_ASSERT(verifier_->mayRemember(content));
        CPPUNIT_ASSERT(judge(put(patternOf(kLarge, 'x'))) == Verdict::kTrusted);
    }

    void smallContentIsJudgedAtOnce() {
        for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{64 * 1024}}) {
            CPPUNIT_ASSERT(judge(put(patternOf(size, 'x'))) == Verdict::kTrusted);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, fixture_->damaged.load());
    }

    void smallDamageIsSetAside() {
        const StoredContent content = put(patternOf(1000, 'x'));
        damage(999);
        CPPUNIT_ASSERT(judge(content) == Verdict::kDamaged);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, fixture_->damaged.load());
        CPPUNIT_ASSERT(!fixture_->store->open(digest_, ContentKind::kBlob));
    }

    void largeContentIsPending() {
        CPPUNIT_ASSERT(judge(put(patternOf(64 * 1024 + 1, 'x'))) == Verdict::kPending);
    }

    void largeManifestIsJudgedAtOnce() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        CPPUNIT_ASSERT(verifier_->judge(digest_, ContentKind::kManifest, content) ==
                       Verdict::kTrusted);
    }

    void intactContentIsServedToItsEnd() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        FollowBody follow = start(content, {{0, kLarge}});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kLarge}, *follow.size);
        Watcher watcher(*follow.body);
        const GrowingBody::Snapshot end = watcher.awaitEnd();
        CPPUNIT_ASSERT(end.state == GrowingBody::State::kComplete);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kLarge}, end.readable);
        CPPUNIT_ASSERT(watcher.beforeEnd() <= kLarge - kHoldBack);
    }

    void damagedContentBreaksBeforeItsEnd() {
        for (std::size_t at : {std::size_t{0}, kLarge / 2, kLarge - 1}) {
            const StoredContent content = put(patternOf(kLarge, 'x'));
            damage(at);
            FollowBody follow = start(content, {{0, kLarge}});
            Watcher watcher(*follow.body);
            CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kBroken);
            CPPUNIT_ASSERT(watcher.beforeEnd() <= kLarge - kHoldBack);
            // Who sees it broken finds it absent.
            CPPUNIT_ASSERT(!fixture_->store->open(digest_, ContentKind::kBlob));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, fixture_->damaged.load());
    }

    void rangesWaitForTheWhole() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        damage(kLarge - 1);
        FollowBody small = start(content, {{1000, 10}});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1000}, small.offset);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *small.size);
        Watcher watcher(*small.body);
        CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kBroken);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, watcher.beforeEnd());
    }

    void severalPartsWaitForTheWhole() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        Reply reply = fileReply(content, {{1 << 20, 200'000}, {0, 10}});
        std::get<FileBody>(reply.body).prefix = [](const FileSlice&) { return "p"; };
        std::get<FileBody>(reply.body).suffix = "s";
        verifier_->follow(digest_, content, &reply);
        FollowBody follow = std::get<FollowBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, follow.parts.size());
        CPPUNIT_ASSERT_EQUAL(std::string("s"), follow.suffix);
        Watcher watcher(*follow.body);
        CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kComplete);
        CPPUNIT_ASSERT(watcher.beforeEnd() <= (1 << 20) + 200'000 - kHoldBack);
    }

    void firstIsOncePerFile() {
        make(VerifyOnRead::kFirst);
        const StoredContent content = put(patternOf(kLarge, 'x'));
        CPPUNIT_ASSERT(!verifier_->mayRemember(content));
        CPPUNIT_ASSERT(judge(content) == Verdict::kPending);
        serve(content);
        CPPUNIT_ASSERT(judge(content) == Verdict::kTrusted);
        CPPUNIT_ASSERT(verifier_->mayRemember(content));
        // Fetched again it is another file.
        CPPUNIT_ASSERT(judge(put(patternOf(kLarge, 'x'))) == Verdict::kPending);
        const StoredContent small = put("small");
        CPPUNIT_ASSERT(!verifier_->mayRemember(small));
        CPPUNIT_ASSERT(judge(small) == Verdict::kTrusted);
        CPPUNIT_ASSERT(verifier_->mayRemember(small));
    }

    void firstForgetsTheOldest() {
        make(VerifyOnRead::kFirst, 2);
        const StoredContent a = put("a");
        const Digest digestA = digest_;
        judge(a);
        const StoredContent b = put("b");
        judge(b);
        verifier_->judge(digestA, ContentKind::kBlob, a);  // used again
        const StoredContent c = put("c");
        judge(c);
        CPPUNIT_ASSERT(verifier_->mayRemember(a) && verifier_->mayRemember(c));
        CPPUNIT_ASSERT(!verifier_->mayRemember(b));
    }

    void alwaysIsEachTime() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        for (int i = 0; i < 2; ++i) {
            CPPUNIT_ASSERT(judge(content) == Verdict::kPending);
            serve(content);
        }
        damage(5);
        FollowBody follow = start(content, {{0, kLarge}});
        Watcher watcher(*follow.body);
        CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kBroken);
    }

    void whatIsWrittenToIsAnotherFile() {
        make(VerifyOnRead::kFirst);
        const StoredContent content = put(patternOf(1000, 'x'));
        CPPUNIT_ASSERT(judge(content) == Verdict::kTrusted);
        damage(5);
        CPPUNIT_ASSERT(judge(content) == Verdict::kDamaged);
    }

    void simultaneousReadersShare() {
        const StoredContent content = put(patternOf(8 * kLarge, 'x'));
        std::vector<FollowBody> bodies;
        for (int i = 0; i < 20; ++i) bodies.push_back(start(content, {{0, 8 * kLarge}}));
        for (FollowBody& follow : bodies) {
            Watcher watcher(*follow.body);
            CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kComplete);
        }
        // A reader that comes when all is done begins anew; that many cannot.
        CPPUNIT_ASSERT(counters().get(Counter::kContentVerified) < 20 * 8 * kLarge);
    }

    void whoLeavesNeedNotBeServed() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        for (int i = 0; i < 50; ++i) start(content, {{0, kLarge}});
        serve(content);  // and nothing hangs
    }

    void whatCannotBeReadIsDamaged() {
        for (std::size_t size : {std::size_t{1000}, kLarge}) {
            StoredContent content = put(patternOf(size, 'x'));
            // Of a directory no byte can be read.
            content.file = std::make_shared<const Fd>(
                ::open(fixture_->cache.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            if (size == 1000) CPPUNIT_ASSERT(judge(content) == Verdict::kDamaged);
            else serveBroken(content);
        }
    }

    void suspectsAreSetAside() {
        make(VerifyOnRead::kOff);
        const StoredContent content = put(patternOf(kLarge, 'x'));
        damage(kLarge / 3);
        verifier_->suspect(digest_, content);
        serveBroken(content);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, fixture_->damaged.load());
        CPPUNIT_ASSERT(!fixture_->store->open(digest_, ContentKind::kBlob));
    }

    void stopsWithReadersWaiting() {
        const StoredContent content = put(patternOf(kLarge, 'x'));
        FollowBody follow = start(content, {{0, kLarge}});
        verifier_->stop();
        start(content, {{0, kLarge}});
        follow.body->now();
    }

private:
    void make(VerifyOnRead mode, std::size_t remembered = 100) {
        verifier_.reset();
        ReadVerifier::Options options;
        options.mode = mode;
        options.store = fixture_->store.get();
        options.counters = &counters();
        options.remembered = remembered;
        verifier_ = std::make_unique<ReadVerifier>(options);
    }
    Counters& counters() { return shared_.counters(); }

    StoredContent put(const std::string& text) {
        digest_ = fixture_->put(text);
        return *fixture_->store->open(digest_, ContentKind::kBlob);
    }
    // Of the content that was put last.
    void damage(std::size_t at) {
        const std::string file = fixture_->file(blobFile(digest_));
        Fd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
        char byte = 0;
        preadAll(fd.get(), &byte, 1, at, file);
        byte = static_cast<char>(byte ^ 1);
        pwriteAll(fd.get(), &byte, 1, at, file);
        const timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
        CPPUNIT_ASSERT_EQUAL(0, ::futimens(fd.get(), times));
    }
    Verdict judge(const StoredContent& content) {
        return verifier_->judge(digest_, ContentKind::kBlob, content);
    }
    static Reply fileReply(const StoredContent& content, std::vector<FileSlice> slices) {
        Reply reply;
        FileBody body;
        body.file = content.file;
        body.slices = std::move(slices);
        reply.body = std::move(body);
        return reply;
    }
    FollowBody start(const StoredContent& content, std::vector<FileSlice> slices) {
        Reply reply = fileReply(content, std::move(slices));
        verifier_->follow(digest_, content, &reply);
        return std::get<FollowBody>(std::move(reply.body));
    }
    void serve(const StoredContent& content) {
        FollowBody follow = start(content, {{0, content.info.size}});
        Watcher watcher(*follow.body);
        CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kComplete);
    }
    void serveBroken(const StoredContent& content) {
        FollowBody follow = start(content, {{0, content.info.size}});
        Watcher watcher(*follow.body);
        CPPUNIT_ASSERT(watcher.awaitEnd().state == GrowingBody::State::kBroken);
    }

    SharedState shared_{SharedState::Options{}};
    std::unique_ptr<StoreFixture> fixture_;
    std::unique_ptr<ReadVerifier> verifier_;
    Digest digest_ = sha256("");
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReadVerifierTest);

}  // namespace ociproxy
