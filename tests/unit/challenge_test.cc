#include "ociproxy/upstream/challenge.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

std::vector<Challenge> parse(const std::string& field) {
    return parseChallenges({field});
}

std::string value(const Challenge& challenge, const char* name) {
    const std::string* found = challenge.parameter(name);
    return found ? *found : "none";
}

Challenge only(const std::string& field) {
    const std::vector<Challenge> all = parse(field);
    CPPUNIT_ASSERT_EQUAL_MESSAGE(field, std::size_t{1}, all.size());
    return all.front();
}

std::string schemes(const std::vector<Challenge>& challenges) {
    std::string out;
    for (const Challenge& challenge : challenges) out += challenge.scheme + ' ';
    return out;
}

std::string token(const std::string& body) {
    const std::optional<TokenGrant> grant = parseTokenGrant(body);
    return grant ? grant->token : "refused";
}

std::int64_t lifetime(const std::string& expires) {
    const std::optional<TokenGrant> grant =
        parseTokenGrant(cat(R"({"token":"t","expires_in":)", expires, "}"));
    return grant ? grant->lifetimeSeconds : -1;
}

}  // namespace

class ChallengeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ChallengeTest);
    CPPUNIT_TEST(case144_dockerHub);
    CPPUNIT_TEST(case144_severalInOneFieldAndInSeveral);
    CPPUNIT_TEST(case144_caseAndSpacesDoNotMatter);
    CPPUNIT_TEST(case144_quotedCommasAndEscapes);
    CPPUNIT_TEST(case144_schemesWithoutParameters);
    CPPUNIT_TEST(case144_unquotedValues);
    CPPUNIT_TEST(case144_credentialsOfOtherSchemes);
    CPPUNIT_TEST(case145_bearerIsChosen);
    CPPUNIT_TEST(badOnesDoNotHideGoodOnes);
    CPPUNIT_TEST(limits);
    CPPUNIT_TEST(case130_realmWithAQuery);
    CPPUNIT_TEST(case131_noServiceParameter);
    CPPUNIT_TEST(parametersAreEncoded);
    CPPUNIT_TEST(case132_bothNamesOfTheToken);
    CPPUNIT_TEST(case133_neitherToken);
    CPPUNIT_TEST(case134_missingLifetime);
    CPPUNIT_TEST(case135_shortLifetime);
    CPPUNIT_TEST(case136_oddLifetimes);
    CPPUNIT_TEST(case163_tokensThatMayNotBeSent);
    CPPUNIT_TEST_SUITE_END();

