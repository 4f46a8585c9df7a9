// Which failures mean that the upstream could not be asked (src/proxy/failure_map.h).
#include "proxy/failure_map.h"

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

class FailureMapTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FailureMapTest);
    CPPUNIT_TEST(refusalsAreAnswers);
    CPPUNIT_TEST(troubleOfTheUpstreamIsNone);
    CPPUNIT_TEST(noConnectionIsNone);
    CPPUNIT_TEST(deniedTokenIsAnAnswer);
    CPPUNIT_TEST_SUITE_END();

public:
    void refusalsAreAnswers() {
        for (std::uint32_t status : {400u, 401u, 403u, 404u, 410u, 428u, 430u, 499u}) {
            CPPUNIT_ASSERT_MESSAGE(cat(status), !couldNotAsk(ofStatus(status)));
        }
    }

    void troubleOfTheUpstreamIsNone() {
        for (std::uint32_t status : {429u, 500u, 502u, 503u, 504u, 599u}) {
            CPPUNIT_ASSERT_MESSAGE(cat(status), couldNotAsk(ofStatus(status)));
        }
    }

    void noConnectionIsNone() {
        for (UpstreamFailure kind :
             {UpstreamFailure::kConnectionRefused, UpstreamFailure::kConnectionTimeout,
              UpstreamFailure::kNameResolution, UpstreamFailure::kResponseTimeout,
              UpstreamFailure::kIncomplete, UpstreamFailure::kTokenUnavailable}) {
            CPPUNIT_ASSERT_MESSAGE(failureText(kind),
                                   couldNotAsk(failureOf(UpstreamError(kind, "a test"))));
        }
    }

    void deniedTokenIsAnAnswer() {
        const UpstreamError denied(UpstreamFailure::kTokenDenied, "a test");
        CPPUNIT_ASSERT(!couldNotAsk(failureOf(denied)));
    }

private:
    static ClaimFailure ofStatus(std::uint32_t status) {
        ClaimFailure failure = failureOf(FillFailure::kStatus);
        failure.status = status;
        return failure;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FailureMapTest);

}  // namespace
}  // namespace ociproxy
