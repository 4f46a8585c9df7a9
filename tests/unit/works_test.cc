// The works that talk to upstreams: fills, manifests, tags, links, tokens.
#include "proxy/work_context.h"

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/registry/media_type.h"
#include "ociproxy/registry/range.h"
#include "ociproxy/shm/counters.h"
#include "proxy/claim_keys.h"
#include "support/works_fixture.h"

namespace ociproxy {
namespace {

constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";

std::string indexBody(const std::string& name) {
    return cat("{\"schemaVersion\":2,\"mediaType\":\"", kIndexType,
               "\",\"manifests\":[],\"annotations\":{\"name\":\"", name, "\"}}");
}

// A response of which only its addresses matter.
class PlacedResponse : public UpstreamResponse {
public:
    explicit PlacedResponse(bool fromPublic) : fromPublic_(fromPublic) {}
    int status() const noexcept override { return 200; }
    const std::string* header(std::string_view) const noexcept override { return nullptr; }
    std::optional<std::uint64_t> contentLength() const noexcept override { return 0; }
    std::size_t read(char*, std::size_t) override { return 0; }
    std::string readAll(std::size_t) override { return {}; }
    bool fromPublicAddress() const noexcept override { return fromPublic_; }
    bool tokenSent() const noexcept override { return false; }

private:
    bool fromPublic_;
};

class WorksTest : public WorksFixture {
    CPPUNIT_TEST_SUITE(WorksTest);
    CPPUNIT_TEST(fillIsVerifiedCommittedAndLinked);
    CPPUNIT_TEST(case42_flippedBitStoresNothing);
    CPPUNIT_TEST(case43_brokenBodyIsResumed);
    CPPUNIT_TEST(case44_resumeAnsweredWithTheWholeBody);
    CPPUNIT_TEST(case45_resumeWithAnotherRangeIsRefused);
    CPPUNIT_TEST(case46_resumeImpossibleFails);
    CPPUNIT_TEST(case47_refusedConnectionFailsAtOnce);
    CPPUNIT_TEST(case48_unknownLengthIsFilled);
    CPPUNIT_TEST(case52_emptyBlobIsFilled);
    CPPUNIT_TEST(patchedContentThatDoesNotMatchIsFetchedOnceMore);
    CPPUNIT_TEST(adoptedFileIsCompleted);
    CPPUNIT_TEST(adoptedWholeFileNeedsNoBody);
    CPPUNIT_TEST(takenClaimLeavesTheUpstreamAlone);
    CPPUNIT_TEST(storedContentIsNotFetchedAgain);
    CPPUNIT_TEST(case147_basicChallengeIsDenied);
    CPPUNIT_TEST(bearerChallengeAbandonsTheFill);
    CPPUNIT_TEST(case140_secondChallengeIsFinal);
    CPPUNIT_TEST(manifestIsStoredByteForByte);
    CPPUNIT_TEST(manifestThatDoesNotMatchIsRefused);
    CPPUNIT_TEST(case101_htmlIsNoManifest);
    CPPUNIT_TEST(tagIsRememberedFromHead);
    CPPUNIT_TEST(changedTagKeepsTheOldUntilTheNewIsStored);
    CPPUNIT_TEST(case94_headWithoutDigestBecomesGet);
    CPPUNIT_TEST(case95_wrongDigestHeaderIsRefused);
    CPPUNIT_TEST(linkIsMadeByTheUpstreamsAnswer);
    CPPUNIT_TEST(linkMakesNothingPublic);
    CPPUNIT_TEST(case41_refusedHeadBecomesOneByte);
    CPPUNIT_TEST(case58_unknownBlobDropsTheLink);
    CPPUNIT_TEST(silentUpstreamIsNoRefusalOfALink);
    CPPUNIT_TEST(case139_tokenIsFetchedAndShared);
    CPPUNIT_TEST(whatIsPublic);
    CPPUNIT_TEST_SUITE_END();

public:
    void fillIsVerifiedCommittedAndLinked() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(session->findings.startedFill);
        CPPUNIT_ASSERT_EQUAL(std::string("/v2/a/blobs/" + digest_->text()),
                             server_->onlyRequest().target);
        expectStored();
        CPPUNIT_ASSERT(fixture_->store->link({"up.test", "a"}, ContentKind::kBlob, *digest_));
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_)->isPublic);
    }

    void case42_flippedBitStoresNothing() {
        std::string flipped = content_;
        flipped[1000] ^= 1;
        serve([flipped](const ScriptedRequest&) { return plainAnswer(200, "", flipped); });
        runFill();
        expectFailed(FillFailure::kDigestMismatch);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server_->requests().size());
    }

    void case43_brokenBodyIsResumed() {
        serveScript([this](ScriptedPeer& peer) { cutThenResume(peer, 0); });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::string("bytes=100000-"),
                             server_->requests().back().field("Range"));
    }

    void case44_resumeAnsweredWithTheWholeBody() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            const std::string whole = plainAnswer(200, "", content_);
            peer.send(peer.number() == 0 ? whole.substr(0, whole.size() - 50'000) : whole);
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, server_->requests().size());
    }

    void case45_resumeWithAnotherRangeIsRefused() {
        serveScript([this](ScriptedPeer& peer) { cutThenResume(peer, 5); });
        runFill();
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
    }

    void case46_resumeImpossibleFails() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            const std::string whole = plainAnswer(200, "", content_);
            peer.send(whole.substr(0, whole.size() - 50'000));
        });
        runFill();
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
    }

    void case47_refusedConnectionFailsAtOnce() {
        fixture_ = std::make_unique<ProxyFixture>(freePort());
        prepare();
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(!session->findings.startedFill);
        CPPUNIT_ASSERT_EQUAL(502, session->findings.refusal->status);
    }

    void case48_unknownLengthIsFilled() {
        serve([this](const ScriptedRequest&) {
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(content_) +
                   "0\r\n\r\n";
        });
        runFill();
        expectStored();
    }

    void case52_emptyBlobIsFilled() {
        content_.clear();
        digest_.emplace(digestOf(DigestAlgorithm::kSha256, content_));
        serve([](const ScriptedRequest&) { return plainAnswer(200, "", ""); });
        runFill();
        expectStored();
    }

    void patchedContentThatDoesNotMatchIsFetchedOnceMore() {
        serveScript([this](ScriptedPeer& peer) {
            ScriptedRequest request;
            if (!peer.readRequest(&request)) return;
            std::string body = content_;
            if (peer.number() == 0) body[10] ^= 1;  // the first piece is bad
            const std::string whole = plainAnswer(200, "", body);
            peer.send(peer.number() == 0 ? whole.substr(0, whole.size() - 50'000) : whole);
        });
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, server_->requests().size());
    }

    void adoptedFileIsCompleted() {
        serve([this](const ScriptedRequest& request) {
            CPPUNIT_ASSERT_EQUAL(std::string("bytes=1000-"), request.field("Range"));
            return plainAnswer(206, rangeField(1000), content_.substr(1000));
        });
        leaveOrphan(1000);
        runFill();
        expectStored();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1},
                             fixture_->shared.counters().get(Counter::kFillsTakenOver));
    }

    void adoptedWholeFileNeedsNoBody() {
        serve([this](const ScriptedRequest&) {
            return plainAnswer(416, cat("Content-Range: bytes */", content_.size(), "\r\n"), "");
        });
        leaveOrphan(content_.size());
        runFill();
        expectStored();
    }

    void takenClaimLeavesTheUpstreamAlone() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        const Target target = fixture_->blobTarget("a", *digest_);
        fixture_->shared.claims().claim(fillKey(target, *digest_), fixture_->self,
                                        target.requester);
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(!session->findings.startedFill && !session->findings.refusal);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, server_->accepted());
    }

    void storedContentIsNotFetchedAgain() {
        serve([this](const ScriptedRequest&) { return plainAnswer(200, "", content_); });
        fixture_->put(content_, ContentKind::kBlob);
        runFill();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, server_->accepted());
        CPPUNIT_ASSERT(fillView().state == ClaimState::kCommitted);
    }

    void case147_basicChallengeIsDenied() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
        });
        CPPUNIT_ASSERT_EQUAL(403, runFill()->findings.refusal->status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, server_->requests().size());
    }

    void bearerChallengeAbandonsTheFill() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(401, "WWW-Authenticate: Bearer realm=\"/token\"\r\n", "");
        });
        const SessionPtr session = runFill();
        CPPUNIT_ASSERT(!session->findings.refusal);
        CPPUNIT_ASSERT_EQUAL(1u, session->findings.unauthorized);
        CPPUNIT_ASSERT(fixture_->client->needsToken(*fixture_->upstream, "a"));
        CPPUNIT_ASSERT(!fixture_->shared.claims().find(fillKey(session->target, *digest_)));
    }

    void case140_secondChallengeIsFinal() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(401, "WWW-Authenticate: Bearer realm=\"/token\"\r\n", "");
        });
        WorkOrder order = fillOrder();
        order.lastAuthentication = true;
        const SessionPtr session = run(order, fixture_->blobTarget("a", *digest_));
        CPPUNIT_ASSERT_EQUAL(403, session->findings.refusal->status);
        CPPUNIT_ASSERT(fillView().state == ClaimState::kFailed);
    }

    void manifestIsStoredByteForByte() {
        const std::string body = indexBody("x");
        serve([body](const ScriptedRequest&) {
            return plainAnswer(200, cat("Content-Type: ", kIndexType, "; charset=utf-8\r\n"), body);
        });
        const Digest digest = digestOf(DigestAlgorithm::kSha256, body);
        const SessionPtr session = runManifest(digest);
        CPPUNIT_ASSERT(session->findings.fetchedManifest);
        const std::optional<StoredContent> stored =
            fixture_->store->open(digest, ContentKind::kManifest);
        CPPUNIT_ASSERT(stored.has_value());
        CPPUNIT_ASSERT_EQUAL(std::string(kIndexType), *stored->info.manifestType);
        CPPUNIT_ASSERT_EQUAL(body, readAll(stored->file->get(), 10'000, "manifest"));
        CPPUNIT_ASSERT_EQUAL(anyManifestAccept(), server_->onlyRequest().field("Accept"));
    }

    void manifestThatDoesNotMatchIsRefused() {
        serve([](const ScriptedRequest&) {
            return plainAnswer(200, cat("Content-Type: ", kIndexType, "\r\n"), indexBody("other"));
        });
        const Digest digest = digestOf(DigestAlgorithm::kSha256, indexBody("x"));
        CPPUNIT_ASSERT_EQUAL(502, runManifest(digest)->findings.refusal->status);
        CPPUNIT_ASSERT(!fixture_->store->info(digest));
    }

    void case101_htmlIsNoManifest() {
        const std::string body = "<html></html>";
        serve([body](const ScriptedRequest&) {
            return plainAnswer(200, "Content-Type: text/html\r\n", body);
        });
        const Digest digest = digestOf(DigestAlgorithm::kSha256, body);
        CPPUNIT_ASSERT_EQUAL(502, runManifest(digest)->findings.refusal->status);
        CPPUNIT_ASSERT(!fixture_->store->info(digest));
    }

    void tagIsRememberedFromHead() {
        const Digest digest = digestOf(DigestAlgorithm::kSha256, indexBody("x"));
        serveTag(digest);
        const SessionPtr session = runTag();
        CPPUNIT_ASSERT(session->findings.tagChecked);
        CPPUNIT_ASSERT_EQUAL(std::string(kIndexType), session->findings.head->mediaType);
        CPPUNIT_ASSERT(fixture_->store->tag({"up.test", "a"}, "latest")->digest == digest);
        CPPUNIT_ASSERT(fixture_->store->link({"up.test", "a"}, ContentKind::kManifest, digest));
        CPPUNIT_ASSERT_EQUAL(std::string("HEAD"), server_->onlyRequest().method);
    }

    void changedTagKeepsTheOldUntilTheNewIsStored() {
        const Digest old = digestOf(DigestAlgorithm::kSha256, "{}");
        const Digest fresh = digestOf(DigestAlgorithm::kSha256, indexBody("x"));
        serveTag(fresh);
        fixture_->store->putTag({"up.test", "a"}, "latest", {old, kIndexType, 2, 0, {}});
        runTag();
        const std::optional<TagEntry> entry = fixture_->store->tag({"up.test", "a"}, "latest");
        CPPUNIT_ASSERT(entry->digest == old);
        CPPUNIT_ASSERT(*entry->next == fresh);
    }

    void case94_headWithoutDigestBecomesGet() {
        serve([](const ScriptedRequest& request) {
            if (request.method == "HEAD") return plainHead("");
            return plainAnswer(200, cat("Content-Type: ", kIndexType, "\r\n"), indexBody("x"));
        });
        CPPUNIT_ASSERT(runTag()->findings.fetchedManifest);
        const Digest digest = digestOf(DigestAlgorithm::kSha256, indexBody("x"));
        CPPUNIT_ASSERT(fixture_->store->tag({"up.test", "a"}, "latest")->digest == digest);
        CPPUNIT_ASSERT(fixture_->store->open(digest, ContentKind::kManifest));
    }

    void case95_wrongDigestHeaderIsRefused() {
        const std::string lie = digestOf(DigestAlgorithm::kSha256, "lie").text();
        serve([lie](const ScriptedRequest& request) {
            if (request.method == "HEAD") return plainHead("");
            return plainAnswer(200, cat("Content-Type: ", kIndexType,
                                        "\r\nDocker-Content-Digest: ", lie, "\r\n"),
                               indexBody("x"));
        });
        CPPUNIT_ASSERT_EQUAL(502, runTag()->findings.refusal->status);
        CPPUNIT_ASSERT(!fixture_->store->tag({"up.test", "a"}, "latest"));
    }

    void linkIsMadeByTheUpstreamsAnswer() {
        serve([](const ScriptedRequest&) { return plainHead("Content-Length: 77\r\n"); });
        const SessionPtr session = runConfirm();
        CPPUNIT_ASSERT(session->findings.confirmed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{77}, session->findings.head->size);
        CPPUNIT_ASSERT(fixture_->store->link({"up.test", "a"}, ContentKind::kBlob, *digest_));
        CPPUNIT_ASSERT_EQUAL(std::string("HEAD"), server_->onlyRequest().method);
    }

    // Not even where all that is fetched from the upstream would be.
    void linkMakesNothingPublic() {
        serve([](const ScriptedRequest&) { return plainHead("Content-Length: 300004\r\n"); });
        fixture_->upstream->publicness = Publicness::kYes;
        CPPUNIT_ASSERT(runConfirm()->findings.confirmed);
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_));
        fixture_->put(content_, ContentKind::kBlob, false);
        fixture_->store->dropLink({"up.test", "a"}, ContentKind::kBlob, *digest_);
        CPPUNIT_ASSERT(runConfirm()->findings.confirmed);
        CPPUNIT_ASSERT(fixture_->store->link({"up.test", "a"}, ContentKind::kBlob, *digest_));
        CPPUNIT_ASSERT(!fixture_->store->info(*digest_)->isPublic);
    }

    void case41_refusedHeadBecomesOneByte() {
        serve([](const ScriptedRequest& request) {
            if (request.method == "HEAD") return std::string(
                "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
            CPPUNIT_ASSERT_EQUAL(std::string("bytes=0-0"), request.field("Range"));
            return plainAnswer(206, "Content-Range: bytes 0-0/4711\r\n", "a");
        });
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4711}, runConfirm()->findings.head->size);
    }

    void case58_unknownBlobDropsTheLink() {
        serve([](const ScriptedRequest&) {
            return std::string("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        });
        fixture_->store->putLink({"up.test", "a"}, ContentKind::kBlob, *digest_, false);
        CPPUNIT_ASSERT_EQUAL(404, runConfirm()->findings.refusal->status);
        CPPUNIT_ASSERT(!fixture_->store->link({"up.test", "a"}, ContentKind::kBlob, *digest_));
    }

    void silentUpstreamIsNoRefusalOfALink() {
        serve([](const ScriptedRequest&) {
            return std::string("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        });
        const SessionPtr session = runConfirm();
        CPPUNIT_ASSERT(!session->findings.refusal);
        CPPUNIT_ASSERT_EQUAL(503, session->findings.unconfirmed->status);
    }

    void case139_tokenIsFetchedAndShared() {
        serve([](const ScriptedRequest& request) {
            if (startsWith(request.target, "/token")) {
                return plainAnswer(200, "", "{\"token\":\"t0ken\"}");
            }
            return plainAnswer(401, "WWW-Authenticate: Bearer realm=\"/token\"\r\n", "");
        });
        runFill();
        WorkOrder order;
        order.kind = WorkKind::kFetchToken;
        const SessionPtr session = run(order, fixture_->blobTarget("a", *digest_));
        CPPUNIT_ASSERT_EQUAL(1u, session->findings.tokenRounds);
        CPPUNIT_ASSERT(!fixture_->client->needsToken(*fixture_->upstream, "a"));
        const std::size_t asked = server_->requests().size();
        run(order, fixture_->blobTarget("a", *digest_));
        CPPUNIT_ASSERT_EQUAL(asked, server_->requests().size());
    }

    void whatIsPublic() {
        fixture_ = std::make_unique<ProxyFixture>();
        const auto judged = [this](Publicness setting, bool fromPublic) {
            fixture_->upstream->publicness = setting;
            return isPublicContent(fixture_->blobTarget("a", *digest_),
                                   PlacedResponse(fromPublic));
        };
        CPPUNIT_ASSERT(judged(Publicness::kAuto, true));
        CPPUNIT_ASSERT(!judged(Publicness::kAuto, false));
        CPPUNIT_ASSERT(judged(Publicness::kYes, false));
        CPPUNIT_ASSERT(!judged(Publicness::kNo, true));
    }

private:
    void serveTag(const Digest& digest) {
        const std::string head = plainHead(cat("Content-Type: ", kIndexType,
                                               "\r\nContent-Length: 100\r\nDocker-Content-Digest: ",
                                               digest.text(), "\r\n"));
        serve([head](const ScriptedRequest&) { return head; });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WorksTest);

}  // namespace
}  // namespace ociproxy