public:
    void case144_dockerHub() {
        const Challenge hub = only(
            R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",)"
            R"(scope="repository:library/alpine:pull,push")");
        CPPUNIT_ASSERT_EQUAL(std::string("bearer"), hub.scheme);
        CPPUNIT_ASSERT_EQUAL(std::string("https://auth.docker.io/token"), value(hub, "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string("registry.docker.io"), value(hub, "service"));
        CPPUNIT_ASSERT_EQUAL(std::string("repository:library/alpine:pull,push"),
                             value(hub, "scope"));
        CPPUNIT_ASSERT_EQUAL(std::string("none"), value(hub, "error"));
    }

    void case144_severalInOneFieldAndInSeveral() {
        const std::vector<Challenge> one =
            parse(R"(Basic realm="x", Bearer realm="https://a/token",service="s")");
        CPPUNIT_ASSERT_EQUAL(std::string("basic bearer "), schemes(one));
        CPPUNIT_ASSERT_EQUAL(std::string("x"), value(one[0], "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string("s"), value(one[1], "service"));
        const std::vector<Challenge> two =
            parseChallenges({"Negotiate", R"(Bearer realm="https://a/token")"});
        CPPUNIT_ASSERT_EQUAL(std::string("negotiate bearer "), schemes(two));
        CPPUNIT_ASSERT(two[0].parameters.empty());
    }

    void case144_caseAndSpacesDoNotMatter() {
        const Challenge challenge = only(R"(bearer REALM = "https://a/t" , Service=s)");
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t"), value(challenge, "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string("s"), value(challenge, "service"));
    }

    void case144_quotedCommasAndEscapes() {
        const Challenge challenge =
            only(R"(Bearer realm="https://a/t?x=1,2",service="a, Basic realm=\"z\"")");
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?x=1,2"), value(challenge, "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(a, Basic realm="z")"), value(challenge, "service"));
        CPPUNIT_ASSERT_EQUAL(std::string(R"(he"llo)"),
                             value(only(R"(B other=fun,slashed="he\"l\lo")"), "slashed"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://a"),
                             value(only(R"(Bearer realm="https://a)"), "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string("\\"), value(only("Bearer realm=\"\\"), "realm"));
    }

    void case144_schemesWithoutParameters() {
        CPPUNIT_ASSERT_EQUAL(std::string("basic "), schemes(parse("Basic")));
        CPPUNIT_ASSERT_EQUAL(std::string("negotiate basic "), schemes(parse("Negotiate, Basic")));
        CPPUNIT_ASSERT(parse("").empty());
        CPPUNIT_ASSERT(parse(" , ,").empty());
    }

    void case144_unquotedValues() {
        const Challenge challenge =
            only("Bearer realm=https://nvcr.io/proxy_auth,scope=repository:a/b:pull");
        CPPUNIT_ASSERT_EQUAL(std::string("https://nvcr.io/proxy_auth"), value(challenge, "realm"));
        CPPUNIT_ASSERT_EQUAL(std::string("repository:a/b:pull"), value(challenge, "scope"));
        CPPUNIT_ASSERT_EQUAL(std::string("1"), value(only("A x=1, x=2"), "x"));
    }

    void case144_credentialsOfOtherSchemes() {
        const std::vector<Challenge> all =
            parse(R"(Negotiate YWJj/+x==, Bearer realm="https://a")");
        CPPUNIT_ASSERT_EQUAL(std::string("negotiate bearer "), schemes(all));
        CPPUNIT_ASSERT(all[0].parameters.empty());
        CPPUNIT_ASSERT_EQUAL(std::string("ntlm bearer "),
                             schemes(parse(R"(NTLM abc=, Bearer realm="https://a")")));
    }

    void case145_bearerIsChosen() {
        const std::optional<Challenge> chosen = bearerChallenge(
            parse(R"(Basic realm="r", Bearer service="x", Bearer realm="https://a")"));
        CPPUNIT_ASSERT(chosen);
        CPPUNIT_ASSERT_EQUAL(std::string("https://a"), value(*chosen, "realm"));
        CPPUNIT_ASSERT(!bearerChallenge(parse(R"(Basic realm="r")")));
        CPPUNIT_ASSERT(!bearerChallenge(parse(R"(Bearer service="x")")));
        CPPUNIT_ASSERT(!bearerChallenge(parse(R"(Bearer realm="")")));
    }

    void badOnesDoNotHideGoodOnes() {
        for (const char* bad : {"\"stray\", ", "=x, ", "@@@, ", "realm=\"x\", ", "Digest =, "}) {
            const std::optional<Challenge> found =
                bearerChallenge(parse(std::string(bad) + R"(Bearer realm="https://a")"));
            CPPUNIT_ASSERT_MESSAGE(bad, found);
            CPPUNIT_ASSERT_EQUAL(std::string("https://a"), value(*found, "realm"));
        }
        CPPUNIT_ASSERT(bearerChallenge(
            parseChallenges({std::string(9000, 'x'), R"(Bearer realm="https://a")"})));
    }

    void limits() {
        std::string schemesOnly;
        std::string parameters = "Bearer a0=0";
        for (int i = 1; i < 100; ++i) {
            schemesOnly += cat("S", i, ",");
            parameters += cat(",a", i, "=", i);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{16}, parse(schemesOnly).size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{32}, only(parameters).parameters.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, parse("B x=" + std::string(8188, 'y')).size());
        CPPUNIT_ASSERT(parse("B x=" + std::string(8189, 'y')).empty());
    }

    void case130_realmWithAQuery() {
        const std::string service = "s";
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?x=1&service=s&scope=repository:a:pull"),
                             tokenUrl("https://a/t?x=1", &service, "repository:a:pull"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?service=s&scope=z"),
                             tokenUrl("https://a/t?", &service, "z"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?x=1&service=s&scope=z"),
                             tokenUrl("https://a/t?x=1&#part", &service, "z"));
    }

    void case131_noServiceParameter() {
        const std::string empty;
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?scope=repository:a/b:pull"),
                             tokenUrl("https://a/t", nullptr, "repository:a/b:pull"));
        CPPUNIT_ASSERT_EQUAL(std::string("https://a/t?scope=z"),
                             tokenUrl("https://a/t", &empty, "z"));
    }

    void parametersAreEncoded() {
        const std::string service = "a b&c=d\"\r\n";
        CPPUNIT_ASSERT_EQUAL(
            std::string("https://a/t?service=a%20b%26c%3Dd%22%0D%0A&scope=z"),
            tokenUrl("https://a/t", &service, "z"));
    }

    void case132_bothNamesOfTheToken() {
        CPPUNIT_ASSERT_EQUAL(std::string("x"), token(R"({"token":"x"})"));
        CPPUNIT_ASSERT_EQUAL(std::string("y"), token(R"({"access_token":"y"})"));
        CPPUNIT_ASSERT_EQUAL(std::string("y"), token(R"({"token":"x","access_token":"y"})"));
        CPPUNIT_ASSERT_EQUAL(std::string("x"), token(R"({"token":"x","access_token":null})"));
    }

    void case133_neitherToken() {
        for (const char* body :
             {"{}", R"({"token":null})", R"({"token":""})", R"({"token":5})", "[]", "null", "",
              "\"token\"", "<html>", R"({"token":"x")", R"({"token":{"a":"b"}})", "5"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(body, std::string("refused"), token(body));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("refused"),
                             token("{\"token\":\"x\",\"y\":" + std::string(10000, '[')));
    }

    void case134_missingLifetime() {
        CPPUNIT_ASSERT_EQUAL(std::int64_t{60},
                             parseTokenGrant(R"({"token":"x"})")->lifetimeSeconds);
    }

    void case135_shortLifetime() {
        CPPUNIT_ASSERT_EQUAL(std::int64_t{60}, lifetime("10"));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{60}, lifetime("59.9"));
    }

    void case136_oddLifetimes() {
        CPPUNIT_ASSERT_EQUAL(std::int64_t{300}, lifetime("300"));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{300}, lifetime("\"300\""));
        CPPUNIT_ASSERT_EQUAL(std::int64_t{300}, lifetime("300.0"));
        for (const char* odd : {"0", "-5", "null", "true", "\"soon\"", "\"\"", "{}", "[1]",
                                "-1e99", "\"nan\"", "\"NaN\""}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(odd, std::int64_t{60}, lifetime(odd));
        }
        for (const char* large : {"1e99", "86401", "18446744073709551615",
                                  "\"1e300\""}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(large, std::int64_t{86400}, lifetime(large));
        }
    }

    void case163_tokensThatMayNotBeSent() {
        for (const char* bad : {R"(a\r\nX: y)", R"(a b)", R"(a\u0000b)", R"(a\u007f)", R"(é)",
                                R"(\t)", R"(a\n)"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, std::string("refused"),
                                         token(cat(R"({"token":")", bad, R"("})")));
        }
        CPPUNIT_ASSERT_EQUAL(std::string(16384, 'x'),
                             token(cat(R"({"token":")", std::string(16384, 'x'), R"("})")));
        CPPUNIT_ASSERT_EQUAL(std::string("refused"),
                             token(cat(R"({"token":")", std::string(16385, 'x'), R"("})")));
        // The name that counts decides alone.
        CPPUNIT_ASSERT_EQUAL(std::string("refused"),
                             token(R"({"token":"good","access_token":"b d"})"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChallengeTest);

}  // namespace ociproxy
