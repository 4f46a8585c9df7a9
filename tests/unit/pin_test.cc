#include "ociproxy/registry/pin.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

class PinTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PinTest);
    CPPUNIT_TEST(namesARepositoryAndTags);
    CPPUNIT_TEST(officialImagesNeedNoLibrary);
    CPPUNIT_TEST(aDigestMayStandBehind);
    CPPUNIT_TEST(whatIsNoImageIsRefused);
    CPPUNIT_TEST(starsAndQuestionMarksMatchTags);
    CPPUNIT_TEST(manyStarsTakeNoTime);
    CPPUNIT_TEST_SUITE_END();

    const std::string digest_ = "sha256:" + std::string(64, 'a');

    static Pin pin(const std::string& text) {
        std::string problem;
        const std::optional<Pin> parsed = parsePin(text, &problem);
        CPPUNIT_ASSERT_MESSAGE(text + ": " + problem, parsed.has_value());
        return *parsed;
    }

public:
    void namesARepositoryAndTags() {
        const Pin some = pin("localhost:5000/a/b:3.*");
        CPPUNIT_ASSERT_EQUAL(std::string("localhost:5000"), some.registry);
        CPPUNIT_ASSERT_EQUAL(std::string("a/b"), some.repository);
        CPPUNIT_ASSERT_EQUAL(std::string("3.*"), some.tags);
        CPPUNIT_ASSERT(!some.digest && !some.namesOneTag());
        CPPUNIT_ASSERT(pin("quay.io/x:latest").namesOneTag());
        CPPUNIT_ASSERT(!pin("quay.io/x").namesOneTag());
        for (const char* text : {"quay.io/a/b", "quay.io/a/b:t", "localhost:5000/a/b:3.*"}) {
            CPPUNIT_ASSERT_EQUAL(std::string(text), pin(text).text());
        }
    }

    void officialImagesNeedNoLibrary() {
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io/library/alpine:3.*"),
                             pin("index.docker.io/alpine:3.*").text());
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io/a/b"), pin("docker.io/a/b").text());
    }

    void aDigestMayStandBehind() {
        const Pin both = pin("quay.io/x:t@" + digest_);
        CPPUNIT_ASSERT_EQUAL(digest_, both.digest->text());
        CPPUNIT_ASSERT_EQUAL("quay.io/x:t@" + digest_, both.text());
        CPPUNIT_ASSERT_EQUAL("quay.io/x@" + digest_, pin("quay.io/x@" + digest_).text());
    }

    void whatIsNoImageIsRefused() {
        for (const std::string& text :
             {std::string("alpine"), std::string("library/alpine"), std::string("quay.io/"),
              std::string("quay.io/X"), std::string("quay.io/x:"), std::string("quay.io/x:-a"),
              std::string("quay.io/x@"), std::string("quay.io/x@sha256:12"),
              std::string("quay.io/x:a b"), std::string("quay.io/*:a"), std::string("/x"),
              "quay.io/x:" + std::string(129, 'a'), std::string("quay.io/x:[ab]")}) {
            std::string problem;
            CPPUNIT_ASSERT_MESSAGE(text, !parsePin(text, &problem));
            CPPUNIT_ASSERT(!problem.empty());
        }
    }

    void starsAndQuestionMarksMatchTags() {
        const Pin some = pin("quay.io/x:3.*-al?ine");
        CPPUNIT_ASSERT(some.admitsTag("3.19-alpine"));
        CPPUNIT_ASSERT(some.admitsTag("3.-al-alpine"));
        CPPUNIT_ASSERT(!some.admitsTag("3.19-alpine2"));
        CPPUNIT_ASSERT(!some.admitsTag("3x19-alpine"));
        CPPUNIT_ASSERT(pin("quay.io/x:*").admitsTag("v1"));
        CPPUNIT_ASSERT(pin("quay.io/x:v1**").admitsTag("v1"));
        CPPUNIT_ASSERT(!pin("quay.io/x:v1?").admitsTag("v1"));
        CPPUNIT_ASSERT(pin("quay.io/x").admitsTag("v1"));
    }

    void manyStarsTakeNoTime() {
        std::string stars;
        for (int i = 0; i < 64; ++i) stars += "*a";
        CPPUNIT_ASSERT(!pin("quay.io/x:" + stars).admitsTag(std::string(127, 'a') + "b"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PinTest);

}  // namespace ociproxy
