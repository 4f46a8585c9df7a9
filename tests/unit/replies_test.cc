// Replies, Cache-Status, failures and the access log of the proxy module.
#include "proxy/replies.h"

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "proxy/access_log.h"
#include "proxy/failure_map.h"

namespace ociproxy {
namespace {

const Digest kDigest = digestOf(DigestAlgorithm::kSha256, "content");

Request getWith(const std::string& name, const std::string& value) {
    Request request;
    if (!name.empty()) request.headers.add(name, value);
    return request;
}

std::string header(const Reply& reply, const std::string& name) {
    const std::string* value = reply.headers.find(name);
    return value ? *value : "(absent)";
}

class RepliesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RepliesTest);
    CPPUNIT_TEST(wholeContentHasItsHeaders);
    CPPUNIT_TEST(case62_to_67_ranges);
    CPPUNIT_TEST(case68_case69_ignoredRanges);
    CPPUNIT_TEST(severalRangesGetTheWhole);
    CPPUNIT_TEST(matchingEtagIsNotModified);
    CPPUNIT_TEST(emptyContentHasNoSlice);
    CPPUNIT_TEST(tagsAreNotImmutable);
    CPPUNIT_TEST(followedRangeIsMarkedUnverified);
    CPPUNIT_TEST(unknownLengthIsNotRanged);
    CPPUNIT_TEST(commonHeadersAreEverywhere);
    CPPUNIT_TEST(failuresBecomeStatuses);
    CPPUNIT_TEST(case140_deniedSaysNothingOfChallenges);
    CPPUNIT_TEST(retryAfterIsClamped);
    CPPUNIT_TEST(cacheStatusTellsHowItCame);
    CPPUNIT_TEST(accessLineNamesEverything);
    CPPUNIT_TEST_SUITE_END();

public:
    void wholeContentHasItsHeaders() {
        const Reply reply = stored(getWith("", ""), 1000);
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT_EQUAL(kDigest.text(), header(reply, "Docker-Content-Digest"));
        CPPUNIT_ASSERT_EQUAL("\"" + kDigest.text() + "\"", header(reply, "ETag"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes"), header(reply, "Accept-Ranges"));
        CPPUNIT_ASSERT(header(reply, "Cache-Control").find("immutable") != std::string::npos);
        expectSlice(reply, 0, 1000);
    }

    void case62_to_67_ranges() {
        expectRange("bytes=0-99", 0, 100, "bytes 0-99/1000");
        expectRange("bytes=900-", 900, 100, "bytes 900-999/1000");
        expectRange("bytes=-100", 900, 100, "bytes 900-999/1000");
        expectRange("bytes=990-1000", 990, 10, "bytes 990-999/1000");
        expectRange("bytes=0-99999999999999999999999", 0, 1000, "bytes 0-999/1000");
        expectRange("bytes=-5000", 0, 1000, "bytes 0-999/1000");
        for (const char* range : {"bytes=1000-", "bytes=1000-1000", "bytes=-0"}) {
            const Reply reply = stored(getWith("Range", range), 1000);
            CPPUNIT_ASSERT_EQUAL(416, reply.status);
            CPPUNIT_ASSERT_EQUAL(std::string("bytes */1000"), header(reply, "Content-Range"));
        }
    }

    void case68_case69_ignoredRanges() {
        for (const char* range : {"bytes=5-2", "bytes=abc", "bytes=", "bytes 0-1", "items=0-1"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(range, 200, stored(getWith("Range", range), 1000).status);
        }
    }

    void severalRangesGetTheWhole() {
        expectSlice(stored(getWith("Range", "bytes=0-1,5-6"), 1000), 0, 1000);
    }

    void matchingEtagIsNotModified() {
        const Reply reply = stored(getWith("If-None-Match", "\"" + kDigest.text() + "\""), 1000);
        CPPUNIT_ASSERT_EQUAL(304, reply.status);
        CPPUNIT_ASSERT(std::holds_alternative<NoBody>(reply.body));
        CPPUNIT_ASSERT_EQUAL(200, stored(getWith("If-None-Match", "\"other\""), 1000).status);
    }

    void emptyContentHasNoSlice() {
        const Reply reply = stored(getWith("", ""), 0);
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT(std::get<FileBody>(reply.body).slices.empty());
        CPPUNIT_ASSERT_EQUAL(416, stored(getWith("Range", "bytes=0-"), 0).status);
    }

    void tagsAreNotImmutable() {
        ContentFacts facts = blobFacts();
        facts.byTag = true;
        facts.blob = false;
        const Reply reply = headReply(facts, 10, cacheHit());
        CPPUNIT_ASSERT_EQUAL(std::string("no-cache"), header(reply, "Cache-Control"));
        CPPUNIT_ASSERT_EQUAL(std::string("(absent)"), header(reply, "Accept-Ranges"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *reply.headLength);
    }

    void followedRangeIsMarkedUnverified() {
        const Reply reply = followReply(getWith("Range", "bytes=10-19"), blobFacts(), nullptr,
                                        1000, {"ociproxy; fwd=uri-miss", "miss"});
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; fwd=uri-miss; detail=unverified"),
                             header(reply, "Cache-Status"));
        const FollowBody& body = std::get<FollowBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, body.offset);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *body.size);
    }

    void unknownLengthIsNotRanged() {
        const Reply reply = followReply(getWith("Range", "bytes=10-19"), blobFacts(), nullptr,
                                        std::nullopt, cacheHit());
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT(!std::get<FollowBody>(reply.body).size);
    }

    void commonHeadersAreEverywhere() {
        Reply reply = pingReply();
        addCommonHeaders("Docker.IO", &reply);
        CPPUNIT_ASSERT_EQUAL(std::string("registry/2.0"),
                             header(reply, "Docker-Distribution-API-Version"));
        CPPUNIT_ASSERT_EQUAL(std::string("Docker.IO"), header(reply, "OCI-Namespace"));
        CPPUNIT_ASSERT(reply.headers.has("Cache-Status"));
        Reply without = pingReply();
        addCommonHeaders({}, &without);
        CPPUNIT_ASSERT(!without.headers.has("OCI-Namespace"));
    }

    void failuresBecomeStatuses() {
        CPPUNIT_ASSERT_EQUAL(404, ofStatus(404).status);
        CPPUNIT_ASSERT_EQUAL(403, ofStatus(403).status);
        CPPUNIT_ASSERT_EQUAL(429, ofStatus(429).status);
        CPPUNIT_ASSERT_EQUAL(502, ofStatus(500).status);
        CPPUNIT_ASSERT_EQUAL(503, ofStatus(503).status);
        CPPUNIT_ASSERT_EQUAL(504, ofStatus(504).status);
        CPPUNIT_ASSERT_EQUAL(502, ofStatus(418).status);
        CPPUNIT_ASSERT_EQUAL(502, of(UpstreamFailure::kConnectionRefused).status);
        CPPUNIT_ASSERT_EQUAL(504, of(UpstreamFailure::kConnectionTimeout).status);
        CPPUNIT_ASSERT_EQUAL(403, of(UpstreamFailure::kTokenDenied).status);
        CPPUNIT_ASSERT_EQUAL(
            502, refusalFor(failureOf(FillFailure::kDigestMismatch), target_).status);
        CPPUNIT_ASSERT_EQUAL(500, refusalFor(failureOf(FillFailure::kStore), target_).status);
    }

    void case140_deniedSaysNothingOfChallenges() {
        const Reply reply = refusalReply(ofStatus(401), cacheError(ofStatus(401), Findings{}));
        CPPUNIT_ASSERT_EQUAL(403, reply.status);
        CPPUNIT_ASSERT(!reply.headers.has("WWW-Authenticate"));
    }

    void retryAfterIsClamped() {
        const auto seconds = [](const std::string& text) { return retryAfterSeconds(&text); };
        CPPUNIT_ASSERT_EQUAL(120u, seconds("120"));
        CPPUNIT_ASSERT_EQUAL(1u, seconds("0"));
        CPPUNIT_ASSERT_EQUAL(3600u, seconds("1000000000"));
        CPPUNIT_ASSERT_EQUAL(0u, seconds("-5"));
        CPPUNIT_ASSERT_EQUAL(0u, seconds("soon"));
        CPPUNIT_ASSERT_EQUAL(1u, seconds("Thu, 01 Jan 1970 00:00:00 GMT"));
        CPPUNIT_ASSERT_EQUAL(3600u, seconds("Fri, 01 Jan 2100 00:00:00 GMT"));
        CPPUNIT_ASSERT_EQUAL(0u, retryAfterSeconds(nullptr));
    }

    void cacheStatusTellsHowItCame() {
        Findings findings;
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), cacheServed(findings).header);
        findings.confirmed = true;
        findings.upstreamStatus = 200;
        CPPUNIT_ASSERT_EQUAL(
            std::string("ociproxy; fwd=stale; fwd-status=200; detail=link-confirmed"),
            cacheServed(findings).header);
        findings.collapsed = true;
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; fwd=uri-miss; collapsed"),
                             cacheServed(findings).header);
        findings.startedFill = true;
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; fwd=uri-miss; fwd-status=200; stored"),
                             cacheServed(findings).header);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; fwd=uri-miss; fwd-status=404"),
                             cacheError(ofStatus(404), Findings{}).header);
    }

    void accessLineNamesEverything() {
        Request request;
        request.methodText = "GET";
        request.target = "/v2/up/a\"b";
        Finished finished;
        finished.request = &request;
        finished.peer = "192.0.2.1:5000";
        finished.status = 200;
        finished.bodyBytes = 1000;
        finished.duration = Millis{1042};
        finished.cacheResult = "hit";
        const std::string line = accessLine(finished);
        CPPUNIT_ASSERT_MESSAGE(line, endsWith(line, " 192.0.2.1:5000 \"GET /v2/up/a\\\"b\" 200 "
                                                    "1000 1.042 hit - cut"));
        finished.complete = true;
        finished.upstreamStatus = 404;
        CPPUNIT_ASSERT(endsWith(accessLine(finished), "1.042 hit 404"));
    }

