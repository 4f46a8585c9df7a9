// What happens to a fill whose first owner, or whose first exchange, did not last
// (src/proxy/blob_filler.h).
#include "proxy/blob_filler.h"

#include <cppunit/extensions/HelperMacros.h>

#include "proxy/claim_watcher.h"
#include "proxy/follower.h"
#include "support/works_fixture.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::uint64_t kLeft = 100'000;  // bytes that the dead owner has left

using State = GrowingBody::State;

class TakeOverTest : public WorksFixture {
    CPPUNIT_TEST_SUITE(TakeOverTest);
    CPPUNIT_TEST(partOfAnotherLengthIsNotGoneOnWith);
    CPPUNIT_TEST(wholeOfAnotherLengthIsNotGoneOnWith);
    CPPUNIT_TEST(unannouncedBodyMustEndWhereItWasPromised);
    CPPUNIT_TEST(followersOfAnAdoptedFileGetAllOfIt);
    CPPUNIT_TEST(storedMeanwhileIsNotWhatTheDeadOwnerLeft);
    CPPUNIT_TEST(tokenIsFetchedOnTheSpot);
    CPPUNIT_TEST(tokenThatRunsOutInMidFillIsFetchedOnTheSpot);
    CPPUNIT_TEST(refusedTokensEndTheTakeOver);
    CPPUNIT_TEST(fiveResumesForNextToNothingAreEnough);
    CPPUNIT_TEST(whatBringsBytesGoesOn);
    CPPUNIT_TEST_SUITE_END();

public:
    void tearDown() override {
        follower_.reset();
        watcher_.reset();
        WorksFixture::tearDown();
    }

    // In the next three the upstream has bytes that even hash to the digest: the length
    // alone is what must end the fill.
    void partOfAnotherLengthIsNotGoneOnWith() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(206, rangeField(kLeft), content_.substr(kLeft));
        });
        expectBroken(content_.size() - 5);
    }

    void wholeOfAnotherLengthIsNotGoneOnWith() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        expectBroken(content_.size() + 5);
    }

    void unannouncedBodyMustEndWhereItWasPromised() {
        serve([this](const ScriptedRequest&) {
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(content_) +
                   "0\r\n\r\n";
        });
        expectBroken(content_.size() + 5);
    }

    void followersOfAnAdoptedFileGetAllOfIt() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(206, rangeField(kLeft), content_.substr(kLeft));
        });
        leaveOrphan(kLeft);
        follow();
        runFill();
        expectStored();
        CPPUNIT_ASSERT(follower_->now().state == State::kComplete);
        CPPUNIT_ASSERT(content_ == readAll(follower_->descriptor(), 1'000'000, "followed file"));
    }

    void storedMeanwhileIsNotWhatTheDeadOwnerLeft() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        leaveOrphan(content_.size());  // all of it, but nobody has verified it
        const std::uint64_t left = fillView().lineage;
        follow();
        fixture_->put(content_, ContentKind::kBlob);
        runFill();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, server_->accepted());
        CPPUNIT_ASSERT(fillView().state == ClaimState::kCommitted);
        CPPUNIT_ASSERT(fillView().lineage != left);
        CPPUNIT_ASSERT(follower_->now().state == State::kBroken);
    }

    void tokenIsFetchedOnTheSpot() {
        serve([this](const ScriptedRequest& request) {
            if (startsWith(request.target, "/token")) return token("good");
            if (!allows(request, "good")) return challenge();
            return plainAnswer(206, rangeField(kLeft), content_.substr(kLeft));
        });
        leaveOrphan(kLeft);
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(!session->findings.refusal);
        CPPUNIT_ASSERT_EQUAL(0u, session->findings.unauthorized);
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, countTokens());
    }

    void tokenThatRunsOutInMidFillIsFetchedOnTheSpot() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            while (peer.readRequest(&request)) {
                if (startsWith(request.target, "/token")) {
                    peer.send(token(cat("token", countTokens())));
                } else if (request.field("Range").empty() && allows(request, "token1")) {
                    const std::string whole = plainAnswer(200, "", content_);
                    peer.send(whole.substr(0, whole.size() - 50'000));
                    return;
                } else if (allows(request, "token2")) {
                    peer.send(plainAnswer(206, rangeField(content_.size() - 50'000),
                                          content_.substr(content_.size() - 50'000)));
                } else {
                    peer.send(challenge());
                }
            }
        });
        CPPUNIT_ASSERT_EQUAL(1u, runFill()->findings.unauthorized);
        WorkOrder order;
        order.kind = WorkKind::kFetchToken;
        run(order, fixture_->blobTarget("a", *digest_));
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, countTokens());
    }

    void refusedTokensEndTheTakeOver() {
        serve([](const ScriptedRequest& request) {
            return startsWith(request.target, "/token") ? token("bad") : challenge();
        });
        leaveOrphan(kLeft);
        CPPUNIT_ASSERT_EQUAL(403, runFill()->findings.refusal->status);
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, countTokens());
    }

    void fiveResumesForNextToNothingAreEnough() {
        fillWith(std::string(kMiB, 'b'));
        servePieces({1000, 1000, 1000, 1000, 1000, 1000, 1000});
        context_->retryPause = Millis{1};
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, server_->requests().size());
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
    }

    void whatBringsBytesGoesOn() {
        fillWith(std::string(2 * kMiB, 'b'));
        servePieces({1000, 1000, 1000, kMiB, 1000, 1000, 1000});
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{8}, server_->requests().size());
    }

