// Manifests by tag and by digest.
#include "integration/integration_test.h"

namespace ociproxy::itest {

class ManifestTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(ManifestTest);
    OCIPROXY_INTEGRATION_TEST(tagIsCheckedByHeadAndFetchedByDigest);
    OCIPROXY_INTEGRATION_TEST(unchangedTagIsServedFromTheStore);
    OCIPROXY_INTEGRATION_TEST(changedTagIsFetchedAnew);
    OCIPROXY_INTEGRATION_TEST(upstreamRefusesHead);
    OCIPROXY_INTEGRATION_TEST(case94_headWithoutDigest);
    OCIPROXY_INTEGRATION_TEST(headOfATag);
    OCIPROXY_INTEGRATION_TEST(byDigestWithTheUpstreamStopped);
    OCIPROXY_INTEGRATION_TEST(headByDigest);
    OCIPROXY_INTEGRATION_TEST(case88_acceptIsIgnoredByDigest);
    OCIPROXY_INTEGRATION_TEST(case91_acceptOnSeveralLines);
    OCIPROXY_INTEGRATION_TEST(case93_digestFieldIsComputed);
    OCIPROXY_INTEGRATION_TEST(case95_wrongDigestField);
    OCIPROXY_INTEGRATION_TEST(case97_bodyOfAnotherDigest);
    OCIPROXY_INTEGRATION_TEST(case98_parametersOfTheTypeAreDropped);
    OCIPROXY_INTEGRATION_TEST(case100_indexAndImageInOne);
    OCIPROXY_INTEGRATION_TEST(case101_htmlIsNoManifest);
    OCIPROXY_INTEGRATION_TEST(case103_sizeLimit);
    OCIPROXY_INTEGRATION_TEST(case104_bytesAreKept);
    OCIPROXY_INTEGRATION_TEST(case105_unknownManifests);
    OCIPROXY_INTEGRATION_TEST(wholeImageWithTheUpstreamStopped);
    OCIPROXY_INTEGRATION_TEST(upstreamRangesAndCutsOfManifests);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        IntegrationTest::setUp();
        bytes_ = imageManifest("config", {"layer"});
        digest_ = up().addManifest("a", bytes_, kManifestType, "latest");
        startProxy();
    }

    void tagIsCheckedByHeadAndFetchedByDigest() {
        const Response response = get(manifest("a", "latest"));
        assertServed(response, bytes_);
        assertManifestFields(response);
        assertContains(response.header("Cache-Status"), "fwd=uri-miss");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("HEAD", manifestPath("a", "latest")));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, up().count("GET", manifestPath("a", "latest")));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", manifestPath("a", digest_)));
        assertContains(up().lastRequest(manifestPath("a", "latest")).fields.get("Accept"),
                       kIndexType);
    }

    void unchangedTagIsServedFromTheStore() {
        assertServed(get(manifest("a", "latest")), bytes_);
        up().forgetRequests();
        const Response response = get(manifest("a", "latest"));
        assertServed(response, bytes_);
        assertManifestFields(response);
        assertContains(response.header("Cache-Status"), "detail=head-unchanged");
        CPPUNIT_ASSERT(up().calls() <= 1);
        CPPUNIT_ASSERT_EQUAL(up().calls(), up().count("HEAD", manifestPath("a", "latest")));
    }

    void changedTagIsFetchedAnew() {
        assertServed(get(manifest("a", "latest")), bytes_);
        const std::string changed = imageManifest("other config", {"layer"});
        up().addManifest("a", changed, kManifestType, "latest");
        assertServed(get(manifest("a", "latest")), changed);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             up().count("GET", manifestPath("a", digestText(changed))));
        assertServed(get(manifest("a", digest_)), bytes_);  // the old one is still there
    }

    void upstreamRefusesHead() {
        Behaviour refuse;
        refuse.method = "HEAD";
        refuse.status = 405;
        up().behave("", refuse);
        assertByTagWithoutHead();
    }

    void case94_headWithoutDigest() {
        Behaviour silent;
        silent.digestField = false;
        up().behave("", silent);
        assertByTagWithoutHead();
    }

    void headOfATag() {
        for (int i = 0; i < 2; ++i) {
            const Response response = head(manifest("a", "latest"));
            CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), 200, response.status);
            assertManifestFields(response);
            CPPUNIT_ASSERT(response.body.empty());
            assertServed(get(manifest("a", "latest")), bytes_);
        }
    }

    void byDigestWithTheUpstreamStopped() {
        assertServed(get(manifest("a", digest_)), bytes_);
        up().stop();
        const Response response = get(manifest("a", digest_));
        assertServed(response, bytes_);
        assertManifestFields(response);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy; hit"), response.header("Cache-Status"));
    }

    void headByDigest() {
        assertManifestFields(head(manifest("a", digest_)));
        assertServed(get(manifest("a", digest_)), bytes_);
        up().stop();
        assertManifestFields(head(manifest("a", digest_)));
    }

    void case88_acceptIsIgnoredByDigest() {
        for (int i = 0; i < 2; ++i) {
            const Response response =
                get(manifest("a", digest_), {{"Accept", "application/json"}});
            assertServed(response, bytes_);
            assertManifestFields(response);
        }
    }

    void case91_acceptOnSeveralLines() {
        assertServed(get(manifest("a", "latest"),
                         {{"Accept", kIndexType}, {"Accept", kManifestType}}), bytes_);
        assertServed(get(manifest("a", "latest"),
                         {{"Accept", cat(kIndexType, ", ", kManifestType)}}), bytes_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().count("GET", manifestPath("a", digest_)));
    }

    void case93_digestFieldIsComputed() {
        Behaviour silent;
        silent.digestField = false;
        up().behave(manifestPath("a", digest_), silent);
        const Response response = get(manifest("a", digest_));
        assertServed(response, bytes_);
        assertManifestFields(response);
    }

    void case95_wrongDigestField() {
        const std::string other = digestText("something else");
        Behaviour lie;
        lie.digestField = false;
        lie.fields = {{"Docker-Content-Digest", other}};
        up().behave(manifestPath("a", "latest"), lie);
        up().addFile(manifestPath("a", other), bytes_);
        assertNotServed(get(manifest("a", "latest")));
        CPPUNIT_ASSERT(!proxy().store().has(other));
    }

    void case97_bodyOfAnotherDigest() {
        const std::string other = digestText("something else");
        up().addManifest("a", bytes_, kManifestType, other);  // as if it were a tag
        assertError(get(manifest("a", other)), 502, "UNAVAILABLE");
        CPPUNIT_ASSERT(!proxy().store().has(other));
    }

    void case98_parametersOfTheTypeAreDropped() {
        up().addManifest("a", bytes_, cat(kManifestType, "; charset=utf-8"), "latest");
        const Response response = get(manifest("a", "latest"));
        assertServed(response, bytes_);
        assertManifestFields(response);
    }

    void case100_indexAndImageInOne() {
        const std::string both =
            "{\"schemaVersion\":2,\"manifests\":[],\"config\":{},\"layers\":[]}";
        const std::string digest = up().addManifest("a", both, kManifestType, "both");
        assertNotServed(get(manifest("a", "both")));
        assertNotServed(get(manifest("a", digest)));
        CPPUNIT_ASSERT(!proxy().store().has(digest));
    }

    void case101_htmlIsNoManifest() {
        const std::string digest =
            up().addManifest("a", "<html>Sign in</html>", "text/html", "page");
        assertError(get(manifest("a", digest)), 502, "UNAVAILABLE");
        assertNotServed(get(manifest("a", "page")));
        CPPUNIT_ASSERT(!proxy().store().has(digest));
    }

    void case103_sizeLimit() {
        const std::string largest = padded(4 * kMiB);
        const std::string digest = up().addManifest("a", largest, kManifestType);
        assertServed(get(manifest("a", digest)), largest);
        const std::string larger = padded(4 * kMiB + 1);
        const std::string tooLarge = up().addManifest("a", larger, kManifestType);
        assertError(get(manifest("a", tooLarge)), 502, "UNAVAILABLE");
        CPPUNIT_ASSERT(!proxy().store().has(tooLarge));
    }

    void case104_bytesAreKept() {
        const std::string odd = cat("\n\t {  \"schemaVersion\" : 2.0 , \"mediaType\":\n\"",
                                    kManifestType, "\", \"layers\":[ ],\"config\" : { } }\r\n  ");
        const std::string digest = up().addManifest("a", odd, kManifestType, "odd");
        assertServed(get(manifest("a", "odd")), odd);
        assertServed(get(manifest("a", digest)), odd);
        awaitStored(digest);
        CPPUNIT_ASSERT_EQUAL(odd, readFile(proxy().store().blobPath(digest)));
    }

    // Unknown as a manifest says nothing of it as a blob.
    void case105_unknownManifests() {
        const std::string bytes = randomBytes(100);
        const std::string digest = up().addBlob("a", bytes);
        CPPUNIT_ASSERT_EQUAL(404, head(manifest("a", digest)).status);
        CPPUNIT_ASSERT_EQUAL(200, head(blob("a", digest)).status);
        assertError(get(manifest("a", digest)), 404, "MANIFEST_UNKNOWN");
        assertError(get(manifest("a", "nosuchtag")), 404, "MANIFEST_UNKNOWN");
    }

    void wholeImageWithTheUpstreamStopped() {
        const std::string config = randomBytes(500);
        const std::string layer = randomBytes(200 * kKiB);
        const std::string amd64 = imageManifest(config, {layer});
        const std::string arm64 = imageManifest(config, {layer, layer});
        const std::string index = imageIndex(amd64, arm64);
        up().addBlob("i", config);
        up().addBlob("i", layer);
        up().addManifest("i", amd64, kManifestType);
        up().addManifest("i", index, kIndexType, "latest");
        const Response first = get(manifest("i", "latest"));
        assertServed(first, index);
        CPPUNIT_ASSERT_EQUAL(std::string(kIndexType), first.header("Content-Type"));
        pull("i", index, amd64, config, layer);
        up().stop();
        pull("i", index, amd64, config, layer);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, up().blobGets());
    }

    void upstreamRangesAndCutsOfManifests() {
        Behaviour cut;
        cut.times = 1;
        cut.cutAfter = 50;
        up().behave(manifestPath("a", digest_), cut);
        const Response response = get(manifest("a", digest_));
        if (response.status == 200) assertServed(response, bytes_);
        else assertNotServed(response);
        await("the manifest is served", [&] { return get(manifest("a", digest_)).status == 200; });
    }

