// What is remembered of an upstream's 401 (src/upstream/challenge_memory.h).
#include "upstream/challenge_memory.h"

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "upstream/strict_response.h"
#include "upstream/url.h"

namespace ociproxy {
namespace {

ResponseHead asking(const std::string& challenge) {
    ResponseHead head;
    head.status = 401;
    if (!challenge.empty()) head.fields.push_back({"WWW-Authenticate", challenge});
    return head;
}

class ChallengeMemoryTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ChallengeMemoryTest);
    CPPUNIT_TEST(nothingIsKnownAtFirst);
    CPPUNIT_TEST(bearerIsRememberedWithItsRealmMadeAbsolute);
    CPPUNIT_TEST(whatCannotBeMetIsRememberedToo);
    CPPUNIT_TEST(upstreamsAreApart);
    CPPUNIT_TEST(answerWithoutChallengeChangesNothing);
    CPPUNIT_TEST(laterChallengeReplaces);
    CPPUNIT_TEST(refusedTokenTeachesOnlyWhoKnowsNothing);
    CPPUNIT_TEST(theOldestIsForgotten);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { memory_ = std::make_unique<ChallengeMemory>(); }

    void nothingIsKnownAtFirst() { CPPUNIT_ASSERT(!memory_->find("a")); }

    void bearerIsRememberedWithItsRealmMadeAbsolute() {
        learn("a", "Bearer realm=\"/token\",service=\"s\"");
        const ChallengeMemory::Demand demand = known("a");
        CPPUNIT_ASSERT(demand.bearer);
        CPPUNIT_ASSERT_EQUAL(std::string("https://up.test/token"), demand.realm);
        CPPUNIT_ASSERT_EQUAL(std::string("s"), demand.service);
        learn("a", "Bearer realm=\"https://auth.test/t?x=1\"");
        CPPUNIT_ASSERT_EQUAL(std::string("https://auth.test/t?x=1"), known("a").realm);
        CPPUNIT_ASSERT(known("a").service.empty());
    }

    void whatCannotBeMetIsRememberedToo() {
        for (const char* challenge :
             {"Basic realm=\"x\"", "Negotiate", "Bearer realm=\"ftp://auth.test/t\""}) {
            setUp();
            learn("a", challenge);
            CPPUNIT_ASSERT_MESSAGE(challenge, !known("a").bearer);
        }
    }

    void upstreamsAreApart() {
        learn("a", "Bearer realm=\"/token\"");
        CPPUNIT_ASSERT(!memory_->find("b"));
    }

    void answerWithoutChallengeChangesNothing() {
        learn("a", "");
        CPPUNIT_ASSERT(!memory_->find("a"));
        learn("a", "Bearer realm=\"/token\"");
        learn("a", "");
        CPPUNIT_ASSERT(known("a").bearer);
    }

    void laterChallengeReplaces() {
        learn("a", "Bearer realm=\"/token\"");
        learn("a", "Basic realm=\"x\"");
        CPPUNIT_ASSERT(!known("a").bearer);
    }

    void refusedTokenTeachesOnlyWhoKnowsNothing() {
        learn("a", "Bearer realm=\"/other\"", true);
        CPPUNIT_ASSERT_EQUAL(std::string("https://up.test/other"), known("a").realm);
        learn("a", "Bearer realm=\"/token\"", false);
        learn("a", "Bearer realm=\"/other\"", true);
        CPPUNIT_ASSERT_EQUAL(std::string("https://up.test/token"), known("a").realm);
    }

    void theOldestIsForgotten() {
        for (int i = 0; i < 1024; ++i) learn(cat("u", i), "Bearer realm=\"/token\"");
        learn("u0", "Bearer realm=\"/token\"");  // which makes u1 the oldest
        CPPUNIT_ASSERT(memory_->find("u1"));
        learn("new", "Bearer realm=\"/token\"");
        CPPUNIT_ASSERT(!memory_->find("u1"));
        for (const char* kept : {"u0", "u2", "new"}) CPPUNIT_ASSERT(memory_->find(kept));
    }

private:
    void learn(const std::string& upstream, const std::string& challenge,
               bool tokenSent = false) {
        memory_->learn(upstream, *parseUrl("https://up.test/v2/a/x"), asking(challenge),
                       tokenSent);
    }
    ChallengeMemory::Demand known(const std::string& upstream) const {
        const std::optional<ChallengeMemory::Demand> demand = memory_->find(upstream);
        CPPUNIT_ASSERT(demand.has_value());
        return *demand;
    }

    std::unique_ptr<ChallengeMemory> memory_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChallengeMemoryTest);

}  // namespace
}  // namespace ociproxy