private:
    static std::string challenge() {
        return plainAnswer(401, "WWW-Authenticate: Bearer realm=\"/token\"\r\n", "");
    }
    static std::string token(const std::string& text) {
        return plainAnswer(200, "", cat("{\"token\":\"", text, "\"}"));
    }
    static bool allows(const ScriptedRequest& request, const std::string& token) {
        return request.field("Authorization") == "Bearer " + token;
    }
    std::size_t countTokens() const {
        std::size_t count = 0;
        for (const ScriptedRequest& request : server_->requests()) {
            if (startsWith(request.target, "/token")) ++count;
        }
        return count;
    }

    // A client that holds on to the file of the fill as it is now.
    void follow() {
        ClaimTable& claims = fixture_->shared.claims();
        const ClaimKey key = fillKey(fixture_->blobTarget("a", *digest_), *digest_);
        watcher_ = std::make_unique<ClaimWatcher>(&claims, &fixture_->shared.workers(), 0);
        Fd file = fixture_->store->openTemporary(*digest_, fillView().lineage);
        CPPUNIT_ASSERT(file.valid());
        Follower::Options options{&claims, watcher_.get(), fixture_->store.get(), key,
                                  *digest_, ContentKind::kBlob, [] {}};
        follower_ = std::make_unique<Follower>(std::move(options), fillView(), std::move(file));
    }

    // The dead owner had promised `total` bytes, and what the upstream says now is not that.
    void expectBroken(std::uint64_t total) {
        leaveOrphan(kLeft, total);
        follow();
        CPPUNIT_ASSERT_EQUAL(total, *follower_->now().length);
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
        CPPUNIT_ASSERT(follower_->now().state == State::kBroken);
    }

    void fillWith(const std::string& content) {
        content_ = content;
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
    }

    // Each connection serves one request and is cut after so many bytes; those after the
    // last are served to the end.
    void servePieces(std::vector<std::size_t> pieces) {
        serveScript([this, pieces](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            const std::string range = request.field("Range");
            const std::size_t from =
                range.empty() ? 0 : std::stoul(range.substr(std::string("bytes=").size()));
            const std::size_t left = content_.size() - from;
            const std::size_t size =
                peer.number() < pieces.size() ? pieces[peer.number()] : left;
            peer.send(cat("HTTP/1.1 ", range.empty() ? "200 OK\r\n" : "206 Partial\r\n",
                          rangeField(from), "Content-Length: ", left, "\r\n\r\n"));
            peer.send(content_.substr(from, size));
        });
    }

    std::unique_ptr<ClaimWatcher> watcher_;
    std::unique_ptr<Follower> follower_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TakeOverTest);

}  // namespace
}  // namespace ociproxy
