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
    CPPUNIT_TEST(case62_to_67_case70_ranges);
    CPPUNIT_TEST(case68_case69_ignoredRanges);
    CPPUNIT_TEST(case71_severalRanges);
    CPPUNIT_TEST(case72_neitherMergedNorSorted);
    CPPUNIT_TEST(case73_case74_someOrNoneSatisfiable);
    CPPUNIT_TEST(case75_thousandRangesCostLittle);
    CPPUNIT_TEST(case76_tooManyRanges);
    CPPUNIT_TEST(case77_amplification);
    CPPUNIT_TEST(case78_whiteSpace);
    CPPUNIT_TEST(case79_case80_ifRange);
    CPPUNIT_TEST(case81_headIgnoresRange);
    CPPUNIT_TEST(case87_boundary);
    CPPUNIT_TEST(manifestsHaveNoRanges);
    CPPUNIT_TEST(partialContentHasItsHeaders);
    CPPUNIT_TEST(case53_case54_case82_ifNoneMatch);
    CPPUNIT_TEST(ifMatch);
    CPPUNIT_TEST(datesAreIgnored);
    CPPUNIT_TEST(conditionsOfWhatIsNotStored);
    CPPUNIT_TEST(severalRangesOfAGrowingBody);
    CPPUNIT_TEST(case83_emptyContentHasNoSlice);
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

    void case62_to_67_case70_ranges() {
        expectRange("bytes=0-99", 0, 100, "bytes 0-99/1000");
        expectRange("bytes=900-", 900, 100, "bytes 900-999/1000");
        expectRange("bytes=-100", 900, 100, "bytes 900-999/1000");
        expectRange("bytes=990-1000", 990, 10, "bytes 990-999/1000");
        expectRange("bytes=0-99999999999999999999999", 0, 1000, "bytes 0-999/1000");
        expectRange("bytes=-5000", 0, 1000, "bytes 0-999/1000");
        expectRange("BYTES=0-0", 0, 1, "bytes 0-0/1000");
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

    void case71_severalRanges() {
        const Reply reply = stored(getWith("Range", "bytes=0-0,10-19"), 1000);
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT(!reply.headers.has("Content-Range"));
        const std::string begin = cat("\r\n--", boundaryOf(reply),
                                      "\r\nContent-Type: application/octet-stream\r\n"
                                      "Content-Range: bytes ");
        const FileBody& body = std::get<FileBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(begin + "0-0/1000\r\n\r\n", body.prefix(body.slices.at(0)));
        CPPUNIT_ASSERT_EQUAL(begin + "10-19/1000\r\n\r\n", body.prefix(body.slices.at(1)));
        CPPUNIT_ASSERT_EQUAL(cat("\r\n--", boundaryOf(reply), "--\r\n"), body.suffix);
        CPPUNIT_ASSERT_EQUAL(std::string("0+1 10+10"), slices(reply));
    }

    void case72_neitherMergedNorSorted() {
        CPPUNIT_ASSERT_EQUAL(std::string("0+10 10+10"), slicesOf("bytes=0-9,10-19"));
        CPPUNIT_ASSERT_EQUAL(std::string("0+10 5+10"), slicesOf("bytes=0-9,5-14"));
        CPPUNIT_ASSERT_EQUAL(std::string("100+10 0+10"), slicesOf("bytes=100-109,0-9"));
        CPPUNIT_ASSERT_EQUAL(std::string("7+1 7+1"), slicesOf("bytes=7-7,7-7"));
    }

    void case73_case74_someOrNoneSatisfiable() {
        expectRange("bytes=0-0,5000-", 0, 1, "bytes 0-0/1000");
        expectRange("bytes=5000-,-0,990-2000", 990, 10, "bytes 990-999/1000");
        const Reply none = stored(getWith("Range", "bytes=5000-,6000-"), 1000);
        CPPUNIT_ASSERT_EQUAL(416, none.status);
        CPPUNIT_ASSERT_EQUAL(std::string("bytes */1000"), header(none, "Content-Range"));
    }

    void case75_thousandRangesCostLittle() {
        const Reply reply = stored(getWith("Range", manyRanges(1024)), 1'000'000);
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        const FileBody& body = std::get<FileBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1024}, body.slices.size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1023 * 20}, body.slices.back().offset);
        CPPUNIT_ASSERT(body.slices.capacity() * sizeof(FileSlice) <= 16 * 1024);
    }

    void case76_tooManyRanges() {
        for (const std::size_t count : {1025, 2049}) {
            const Reply reply = stored(getWith("Range", manyRanges(count)), 1'000'000);
            CPPUNIT_ASSERT_EQUAL(400, reply.status);
            CPPUNIT_ASSERT(std::get<BytesBody>(reply.body).bytes.find("RANGE_INVALID") !=
                           std::string::npos);
        }
        // Where Range does not count, neither does the number.
        Request request = getWith("Range", manyRanges(1025));
        request.headers.add("If-Range", "\"other\"");
        CPPUNIT_ASSERT_EQUAL(200, stored(request, 1'000'000).status);
        request.headers.remove("If-Range");
        request.method = Method::kHead;
        CPPUNIT_ASSERT_EQUAL(200, stored(request, 1'000'000).status);
    }

    void case77_amplification() {
        std::string range = "bytes=0-999";
        for (int i = 1; i < 200; ++i) range += ",0-999";
        expectSlice(stored(getWith("Range", range), 1000), 0, 1000);
        // The sum decides: what is there once may be asked for once.
        CPPUNIT_ASSERT_EQUAL(std::string("0+500 500+500"), slicesOf("bytes=0-499,500-"));
        CPPUNIT_ASSERT_EQUAL(std::string("0+500 0+500"), slicesOf("bytes=0-499,0-499"));
        expectSlice(stored(getWith("Range", "bytes=0-499,499-"), 1000), 0, 1000);
        expectSlice(stored(getWith("Range", "bytes=0-,0-0"), 1000), 0, 1000);
        const Reply largest = stored(getWith("Range", "bytes=0-,0-,0-"), UINT64_MAX);
        expectSlice(largest, 0, UINT64_MAX);
    }

    void case78_whiteSpace() {
        CPPUNIT_ASSERT_EQUAL(200, stored(getWith("Range", "bytes = 0-1"), 1000).status);
        CPPUNIT_ASSERT_EQUAL(std::string("0+2 3+2"), slicesOf("bytes=0-1, ,3-4"));
        CPPUNIT_ASSERT_EQUAL(std::string("0+2 3+2"), slicesOf("bytes=0-1 , 3-4"));
    }

    void case79_case80_ifRange() {
        const std::string tag = cat('"', kDigest.text(), '"');
        CPPUNIT_ASSERT_EQUAL(206, rangedWith({{"If-Range", tag}}).status);
        for (const std::string& other : {std::string("\"other\""), "W/" + tag, kDigest.text(),
                                         std::string("Mon, 23 Nov 2026 20:00:00 GMT")}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(other, 200, rangedWith({{"If-Range", other}}).status);
        }
        CPPUNIT_ASSERT_EQUAL(200, rangedWith({{"If-Range", tag}, {"If-Range", tag}}).status);
        CPPUNIT_ASSERT_EQUAL(200, stored(getWith("If-Range", tag), 1000).status);
    }

    void case81_headIgnoresRange() {
        for (const char* range : {"bytes=0-9", "bytes=0-9,20-29", "bytes=5000-"}) {
            Request request = getWith("Range", range);
            request.method = Method::kHead;
            const Reply reply = stored(request, 1000);
            CPPUNIT_ASSERT_EQUAL(200, reply.status);
            expectSlice(reply, 0, 1000);
        }
    }

    void case87_boundary() {
        const Reply one = stored(getWith("Range", "bytes=0-0,10-19"), 1000);
        const Reply other = stored(getWith("Range", "bytes=0-0,10-19"), 1000);
        const std::string boundary = boundaryOf(one);
        CPPUNIT_ASSERT(!boundary.empty() && boundary.size() <= 70);
        CPPUNIT_ASSERT_EQUAL(std::string::npos,
                             boundary.find_first_not_of("0123456789abcdef"));
        CPPUNIT_ASSERT(boundary != boundaryOf(other));
    }

    void manifestsHaveNoRanges() {
        ContentFacts facts = blobFacts();
        facts.blob = false;
        for (const char* range : {"bytes=0-9", "bytes=0-9,20-29", "bytes=5000-"}) {
            const Reply reply = storedReply(getWith("Range", range), facts, contentOf(1000),
                                            cacheHit());
            CPPUNIT_ASSERT_EQUAL(200, reply.status);
            expectSlice(reply, 0, 1000);
        }
    }

    // Those that the 200 would have had.
    void partialContentHasItsHeaders() {
        ContentFacts facts = blobFacts();
        facts.isPublic = true;
        facts.fetchedAt = 1;
        const Reply whole = storedReply(getWith("", ""), facts, contentOf(1000), cacheHit());
        for (const char* range : {"bytes=0-9", "bytes=0-9,20-29"}) {
            const Reply part =
                storedReply(getWith("Range", range), facts, contentOf(1000), cacheHit());
            for (const char* name : {"Docker-Content-Digest", "ETag", "Accept-Ranges",
                                     "Cache-Control", "Cache-Status"}) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(name, header(whole, name), header(part, name));
                CPPUNIT_ASSERT(part.headers.has(name));
            }
            CPPUNIT_ASSERT(part.headers.has("Age"));
        }
    }

    void case53_case54_case82_ifNoneMatch() {
        const std::string tag = cat('"', kDigest.text(), '"');
        for (const std::string& value : {tag, kDigest.text(), "W/" + tag, std::string("*"),
                                         "\"x\"," + tag}) {
            const Reply reply = stored(getWith("If-None-Match", value), 1000);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(value, 304, reply.status);
            CPPUNIT_ASSERT(std::holds_alternative<NoBody>(reply.body));
            CPPUNIT_ASSERT_EQUAL(tag, header(reply, "ETag"));
            CPPUNIT_ASSERT_EQUAL(kDigest.text(), header(reply, "Docker-Content-Digest"));
            CPPUNIT_ASSERT(reply.headers.has("Cache-Control"));
            CPPUNIT_ASSERT_EQUAL(304, rangedWith({{"If-None-Match", value}}).status);
        }
        CPPUNIT_ASSERT_EQUAL(200, stored(getWith("If-None-Match", "\"other\""), 1000).status);
        CPPUNIT_ASSERT_EQUAL(206, rangedWith({{"If-None-Match", "\"other\""}}).status);
        Request head = getWith("If-None-Match", tag);
        head.method = Method::kHead;
        CPPUNIT_ASSERT_EQUAL(304, stored(head, 1000).status);
    }

    void ifMatch() {
        const std::string tag = cat('"', kDigest.text(), '"');
        for (const std::string& value : {tag, std::string("*"), "\"x\", " + tag}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(value, 206, rangedWith({{"If-Match", value}}).status);
        }
        for (const std::string& value : {std::string("\"other\""), "W/" + tag, std::string()}) {
            const Reply reply = rangedWith({{"If-Match", value}});
            CPPUNIT_ASSERT_EQUAL_MESSAGE(value, 412, reply.status);
            CPPUNIT_ASSERT_EQUAL(tag, header(reply, "ETag"));
        }
        CPPUNIT_ASSERT_EQUAL(
            412, rangedWith({{"If-None-Match", tag}, {"If-Match", "\"other\""}}).status);
        CPPUNIT_ASSERT_EQUAL(304,
                             rangedWith({{"If-None-Match", tag}, {"If-Match", tag}}).status);
    }

    void datesAreIgnored() {
        for (const char* name : {"If-Modified-Since", "If-Unmodified-Since"}) {
            for (const char* date : {"Mon, 01 Jan 1990 00:00:00 GMT",
                                     "Fri, 01 Jan 2100 00:00:00 GMT"}) {
                CPPUNIT_ASSERT_EQUAL(200, stored(getWith(name, date), 1000).status);
            }
        }
    }

    void conditionsOfWhatIsNotStored() {
        const std::string tag = cat('"', kDigest.text(), '"');
        const Request known = getWith("If-None-Match", tag);
        const Request other = getWith("If-Match", "\"other\"");
        const Reply head = headReply(known, blobFacts(), 10, cacheHit());
        CPPUNIT_ASSERT_EQUAL(304, head.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *head.headLength);  // it is not in the store
        CPPUNIT_ASSERT_EQUAL(412, headReply(other, blobFacts(), 10, cacheHit()).status);
        CPPUNIT_ASSERT_EQUAL(304, followed(known).status);
        CPPUNIT_ASSERT_EQUAL(412, followed(other).status);
    }

    void severalRangesOfAGrowingBody() {
        const Reply parts = followed(getWith("Range", "bytes=0-9,20-29"));
        CPPUNIT_ASSERT_EQUAL(206, parts.status);
        CPPUNIT_ASSERT(startsWith(header(parts, "Content-Type"), "multipart/byteranges"));
        const FollowBody& body = std::get<FollowBody>(parts.body);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, body.parts.size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{20}, body.parts[1].offset);
        CPPUNIT_ASSERT(body.prefix(body.parts[1]).find("bytes 20-29/1000") != std::string::npos);
        const Reply one = followed(getWith("Range", "bytes=0-9,5000-"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes 0-9/1000"), header(one, "Content-Range"));
        CPPUNIT_ASSERT_EQUAL(416, followed(getWith("Range", "bytes=5000-,6000-")).status);
        const Reply whole = followReply(getWith("Range", "bytes=0-9,20-29"), blobFacts(), nullptr,
                                        1000, false, cacheHit());
        CPPUNIT_ASSERT_EQUAL(200, whole.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1000}, *std::get<FollowBody>(whole.body).size);
        CPPUNIT_ASSERT_EQUAL(400, followed(getWith("Range", manyRanges(1025))).status);
        CPPUNIT_ASSERT_EQUAL(416, followed(getWith("Range", "bytes=5000-")).status);
    }

    void case83_emptyContentHasNoSlice() {
        const Reply reply = stored(getWith("", ""), 0);
        CPPUNIT_ASSERT_EQUAL(200, reply.status);
        CPPUNIT_ASSERT(std::get<FileBody>(reply.body).slices.empty());
        for (const char* range : {"bytes=0-", "bytes=-1", "bytes=0-0,5-"}) {
            const Reply none = stored(getWith("Range", range), 0);
            CPPUNIT_ASSERT_EQUAL(416, none.status);
            CPPUNIT_ASSERT_EQUAL(std::string("bytes */0"), header(none, "Content-Range"));
        }
    }

    void tagsAreNotImmutable() {
        ContentFacts facts = blobFacts();
        facts.byTag = true;
        facts.blob = false;
        const Reply reply = headReply(getWith("", ""), facts, 10, cacheHit());
        CPPUNIT_ASSERT_EQUAL(std::string("no-cache"), header(reply, "Cache-Control"));
        CPPUNIT_ASSERT_EQUAL(std::string("(absent)"), header(reply, "Accept-Ranges"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *reply.headLength);
    }

    void followedRangeIsMarkedUnverified() {
        const Reply reply = followReply(getWith("Range", "bytes=10-19"), blobFacts(), nullptr,
                                        1000, true, {"ociproxy; fwd=uri-miss", "miss"});
        CPPUNIT_ASSERT_EQUAL(206, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; fwd=uri-miss; detail=unverified"),
                             header(reply, "Cache-Status"));
        const FollowBody& body = std::get<FollowBody>(reply.body);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, body.offset);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{10}, *body.size);
    }

    void unknownLengthIsNotRanged() {
        const Reply reply = followReply(getWith("Range", "bytes=10-19"), blobFacts(), nullptr,
                                        std::nullopt, true, cacheHit());
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
        return storedReply(request, blobFacts(), contentOf(size), cacheHit());
    }
    static StoredContent contentOf(std::uint64_t size) {
        StoredContent content;
        content.file = std::make_shared<const Fd>();
        content.info.size = size;
        return content;
    }
    Reply followed(const Request& request) const {
        return followReply(request, blobFacts(), nullptr, 1000, true, cacheHit());
    }
    // The first ten bytes, with these fields too.
    Reply rangedWith(const std::vector<HeaderField>& fields) const {
        Request request = getWith("Range", "bytes=0-9");
        for (const HeaderField& field : fields) request.headers.add(field.name, field.value);
        return stored(request, 1000);
    }
    static std::string manyRanges(std::size_t count) {
        std::string range = "bytes=0-9";
        for (std::size_t i = 1; i < count; ++i) range += cat(",", i * 20, "-", i * 20 + 9);
        return range;
    }
    // "OFFSET+SIZE ..." of a body in parts.
    static std::string slices(const Reply& reply) {
        std::string out;
        for (const FileSlice& slice : std::get<FileBody>(reply.body).slices) {
            out += cat(out.empty() ? "" : " ", slice.offset, "+", slice.size);
        }
        return out;
    }
    std::string slicesOf(const std::string& range) const {
        const Reply reply = stored(getWith("Range", range), 1000);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(range, 206, reply.status);
        return slices(reply);
    }
    static std::string boundaryOf(const Reply& reply) {
        const std::string type = header(reply, "Content-Type");
        const std::string begin = "multipart/byteranges; boundary=";
        CPPUNIT_ASSERT_EQUAL(begin, type.substr(0, begin.size()));
        return type.substr(begin.size());
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
