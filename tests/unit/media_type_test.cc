#include "ociproxy/registry/media_type.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

const std::string kOciIndex = "application/vnd.oci.image.index.v1+json";
const std::string kOciManifest = "application/vnd.oci.image.manifest.v1+json";
const std::string kList = "application/vnd.docker.distribution.manifest.list.v2+json";
const std::string kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
const std::string kArtifact = "application/vnd.oci.artifact.manifest.v1+json";
const std::string kPrettyJws = "application/vnd.docker.distribution.manifest.v1+prettyjws";

const std::string kImageBody =
    R"({"schemaVersion":2,"config":{"mediaType":"c","size":2},"layers":[{"size":3},{"size":4}]})";
const std::string kIndexBody = R"({"schemaVersion":2,"manifests":[{"mediaType":"m"}]})";

std::string declaring(const std::string& type, const std::string& rest = R"("x":1)") {
    return R"({"schemaVersion":2,"mediaType":")" + type + "\"," + rest + "}";
}

std::string nested(std::size_t depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
}

bool isJson(const std::string& body) {
    return inspectManifest(body).json;
}

bool isAmbiguous(const std::string& body) {
    ManifestNature nature = inspectManifest(body);
    CPPUNIT_ASSERT_MESSAGE(body, nature.json);
    return nature.ambiguous;
}

}  // namespace

class MediaTypeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MediaTypeTest);
    CPPUNIT_TEST(acceptLines);
    CPPUNIT_TEST(case98_parametersAreDropped);
    CPPUNIT_TEST(malformedTypesAreEmpty);
    CPPUNIT_TEST(knownTypes);
    CPPUNIT_TEST(natureOfManifests);
    CPPUNIT_TEST(onlyObjectsAreJson);
    CPPUNIT_TEST(depthIsLimited);
    CPPUNIT_TEST(duplicateKeysAreNotJson);
    CPPUNIT_TEST(case99_fieldBeforeHeader);
    CPPUNIT_TEST(case99_unknownFieldMustEqualTheHeader);
    CPPUNIT_TEST(case100_indexAndImageInOne);
    CPPUNIT_TEST(keysInAnotherSpellingAreAmbiguous);
    CPPUNIT_TEST(bodiesThatContradictTheirTypeAreRefused);
    CPPUNIT_TEST(case101_htmlIsRefused);
    CPPUNIT_TEST(case102_schema1IsRefused);
    CPPUNIT_TEST(case104_whiteSpaceAndOrderDoNotMatter);
    CPPUNIT_TEST(case106_unknownTypesAreServed);
    CPPUNIT_TEST(typesAreDeducedBehindGenericHeaders);
    CPPUNIT_TEST(blobsDoNotPassForManifests);
    CPPUNIT_TEST(case91_joinedAcceptLines);
    CPPUNIT_TEST(case92_wildcardsAndWeights);
    CPPUNIT_TEST(closestRangeDecides);
    CPPUNIT_TEST(acceptWithParametersAndQuotes);
    CPPUNIT_TEST_SUITE_END();

