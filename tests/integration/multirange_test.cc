// Several ranges at once, cached and not, and what else decides how much of a blob is sent.
#include <cctype>
#include <cstdio>

#include "integration/integration_test.h"

namespace ociproxy::itest {

namespace {

struct Part {
    std::string contentType;
    std::string contentRange;
    std::string bytes;
};

// Cuts `text` behind the next `mark` and gives what was before it; fails without one.
std::string takeUntil(std::string* text, const std::string& mark) {
    const std::size_t end = text->find(mark);
    CPPUNIT_ASSERT_MESSAGE("no " + mark, end != std::string::npos);
    const std::string before = text->substr(0, end);
    text->erase(0, end + mark.size());
    return before;
}

std::string boundaryOf(const Response& response) {
    std::string type = response.header("Content-Type");
    CPPUNIT_ASSERT_EQUAL(std::string(), takeUntil(&type, "multipart/byteranges; boundary="));
    return type;
}

// REQUIRES: the parts are no longer than their Content-Range says; they are read by it, for
// their bytes may look like a boundary.
std::vector<Part> partsOf(const Response& response) {
    const std::string delimiter = "\r\n--" + boundaryOf(response);
    std::string rest = response.body;
    std::vector<Part> parts;
    CPPUNIT_ASSERT_EQUAL(std::string(), takeUntil(&rest, delimiter));
    while (rest != "--\r\n") {
        CPPUNIT_ASSERT_EQUAL(std::string(), takeUntil(&rest, "\r\n"));
        const std::optional<Head> head = parseHead("part\r\n" + takeUntil(&rest, "\r\n\r\n"));
        CPPUNIT_ASSERT(head);
        Part part{head->fields.get("Content-Type"), head->fields.get("Content-Range"), {}};
        unsigned long first = 0;
        unsigned long last = 0;
        CPPUNIT_ASSERT_EQUAL(2, std::sscanf(part.contentRange.c_str(), "bytes %lu-%lu/", &first,
                                            &last));
        part.bytes = rest.substr(0, last - first + 1);
        rest.erase(0, part.bytes.size());
        CPPUNIT_ASSERT_EQUAL(std::string(), takeUntil(&rest, delimiter));
        parts.push_back(part);
    }
    return parts;
}

}  // namespace

class MultirangeTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(MultirangeTest);
    OCIPROXY_INTEGRATION_TEST(case71_severalRanges);
    OCIPROXY_INTEGRATION_TEST(case72_neitherMergedNorSorted);
    OCIPROXY_INTEGRATION_TEST(case73_oneOfSeveralIsSatisfiable);
    OCIPROXY_INTEGRATION_TEST(case74_noneOfSeveral);
    OCIPROXY_INTEGRATION_TEST(case75_thousandRanges);
    OCIPROXY_INTEGRATION_TEST(case76_tooManyRanges);
    OCIPROXY_INTEGRATION_TEST(case77_amplification);
    OCIPROXY_INTEGRATION_TEST(case78_whiteSpace);
    OCIPROXY_INTEGRATION_TEST(case81_severalRangesOnHead);
    OCIPROXY_INTEGRATION_TEST(case82_ifNoneMatchWins);
    OCIPROXY_INTEGRATION_TEST(case87_boundary);
    OCIPROXY_INTEGRATION_TEST(severalRangesOfAnUncachedBlob);
    OCIPROXY_INTEGRATION_TEST(manifestsHaveNoRanges);
    OCIPROXY_INTEGRATION_TEST(preconditions);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        startProxy();
        use(randomBytes(1000));
    }

    void case71_severalRanges() {
        fill();
        const Response response = ranged("bytes=0-0,10-19");
        assertParts(response, {{0, 0}, {10, 19}});
        CPPUNIT_ASSERT_EQUAL(std::string(), response.header("Content-Range"));
        CPPUNIT_ASSERT_EQUAL(std::to_string(response.body.size()),
                             response.header("Content-Length"));
        CPPUNIT_ASSERT_EQUAL(digest_, response.header("Docker-Content-Digest"));
        CPPUNIT_ASSERT_EQUAL(cat('"', digest_, '"'), response.header("ETag"));
        CPPUNIT_ASSERT_EQUAL(std::string("bytes"), response.header("Accept-Ranges"));
        for (const char* name : {"Cache-Control", "Age", "Date"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !response.header(name).empty());
        }
    }

    void case72_neitherMergedNorSorted() {
        fill();
        assertParts(ranged("bytes=0-9,10-19"), {{0, 9}, {10, 19}});
        assertParts(ranged("bytes=0-9,5-14"), {{0, 9}, {5, 14}});
        assertParts(ranged("bytes=100-109,0-9"), {{100, 109}, {0, 9}});
        assertParts(ranged("bytes=1-1,1-1,-1,999-"), {{1, 1}, {1, 1}, {999, 999}, {999, 999}});
    }

    void case73_oneOfSeveralIsSatisfiable() {
        fill();
        const Response response = ranged("bytes=0-0,5000-");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), 206, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string("bytes 0-0/1000"), response.header("Content-Range"));
        CPPUNIT_ASSERT_EQUAL(bytes_.substr(0, 1), response.body);
    }

    void case74_noneOfSeveral() {
        fill();
        const Response response = ranged("bytes=5000-,6000-");
        assertError(response, 416, "RANGE_INVALID");
        CPPUNIT_ASSERT_EQUAL(std::string("bytes */1000"), response.header("Content-Range"));
    }

    // As c/storage asks for the chunks of a layer: disjoint, in order, the last one open.
    void case75_thousandRanges() {
        use(randomBytes(4 * kMiB));
        fill();
        std::string range = "bytes=";
        std::vector<std::pair<std::size_t, std::size_t>> wanted;
        for (std::size_t i = 0; i < 1023; ++i) {
            wanted.emplace_back(i * 4096, i * 4096 + 2000 + i);
            range += cat(wanted.back().first, "-", wanted.back().second, ",");
        }
        wanted.emplace_back(1023 * 4096 + 5, bytes_.size() - 1);
        range += cat(wanted.back().first, "-");
        TestClient client(proxy().port());
        for (int i = 0; i < 2; ++i) assertParts(client.get(target_, {{"Range", range}}), wanted);
        assertServed(client.get("/v2/"), "{}");
    }

    void case76_tooManyRanges() {
        fill();
        for (const std::size_t count : {1025, 2049}) {
            std::string range = "bytes=0-0";
            for (std::size_t i = 1; i < count; ++i) range += ",0-0";
            assertError(ranged(range), 400, "RANGE_INVALID");
        }
    }

    void case77_amplification() {
        fill();
        std::string range = "bytes=0-999";
        for (int i = 1; i < 200; ++i) range += ",0-999";
        assertServed(ranged(range), bytes_);
    }

    void case78_whiteSpace() {
        fill();
        assertServed(ranged("bytes = 0-1"), bytes_);
        assertParts(ranged("bytes=0-1, ,3-4"), {{0, 1}, {3, 4}});
        assertParts(ranged("bytes=0-1 , 3-4"), {{0, 1}, {3, 4}});
    }

    void case81_severalRangesOnHead() {
        fill();
        const Response response = head(target_, {{"Range", "bytes=0-0,10-19"}});
        CPPUNIT_ASSERT_EQUAL(200, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string("1000"), response.header("Content-Length"));
    }

    void case82_ifNoneMatchWins() {
        fill();
        const std::string tag = cat('"', digest_, '"');
        CPPUNIT_ASSERT_EQUAL(304, ranged("bytes=0-0,10-19", {"If-None-Match", tag}).status);
        assertParts(ranged("bytes=0-0,10-19", {"If-Range", tag}), {{0, 0}, {10, 19}});
        assertServed(ranged("bytes=0-0,10-19", {"If-Range", "\"other\""}), bytes_);
    }

    void case87_boundary() {
        fill();
        const std::string boundary = boundaryOf(ranged("bytes=0-0,10-19"));
        CPPUNIT_ASSERT(!boundary.empty() && boundary.size() <= 70);
        for (char c : boundary) CPPUNIT_ASSERT(std::isalnum(c) || c == '-');
        CPPUNIT_ASSERT(boundary != boundaryOf(ranged("bytes=0-0,10-19")));
    }

    // The whole blob while the fill runs, the parts once it is stored, whichever the first
    // reply comes to. Upstreams, which answer such requests in many ways, never see the ranges.
    void severalRangesOfAnUncachedBlob() {
        for (const std::size_t size : {std::size_t{1000}, kMiB}) {
            use(randomBytes(size));
            const Response first = ranged("bytes=0-0,10-19");
            if (first.status == 206) {
                assertParts(first, {{0, 0}, {10, 19}});
            } else {
                assertServed(first, bytes_);
            }
            awaitStored(digest_);
            assertParts(ranged("bytes=0-0,10-19"), {{0, 0}, {10, 19}});
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest_));
        }
    }

    void manifestsHaveNoRanges() {
        const std::string bytes = imageManifest(digest_, {});
        const std::string digest =
            up().addManifest("a", bytes, "application/vnd.oci.image.manifest.v1+json");
        for (int i = 0; i < 2; ++i) {
            const Response response =
                get(manifest("a", digest), {{"Range", "bytes=0-0"}});
            assertServed(response, bytes);
            CPPUNIT_ASSERT_EQUAL(std::string(), response.header("Accept-Ranges"));
        }
    }

    void preconditions() {
        const std::string tag = cat('"', digest_, '"');
        for (int i = 0; i < 2; ++i) {  // fetched first, then stored
            assertError(get(target_, {{"If-Match", "\"other\""}}), 412, "UNSUPPORTED");
            awaitStored(digest_);
        }
        assertServed(get(target_, {{"If-Match", tag}}), bytes_);
        CPPUNIT_ASSERT_EQUAL(
            304, get(target_, {{"If-Match", tag}, {"If-None-Match", tag}}).status);
        assertServed(get(target_, {{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"},
                                   {"If-Unmodified-Since", "Mon, 01 Jan 1990 00:00:00 GMT"}}),
                     bytes_);
    }

private:
    void use(std::string bytes) {
        bytes_ = std::move(bytes);
        digest_ = up().addBlob("a", bytes_);
        target_ = blob("a", digest_);
    }
    void fill() {
        assertServed(get(target_), bytes_);
        awaitStored(digest_);
    }
    Response ranged(const std::string& range,
                    const std::pair<std::string, std::string>& condition = {}) {
        Fields fields{{"Range", range}};
        if (!condition.first.empty()) fields.add(condition.first, condition.second);
        return get(target_, fields);
    }

    void assertParts(const Response& response,
                     const std::vector<std::pair<std::size_t, std::size_t>>& wanted) {
        CPPUNIT_ASSERT_MESSAGE(response.summary(),
                               response.complete() && response.status == 206);
        const std::vector<Part> parts = partsOf(response);
        CPPUNIT_ASSERT_EQUAL(wanted.size(), parts.size());
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto [first, last] = wanted[i];
            CPPUNIT_ASSERT_EQUAL(std::string("application/octet-stream"), parts[i].contentType);
            CPPUNIT_ASSERT_EQUAL(cat("bytes ", first, "-", last, "/", bytes_.size()),
                                 parts[i].contentRange);
            CPPUNIT_ASSERT(parts[i].bytes == bytes_.substr(first, last - first + 1));
        }
    }

    std::string bytes_;
    std::string digest_;
    std::string target_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(MultirangeTest);

}  // namespace ociproxy::itest