private:
    // The registry does not tell a tag's digest by HEAD: the manifest itself does.
    void assertByTagWithoutHead() {
        const Response response = get(manifest("a", "latest"));
        assertServed(response, bytes_);
        assertManifestFields(response);
        CPPUNIT_ASSERT(up().count("GET", manifestPath("a", "latest")) >= 1);
        awaitStored(digest_);
        const Response headOnly = head(manifest("a", "latest"));
        CPPUNIT_ASSERT_EQUAL(200, headOnly.status);
        assertManifestFields(headOnly);
        const std::string changed = imageManifest("other config", {"layer"});
        up().addManifest("a", changed, kManifestType, "latest");
        assertServed(get(manifest("a", "latest")), changed);
    }

    void assertManifestFields(const Response& response) {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(response.summary(), 200, response.status);
        CPPUNIT_ASSERT_EQUAL(std::string(kManifestType), response.header("Content-Type"));
        CPPUNIT_ASSERT_EQUAL(digest_, response.header("Docker-Content-Digest"));
        CPPUNIT_ASSERT_EQUAL(cat('"', digest_, '"'), response.header("ETag"));
        CPPUNIT_ASSERT_EQUAL(std::to_string(bytes_.size()), response.header("Content-Length"));
    }

    // A manifest of exactly `size` bytes.
    static std::string padded(std::size_t size) {
        const std::string begin = cat("{\"schemaVersion\":2,\"mediaType\":\"", kManifestType,
                                      "\",\"config\":{},\"layers\":[],\"annotations\":{\"x\":\"");
        const std::string end = "\"}}";
        return cat(begin, std::string(size - begin.size() - end.size(), 'x'), end);
    }

    void pull(const std::string& repository, const std::string& index,
              const std::string& image, const std::string& config, const std::string& layer) {
        assertServed(get(manifest(repository, digestText(index))), index);
        assertServed(get(manifest(repository, digestText(image))), image);
        assertServed(get(blob(repository, digestText(config))), config);
        assertServed(get(blob(repository, digestText(layer))), layer);
    }

    std::string bytes_;
    std::string digest_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ManifestTest);

}  // namespace ociproxy::itest