public:
    void acceptLines() {
        CPPUNIT_ASSERT_EQUAL(kOciIndex + ", " + kOciManifest + ", " + kList + ", " +
                                 kDockerManifest + ", " + kArtifact,
                             manifestAccept());
        CPPUNIT_ASSERT_EQUAL(manifestAccept() + ", */*", anyManifestAccept());
    }

    void case98_parametersAreDropped() {
        CPPUNIT_ASSERT_EQUAL(kOciIndex, bareMediaType(kOciIndex + "; charset=utf-8"));
        CPPUNIT_ASSERT_EQUAL(kOciIndex,
                             manifestTypeToServe(kOciIndex + ";charset=utf-8", kIndexBody));
        CPPUNIT_ASSERT_EQUAL(std::string("text/html"), bareMediaType(" Text/HTML ;a=b"));
    }

    void malformedTypesAreEmpty() {
        for (const char* bad : {"", "text", "/", "a/", "/b", "a/b/c", "a b/c", "a/b, c/d", ";a/b",
                                "a/b\r\nX: y", "\"a/b\""}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, std::string(), bareMediaType(bad));
        }
    }

    void knownTypes() {
        for (const std::string& type : {kOciIndex, kOciManifest, kList, kDockerManifest,
                                        kArtifact}) {
            CPPUNIT_ASSERT_MESSAGE(type, isManifestType(type) && !isSchema1Type(type));
        }
        CPPUNIT_ASSERT(isSchema1Type(kPrettyJws) && !isManifestType(kPrettyJws));
        CPPUNIT_ASSERT(isSchema1Type("application/vnd.docker.distribution.manifest.v1+json"));
        CPPUNIT_ASSERT(!isManifestType("") && !isSchema1Type("") && !isManifestType("*/*"));
    }

    void natureOfManifests() {
        ManifestNature image = inspectManifest(kImageBody);
        CPPUNIT_ASSERT(image.json && image.image && !image.index && !image.ambiguous);
        CPPUNIT_ASSERT(!image.schema1 && !image.declared);
        CPPUNIT_ASSERT_EQUAL(kOciManifest, image.mediaType);
        ManifestNature index = inspectManifest(kIndexBody);
        CPPUNIT_ASSERT(index.json && index.index && !index.image && !index.ambiguous);
        CPPUNIT_ASSERT_EQUAL(kOciIndex, index.mediaType);
        ManifestNature declared = inspectManifest(declaring(kList, R"("manifests":[])"));
        CPPUNIT_ASSERT(declared.declared);
        CPPUNIT_ASSERT_EQUAL(kList, declared.mediaType);
        // Fields of inner objects and of other types are not the document's own.
        CPPUNIT_ASSERT(!inspectManifest(R"({"a":{"mediaType":"x","manifests":1}})").declared);
        CPPUNIT_ASSERT(!inspectManifest(R"({"a":{"manifests":1}})").index);
        CPPUNIT_ASSERT(!inspectManifest(R"({"mediaType":["x"]})").declared);
        CPPUNIT_ASSERT(!inspectManifest(R"({"mediaType":null})").declared);
        CPPUNIT_ASSERT(!inspectManifest(R"({"mediaType":1,"x":"y"})").declared);
        CPPUNIT_ASSERT(inspectManifest("{}").mediaType.empty());
    }

    void onlyObjectsAreJson() {
        CPPUNIT_ASSERT(isJson("{}") && isJson(" {\"a\":[{},{}],\"b\":-1.5e3}\r\n\t"));
        CPPUNIT_ASSERT(isJson("{\"a\":9223372036854775807,\"b\":18446744073709551615}"));
        CPPUNIT_ASSERT(isJson("{\"a\":\"\xc3\xa9 \\u00e9 \\\\u0000 \\\"\"}"));
        const std::string bad[] = {
            "", " ", "[]", "1", "\"a\"", "null", "{", "}", "{}{}", "{} x", "{\"a\"}", "{\"a\":}",
            "{a:1}", "{'a':1}", "{\"a\":1,}", "[{}]", "<html></html>", "{\"a\":\"\\u0000\"}",
            "{\"a\\u0000b\":1}", std::string("{\"a\":\"\0\"}", 9), std::string("{}\0", 3),
            "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"x}", "{]",
            "{\"a\":[}", "{\"a\":tru}", "/**/{}", "\xef\xbb\xbf{}", "{\"a\":01}", "{\"a\":\"\\"};
        for (const std::string& body : bad) {
            CPPUNIT_ASSERT_MESSAGE(body, !isJson(body));
        }
    }

    void depthIsLimited() {
        CPPUNIT_ASSERT(isJson(nested(64)));
        CPPUNIT_ASSERT(!isJson(nested(65)));
        CPPUNIT_ASSERT(!isJson(std::string(4'000'000, '[')));
        // Brackets in strings are text.
        CPPUNIT_ASSERT(isJson("{\"a\":\"" + std::string(100, '[') + "\\\"" + "{\"}"));
    }

    void duplicateKeysAreNotJson() {
        CPPUNIT_ASSERT(!isJson(R"({"a":1,"a":1})"));
        CPPUNIT_ASSERT(!isJson(R"({"a":{"b":1,"b":2}})"));
        CPPUNIT_ASSERT(!isJson(R"({"a":1,"\u0061":1})"));
        CPPUNIT_ASSERT(!isJson(R"({"mediaType":"x","b":{},"mediaType":"y"})"));
        CPPUNIT_ASSERT(!isJson(R"({"a":[{"b":1},{"b":1,"c":{},"b":2}]})"));
        CPPUNIT_ASSERT(isJson(R"({"a":[{"b":1},{"b":1}],"b":{"a":{"a":1}}})"));
    }

    void case99_fieldBeforeHeader() {
        CPPUNIT_ASSERT_EQUAL(kList, manifestTypeToServe(kOciIndex, declaring(kList)));
        CPPUNIT_ASSERT_EQUAL(kList, manifestTypeToServe("application/json", declaring(kList)));
        CPPUNIT_ASSERT_EQUAL(kList, manifestTypeToServe("", declaring(kList)));
        CPPUNIT_ASSERT_EQUAL(kDockerManifest, manifestTypeToServe(kDockerManifest, kImageBody));
    }

    void case99_unknownFieldMustEqualTheHeader() {
        std::string own = "application/vnd.acme.thing.v1+json";
        CPPUNIT_ASSERT_EQUAL(own, manifestTypeToServe(own, declaring(own)));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciManifest, declaring(own)));
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             manifestTypeToServe("application/json", declaring(own)));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(own, declaring(own + "x")));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe("application/json",
                                                                declaring("application/json")));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciManifest, declaring("")));
    }

    void case100_indexAndImageInOne() {
        for (const char* body : {R"({"manifests":[],"layers":[]})",
                                 R"({"config":{},"manifests":[]})",
                                 R"({"manifests":null,"layers":null})"}) {
            CPPUNIT_ASSERT(isAmbiguous(body));
            CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciIndex, body));
        }
        CPPUNIT_ASSERT(!isAmbiguous(kImageBody) && !isAmbiguous(kIndexBody));
        CPPUNIT_ASSERT(!isAmbiguous(R"({"manifests":[],"annotations":{"layers":"x"}})"));
    }

    void keysInAnotherSpellingAreAmbiguous() {
        for (const char* body : {R"({"Layers":[]})", R"({"MANIFESTS":[]})", R"({"mediatype":"x"})",
                                 R"({"manifest\u017f":[]})", "{\"layer\xc5\xbf\":[]}",
                                 R"({"fslayers":[]})", R"({"schemaversion":1})"}) {
            CPPUNIT_ASSERT_MESSAGE(body, isAmbiguous(body));
        }
        CPPUNIT_ASSERT(!isAmbiguous(R"({"a":{"Layers":[]},"Subject":1})"));
    }

    void bodiesThatContradictTheirTypeAreRefused() {
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciManifest, kIndexBody));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kList, kImageBody));
        CPPUNIT_ASSERT_EQUAL(
            std::string(), manifestTypeToServe(kOciIndex, declaring(kOciIndex, R"("layers":[])")));
        CPPUNIT_ASSERT_EQUAL(
            std::string(),
            manifestTypeToServe(kOciIndex, declaring(kDockerManifest, R"("manifests":[])")));
    }

    void case101_htmlIsRefused() {
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe("text/html", "<html></html>"));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe("text/html", declaring(kOciIndex)));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciIndex, "<html></html>"));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kOciIndex, ""));
    }

    void case102_schema1IsRefused() {
        std::string body = R"({"schemaVersion":1,"fsLayers":[],"signatures":[]})";
        for (const std::string& header : {kPrettyJws, std::string("application/json"),
                                          std::string("text/plain"), kOciManifest, std::string()}) {
            CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(header, body));
        }
        CPPUNIT_ASSERT(inspectManifest(body).schema1);
        CPPUNIT_ASSERT(inspectManifest(R"({"fsLayers":[]})").schema1);
        CPPUNIT_ASSERT(inspectManifest(R"({"schemaVersion":1})").schema1);
        CPPUNIT_ASSERT(!inspectManifest(R"({"a":{"schemaVersion":1}})").schema1);
        CPPUNIT_ASSERT(!inspectManifest(R"({"schemaVersion":[1]})").schema1);
        CPPUNIT_ASSERT(inspectManifest(declaring(kPrettyJws)).schema1);
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kPrettyJws, kImageBody));
        CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(kPrettyJws, "{}"));
    }

    void case104_whiteSpaceAndOrderDoNotMatter() {
        std::string body = "\n{ \"manifests\" : [ ] ,\t\"mediaType\" :\r\n\"" + kList +
                           "\" , \"schemaVersion\":2 }\n";
        CPPUNIT_ASSERT_EQUAL(kList, manifestTypeToServe("", body));
    }

    void case106_unknownTypesAreServed() {
        std::string body = R"({"schemaVersion":2,"artifactType":"application/vnd.acme",)"
                           R"("config":{"mediaType":"application/vnd.acme.c"},"layers":[]})";
        CPPUNIT_ASSERT_EQUAL(kOciManifest, manifestTypeToServe(kOciManifest, body));
        std::string own = "application/vnd.acme.manifest.v1+json";
        CPPUNIT_ASSERT_EQUAL(own, manifestTypeToServe(own, R"({"blobs":[]})"));
        CPPUNIT_ASSERT_EQUAL(kArtifact, manifestTypeToServe(kArtifact, declaring(kArtifact)));
    }

    void typesAreDeducedBehindGenericHeaders() {
        for (const char* header : {"application/json", "text/plain", "",
                                   "application/octet-stream"}) {
            CPPUNIT_ASSERT_EQUAL(kOciIndex, manifestTypeToServe(header, kIndexBody));
            CPPUNIT_ASSERT_EQUAL(kOciManifest, manifestTypeToServe(header, kImageBody));
        }
    }

    void blobsDoNotPassForManifests() {
        std::string config = R"({"architecture":"amd64","config":{},"rootfs":{"type":"layers"}})";
        for (const char* header : {"application/json", "application/octet-stream", "text/plain", "",
                                   "image/png"}) {
            CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(header, config));
            CPPUNIT_ASSERT_EQUAL(std::string(), manifestTypeToServe(header, "{}"));
        }
    }

    void case91_joinedAcceptLines() {
        CPPUNIT_ASSERT(acceptAdmits(kDockerManifest + ", " + kOciIndex, kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(kDockerManifest + "," + kOciIndex, kDockerManifest));
        CPPUNIT_ASSERT(!acceptAdmits(kDockerManifest + ", " + kList, kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(manifestAccept(), kArtifact));
        CPPUNIT_ASSERT(acceptAdmits("APPLICATION/VND.OCI.IMAGE.INDEX.V1+JSON", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits(kOciIndex + "x", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits("garbage", kOciIndex));
    }

    void case92_wildcardsAndWeights() {
        CPPUNIT_ASSERT(acceptAdmits("", kOciIndex) && acceptAdmits(" , ", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits("*/*", kOciIndex) && acceptAdmits("*", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits("application/*", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits("application/json, */*", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits("text/*", kOciIndex) && !acceptAdmits("app/*", kOciIndex));
        for (const char* zero : {";q=0", "; q=0", ";Q=0.0", ";q = 0.000", ";v=1;q=0"}) {
            CPPUNIT_ASSERT_MESSAGE(zero, !acceptAdmits(kOciIndex + zero, kOciIndex));
        }
        for (const char* some : {";q=0.001", ";q=1", ";q=.2", ";q=", ";q0=0", ";xq=0", ";q=x"}) {
            CPPUNIT_ASSERT_MESSAGE(some, acceptAdmits(kOciIndex + some, kOciIndex));
        }
    }

    void closestRangeDecides() {
        CPPUNIT_ASSERT(!acceptAdmits("*/*, " + kOciIndex + ";q=0", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits(kOciIndex + ";q=0, */*", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(kOciIndex + ", */*;q=0", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits("*/*, application/*;q=0", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits("application/*, */*;q=0", kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(kOciIndex + ";q=0;a=1, " + kOciIndex, kOciIndex));
    }

    void acceptWithParametersAndQuotes() {
        CPPUNIT_ASSERT(acceptAdmits("a/b;p=\"x,y;q=0\"," + kOciIndex, kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(kOciIndex + ";p=\";q=0\"", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits("a/b;p=\"\\\"," + kOciIndex + "\"", kOciIndex));
        CPPUNIT_ASSERT(!acceptAdmits("a/b;p=\"" + kOciIndex, kOciIndex));
        CPPUNIT_ASSERT(acceptAdmits(kOciIndex + ";p=\"\\", kOciIndex));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MediaTypeTest);

}  // namespace ociproxy
