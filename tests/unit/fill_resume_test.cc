// How a fill goes on after what an upstream, a client or an earlier fill did
// (src/proxy/blob_pull.cc).
#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/shm/counters.h"
#include "support/works_fixture.h"

namespace ociproxy {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

class FillResumeTest : public WorksFixture {
    CPPUNIT_TEST_SUITE(FillResumeTest);
    CPPUNIT_TEST(strongTagIsSentBack);
    CPPUNIT_TEST(weakTagIsNot);
    CPPUNIT_TEST(case45_otherRangesLeadToTheWhole);
    CPPUNIT_TEST(refusedRangeLeadsToTheWhole);
    CPPUNIT_TEST(partToAPlainGetIsRefused);
    CPPUNIT_TEST(sixthFailureInTurnIsTheLast);
    CPPUNIT_TEST(progressEarnsFurtherTries);
    CPPUNIT_TEST(otherContentIsFetchedAnew);
    CPPUNIT_TEST(case173_originIsAskedForAFreshRedirect);
    CPPUNIT_TEST(chunkedBodyIsResumed);
    CPPUNIT_TEST(longRetryAfterIsNotWaitedFor);
    CPPUNIT_TEST(failedFillLeavesAPartial);
    CPPUNIT_TEST(noPartialIsLeftIfNoneIsWanted);
    CPPUNIT_TEST(partialOfARepudiatedBlobIsNotKept);
    CPPUNIT_TEST(partialIsGoneOnWith);
    CPPUNIT_TEST(wholePartialNeedsNoBody);
    CPPUNIT_TEST(corruptPartialIsFetchedAnew);
    CPPUNIT_TEST(tooLongPartialIsFetchedAnew);
    CPPUNIT_TEST(unwantedFillIsLeftAndGoneOnWith);
    CPPUNIT_TEST(unwantedFillIsLeftBetweenTries);
    CPPUNIT_TEST(smallFillGoesOnUnwanted);
    CPPUNIT_TEST(halfDoneFillGoesOnUnwanted);
    CPPUNIT_TEST(case49_encodedBytesThatMatchAreStored);
    CPPUNIT_TEST(case49_encodedBytesThatDoNotMatchAreRefused);
    CPPUNIT_TEST(longerDigestsAreFilled);
    CPPUNIT_TEST(failureIsTriedOnceMoreAndThenShared);
    CPPUNIT_TEST_SUITE_END();

public:
    void strongTagIsSentBack() {
        const std::string tag = "\"" + std::string(64, 'e') + "\"";
        cutThen(cat("ETag: ", tag, "\r\n"), [this] { return rest(100'000); });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(tag, server_->requests().back().field("If-Range"));
        CPPUNIT_ASSERT(!server_->requests().front().has("If-Range"));
    }

    void weakTagIsNot() {
        for (const char* tag : {"W/\"a\"", "a", "\"", "\"a b\"", ""}) {
            cutThen(cat("ETag: ", tag, "\r\n"), [this] { return rest(100'000); });
            runFill();
            expectStored();
            CPPUNIT_ASSERT(!server_->requests().back().has("If-Range"));
        }
    }

    void case45_otherRangesLeadToTheWhole() {
        const std::string last = std::to_string(content_.size() - 1);
        const std::string size = std::to_string(content_.size());
        for (const std::string& field :
             {cat("bytes 99999-", last, "/", size), cat("bytes 100000-", last, "/999999"),
              cat("bytes 100000-200000/", size), std::string("bytes 100000-"), std::string()}) {
            cutThen("", [&] {
                return plainAnswer(206, field.empty() ? "" : cat("Content-Range: ", field, "\r\n"),
                                   content_.substr(100'000));
            });
            runFill();
            expectStored();
            expectWholeAskedLast();
        }
    }

    void refusedRangeLeadsToTheWhole() {
        for (const char* field : {"", "Content-Range: bytes */1000000\r\n"}) {
            cutThen("", [&] { return plainAnswer(416, field, ""); });
            runFill();
            expectStored();
            expectWholeAskedLast();
        }
    }

    void partToAPlainGetIsRefused() {
        serve([this](const ScriptedRequest&) { return plainAnswer(206, rangeField(0), content_); });
        CPPUNIT_ASSERT_EQUAL(502, runFill()->findings.refusal->status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server_->requests().size());
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
    }

    void sixthFailureInTurnIsTheLast() {
        cutThen("", [] { return plainAnswer(503, "", ""); });
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{6}, server_->requests().size());
    }

    void progressEarnsFurtherTries() {
        makeContent(9 * kMiB);
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            const std::size_t from = peer.number() * kMiB;
            const std::string whole = peer.number() == 0 ? plainAnswer(200, "", content_) : rest(from);
            peer.send(whole.substr(0, whole.size() - (content_.size() - from) + kMiB));
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{9}, server_->requests().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, counted(Counter::kFillsResumed));
    }

    // U24: the continuation is of something else.
    void otherContentIsFetchedAnew() {
        cutThen("", [this] {
            return plainAnswer(206, rangeField(100'000),
                               std::string(content_.size() - 100'000, 'z'));
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server_->requests().size());
        CPPUNIT_ASSERT(!server_->requests().back().has("Range"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counted(Counter::kDigestMismatches));
    }

    void case173_originIsAskedForAFreshRedirect() {
        std::atomic<int> redirects{0};
        serve([&](const ScriptedRequest& request) {
            if (request.target.find("/cdn") != 0) {
                return plainAnswer(307, cat("Location: /cdn?", ++redirects, "\r\n"), "");
            }
            if (request.target == "/cdn?1") {  // the rest is missing, which ends the connection
                return cat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                           chunk(content_.substr(0, 100'000)), "bad\r\n");
            }
            return request.target == "/cdn?2" ? plainAnswer(403, "", "") : rest(100'000);
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(3, redirects.load());
        CPPUNIT_ASSERT_EQUAL(std::string("/cdn?3"), server_->requests().back().target);
    }

    void chunkedBodyIsResumed() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            if (peer.number() > 0) {
                peer.send(rest(100'000));
                return;
            }
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                      chunk(content_.substr(0, 100'000)));
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=100000-"),
                             server_->requests().back().field("Range"));
    }

    void longRetryAfterIsNotWaitedFor() {
        makeContent(3 * kMiB);
        cutThen("", [] { return plainAnswer(429, "Retry-After: 60\r\n", ""); }, 2 * kMiB);
        runFill();
        CPPUNIT_ASSERT_EQUAL(429u, fillView().failure.status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2 * kMiB}, partialSize());
    }

    void failedFillLeavesAPartial() {
        failAfter(2 * kMiB);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2 * kMiB}, partialSize());
    }

    void noPartialIsLeftIfNoneIsWanted() {
        keepPartials_ = false;
        failAfter(2 * kMiB);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, partialSize());
        CPPUNIT_ASSERT_EQUAL(0u, fixture_->store->reapTemporary({}, Millis{0}));
    }

    void partialOfARepudiatedBlobIsNotKept() {
        makeContent(3 * kMiB);
        cutThen("", [] { return plainAnswer(404, "", ""); }, 2 * kMiB);
        runFill();
        CPPUNIT_ASSERT_EQUAL(404u, fillView().failure.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, partialSize());
    }

    void partialIsGoneOnWith() {
        makeContent(3 * kMiB);
        serve([this](const ScriptedRequest&) { return rest(2 * kMiB); });
        leavePartial(content_.substr(0, 2 * kMiB));
        CPPUNIT_ASSERT(runFill()->findings.startedFill);
        expectStored();
        CPPUNIT_ASSERT_EQUAL(cat("bytes=", 2 * kMiB, "-"), server_->onlyRequest().field("Range"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{kMiB}, counted(Counter::kBytesFetched));
    }

    void wholePartialNeedsNoBody() {
        makeContent(2 * kMiB);
        serve([this](const ScriptedRequest&) {
            return plainAnswer(416, cat("Content-Range: bytes */", content_.size(), "\r\n"), "");
        });
        leavePartial(content_);
        runFill();
        expectStored();
    }

    void corruptPartialIsFetchedAnew() {
        makeContent(3 * kMiB);
        serve([this](const ScriptedRequest& request) {
            return request.has("Range") ? rest(2 * kMiB) : plainAnswer(200, "", content_);
        });
        leavePartial(std::string(2 * kMiB, 'z'));
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
    }

    void tooLongPartialIsFetchedAnew() {
        makeContent(2 * kMiB);
        for (bool ranges : {true, false}) {
            serve([this, ranges](const ScriptedRequest& request) {
                const bool beyond = ranges && request.has("Range");
                return beyond ? plainAnswer(416,
                                            cat("Content-Range: bytes */", content_.size(), "\r\n"), "")
                              : plainAnswer(200, "", content_);
            });
            leavePartial(content_ + "more");
            runFill();
            expectStored();
            CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
        }
    }

    void unwantedFillIsLeftAndGoneOnWith() {
        makeContent(3 * kMiB);
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            if (peer.number() > 0) {
                const std::string field = request.field("Range");
                peer.send(rest(std::stoul(field.substr(field.find('=') + 1))));
                return;
            }
            peer.send(plainAnswer(200, "", content_).substr(0, kMiB));
            for (std::size_t i = 0; !peer.waitForEnd(2); ++i) peer.send(content_.substr(i, 1));
        });
        wantNothing();
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kOrphaned);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server_->requests().size());
        context_->finishBelow = UINT64_MAX;
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{content_.size()}, counted(Counter::kBytesFetched));
    }

    void unwantedFillIsLeftBetweenTries() {
        cutThen("", [] { return plainAnswer(503, "", ""); });
        wantNothing();
        context_->retryPause = Millis{60'000};
        context_->unwantedAfter = Millis{1};
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kOrphaned);
    }

    void smallFillGoesOnUnwanted() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        wantNothing();
        context_->finishBelow = content_.size() + 1;
        runFill();
        expectStored();
    }

    void halfDoneFillGoesOnUnwanted() {
        serve([this](const ScriptedRequest&) { return rest(200'000); });
        leaveOrphan(200'000);
        wantNothing();
        runFill();
        expectStored();
    }

    void case49_encodedBytesThatMatchAreStored() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(200, "Content-Encoding: gzip\r\n", content_);
        });
        runFill();
        expectStored();
    }

    void case49_encodedBytesThatDoNotMatchAreRefused() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(200, "Content-Encoding: gzip\r\n", std::string(1000, 'g'));
        });
        runFill();
        const ClaimFailure failure = fillView().failure;
        CPPUNIT_ASSERT_EQUAL(static_cast<std::uint32_t>(UpstreamFailure::kContentEncoding),
                             failure.kind);
        CPPUNIT_ASSERT(!failure.retryable);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
    }

    void longerDigestsAreFilled() {
        for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha384, DigestAlgorithm::kSha512}) {
            digest_.emplace(digestOf(algorithm, content_));
            cutThen("", [this] { return rest(100'000); });
            runFill();
            expectStored();
        }
    }

    void failureIsTriedOnceMoreAndThenShared() {
        serve([](const ScriptedRequest&) { return plainAnswer(503, "Retry-After: 3\r\n", ""); });
        for (std::size_t requests : {1, 2, 2, 2}) {
            const Refusal refusal = *runFill()->findings.refusal;
            CPPUNIT_ASSERT(refusal.status == 503 && refusal.retryAfter == 3);
            CPPUNIT_ASSERT_EQUAL(requests, server_->requests().size());
        }
        // Whoever asks with other rights tries for himself.
        CPPUNIT_ASSERT_EQUAL(
            503, run(fillOrder(), fixture_->blobTarget("b", *digest_))->findings.refusal->status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server_->requests().size());
    }

private:
    void makeContent(std::size_t size) {
        content_.resize(size);
        for (std::size_t i = 0; i < size; ++i) content_[i] = static_cast<char>(i * 7 + i / 251);
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
    }
    // A whole answer to a range from there.
    std::string rest(std::uint64_t from) const {
        return plainAnswer(206, rangeField(from), content_.substr(from));
    }
    // The first exchange ends early, those with a range are answered so, others in full.
    void cutThen(const std::string& fields, std::function<std::string()> answer,
                 std::size_t cutAt = 100'000) {
        const std::string whole = plainAnswer(200, fields, content_);
        const std::size_t head = whole.size() - content_.size();
        serveScript([this, whole, head, cutAt, answer](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            if (peer.number() == 0) {
                peer.send(whole.substr(0, head + cutAt));
                return;
            }
            do {
                peer.send(request.has("Range") ? answer() : plainAnswer(200, "", content_));
            } while (peer.readRequest(&request));
        });
        context_->retryPause = Millis{1};
        context_->keepPartials = keepPartials_;
    }
    void failAfter(std::size_t bytes) {
        makeContent(3 * kMiB);
        cutThen("", [] { return plainAnswer(500, "", ""); }, bytes);
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
    }
    void wantNothing() {
        context_->unwantedAfter = Millis{0};
        context_->finishBelow = 0;
    }
    void leavePartial(const std::string& bytes) {
        const std::unique_ptr<ContentWriter> writer = fixture_->store->create(*digest_, 77);
        writer->append(bytes.data(), bytes.size());
        writer->keepAsPartial();
    }
    std::uint64_t partialSize() {
        const std::unique_ptr<ContentWriter> writer = fixture_->store->adoptPartial(*digest_, 78);
        return writer ? writer->size() : 0;
    }
    std::uint64_t counted(Counter counter) { return fixture_->shared.counters().get(counter); }
    void expectWholeAskedLast() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server_->requests().size());
        CPPUNIT_ASSERT(!server_->requests().back().has("Range"));
    }

    bool keepPartials_ = true;
};

CPPUNIT_TEST_SUITE_REGISTRATION(FillResumeTest);

}  // namespace
}  // namespace ociproxy