private:
    ContentFacts blobFacts() const { return {kDigest, "application/octet-stream"}; }
    Reply stored(const Request& request, std::uint64_t size) const {
        StoredContent content;
        content.file = std::make_shared<const Fd>();
        content.info.size = size;
        return storedReply(request, blobFacts(), content, cacheHit());
    }
    void expectSlice(const Reply& reply, std::uint64_t offset, std::uint64_t size) const {
        const FileBody& body = std::get<FileBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, body.slices.size());
        CPPUNIT_ASSERT_EQUAL(offset, body.slices[0].offset);
        CPPUNIT_ASSERT_EQUAL(size, body.slices[0].size);
    }
    void expectRange(const std::string& range, std::uint64_t offset, std::uint64_t size,
                     const std::string& contentRange) const {
        const Reply reply = stored(getWith("Range", range), 1000);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(range, 206, reply.status);
        CPPUNIT_ASSERT_EQUAL(contentRange, header(reply, "Content-Range"));
        expectSlice(reply, offset, size);
    }
    Refusal ofStatus(std::uint32_t status) const {
        ClaimFailure failure = failureOf(FillFailure::kStatus);
        failure.status = status;
        return refusalFor(failure, target_);
    }
    Refusal of(UpstreamFailure failure) const {
        return refusalFor(failureOf(UpstreamError(failure, "x")), target_);
    }

    Target target_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RepliesTest);

}  // namespace
}  // namespace ociproxy
