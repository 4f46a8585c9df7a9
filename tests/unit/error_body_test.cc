#include "ociproxy/registry/error_body.h"

#include <string>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

Poco::JSON::Object::Ptr firstError(const std::string& body) {
    Poco::JSON::Parser parser;
    return parser.parse(body).extract<Poco::JSON::Object::Ptr>()->getArray("errors")->getObject(0);
}

}  // namespace

class ErrorBodyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ErrorBodyTest);
    CPPUNIT_TEST(shape);
    CPPUNIT_TEST(everyCodeHasItsText);
    CPPUNIT_TEST(whateverIsInAMessageIsJson);
    CPPUNIT_TEST(codesOfStatuses);
    CPPUNIT_TEST(codesAreReadBack);
    CPPUNIT_TEST(irregularBodiesHaveNoCode);
    CPPUNIT_TEST(hugeAndDeepBodiesAreNotParsed);
    CPPUNIT_TEST_SUITE_END();

public:
    void shape() {
        CPPUNIT_ASSERT_EQUAL(
            std::string(R"({"errors":[{"code":"BLOB_UNKNOWN","message":"not here"}]})"),
            errorBody(ErrorCode::kBlobUnknown, "not here"));
        CPPUNIT_ASSERT_EQUAL(
            std::string(R"({"errors":[{"code":"DENIED","message":"","detail":"x"}]})"),
            errorBody(ErrorCode::kDenied, "", "x"));
    }

    void everyCodeHasItsText() {
        CPPUNIT_ASSERT_EQUAL(std::string("BLOB_UNKNOWN"), text(ErrorCode::kBlobUnknown));
        CPPUNIT_ASSERT_EQUAL(std::string("BLOB_UPLOAD_INVALID"),
                             text(ErrorCode::kBlobUploadInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("BLOB_UPLOAD_UNKNOWN"),
                             text(ErrorCode::kBlobUploadUnknown));
        CPPUNIT_ASSERT_EQUAL(std::string("DIGEST_INVALID"), text(ErrorCode::kDigestInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("MANIFEST_BLOB_UNKNOWN"),
                             text(ErrorCode::kManifestBlobUnknown));
        CPPUNIT_ASSERT_EQUAL(std::string("MANIFEST_INVALID"), text(ErrorCode::kManifestInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("MANIFEST_UNKNOWN"), text(ErrorCode::kManifestUnknown));
        CPPUNIT_ASSERT_EQUAL(std::string("NAME_INVALID"), text(ErrorCode::kNameInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("NAME_UNKNOWN"), text(ErrorCode::kNameUnknown));
        CPPUNIT_ASSERT_EQUAL(std::string("SIZE_INVALID"), text(ErrorCode::kSizeInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("UNAUTHORIZED"), text(ErrorCode::kUnauthorized));
        CPPUNIT_ASSERT_EQUAL(std::string("DENIED"), text(ErrorCode::kDenied));
        CPPUNIT_ASSERT_EQUAL(std::string("UNSUPPORTED"), text(ErrorCode::kUnsupported));
        CPPUNIT_ASSERT_EQUAL(std::string("TOOMANYREQUESTS"), text(ErrorCode::kTooManyRequests));
        CPPUNIT_ASSERT_EQUAL(std::string("TAG_INVALID"), text(ErrorCode::kTagInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("RANGE_INVALID"), text(ErrorCode::kRangeInvalid));
        CPPUNIT_ASSERT_EQUAL(std::string("UNAVAILABLE"), text(ErrorCode::kUnavailable));
        CPPUNIT_ASSERT_EQUAL(std::string("UNKNOWN"), text(ErrorCode::kUnknown));
    }

    void whateverIsInAMessageIsJson() {
        const std::string message = "q\" b\\ n\n r\r t\t e\x1b \xc3\xa9 \xf0\x9f\x98\x80";
        Poco::JSON::Object::Ptr error =
            firstError(errorBody(ErrorCode::kUnknown, message, message));
        CPPUNIT_ASSERT_EQUAL(message, error->getValue<std::string>("message"));
        CPPUNIT_ASSERT_EQUAL(message, error->getValue<std::string>("detail"));
        for (int byte = 0; byte < 256; ++byte) {
            std::string one(1, static_cast<char>(byte));
            std::string body = errorBody(ErrorCode::kUnknown, one);
            CPPUNIT_ASSERT_EQUAL(std::string("UNKNOWN"),
                                 firstError(body)->getValue<std::string>("code"));
            CPPUNIT_ASSERT(body.find('\n') == std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(std::string("\xef\xbf\xbd"),
                             firstError(errorBody(ErrorCode::kUnknown, "\xff"))
                                 ->getValue<std::string>("message"));
    }

    void codesOfStatuses() {
        CPPUNIT_ASSERT(codeForStatus(400) == ErrorCode::kUnsupported);
        CPPUNIT_ASSERT(codeForStatus(401) == ErrorCode::kUnauthorized);
        CPPUNIT_ASSERT(codeForStatus(403) == ErrorCode::kDenied);
        CPPUNIT_ASSERT(codeForStatus(404) == ErrorCode::kNameUnknown);
        CPPUNIT_ASSERT(codeForStatus(405) == ErrorCode::kUnsupported);
        CPPUNIT_ASSERT(codeForStatus(408) == ErrorCode::kUnknown);
        CPPUNIT_ASSERT(codeForStatus(413) == ErrorCode::kSizeInvalid);
        CPPUNIT_ASSERT(codeForStatus(414) == ErrorCode::kUnsupported);
        CPPUNIT_ASSERT(codeForStatus(416) == ErrorCode::kRangeInvalid);
        CPPUNIT_ASSERT(codeForStatus(429) == ErrorCode::kTooManyRequests);
        CPPUNIT_ASSERT(codeForStatus(431) == ErrorCode::kUnsupported);
        CPPUNIT_ASSERT(codeForStatus(500) == ErrorCode::kUnknown);
        CPPUNIT_ASSERT(codeForStatus(501) == ErrorCode::kUnsupported);
        CPPUNIT_ASSERT(codeForStatus(503) == ErrorCode::kUnavailable);
    }

    void codesAreReadBack() {
        CPPUNIT_ASSERT_EQUAL(std::string("MANIFEST_UNKNOWN"),
                             errorCodeOf(errorBody(ErrorCode::kManifestUnknown, "x", "y")));
        CPPUNIT_ASSERT_EQUAL(
            std::string("UNKNOWN"),
            errorCodeOf(R"( {"errors":[{"detail":{"a":[1]},"code":"UNKNOWN"},{"code":"B"}]} )"));
    }

    void irregularBodiesHaveNoCode() {
        for (const char* body :
             {"", "429 Too Many Requests", "<Error><Code>NoSuchKey</Code></Error>", "{", "[]", "{}",
              "null", "1", "\"x\"", R"({"errors":[]})", R"({"errors":{}})", R"({"errors":null})",
              R"({"errors":[1]})", R"({"errors":[null]})", R"({"errors":[{}]})",
              R"({"errors":[{"code":1}]})", R"({"errors":[{"code":null}]})",
              R"({"errors":[{"code":{"a":1}}]})", R"({"errors":[{"code":"a b"}]})",
              R"({"errors":[{"code":"A\r\nB"}]})", R"({"errors":[{"code":""}]})",
              R"({"errors":[[{"code":"A"}]]})", R"({"errors":[{"code":"A\u0000B"}]})",
              R"({"errors":[{"code":"A"}]} trailing)", "\xef\xbb\xbf{}",
              "{\"errors\":[{\"code\":\"\xff\"}]}"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(body, std::string(), errorCodeOf(body));
        }
        CPPUNIT_ASSERT_EQUAL(
            std::string(), errorCodeOf(R"({"errors":[{"code":")" + std::string(65, 'A') + "\"}]}"));
    }

    void hugeAndDeepBodiesAreNotParsed() {
        std::string body = errorBody(ErrorCode::kDenied, "x");
        std::string fits = body + std::string(64 * 1024 - body.size(), ' ');
        CPPUNIT_ASSERT_EQUAL(std::string("DENIED"), errorCodeOf(fits));
        CPPUNIT_ASSERT_EQUAL(std::string(), errorCodeOf(fits + " "));
        std::string deep = std::string(60'000, '[');
        CPPUNIT_ASSERT_EQUAL(std::string(), errorCodeOf(deep));
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             errorCodeOf(R"({"errors":[{"code":"A","detail":)" +
                                         std::string(62, '[') + std::string(62, ']') + "}]}"));
    }

private:
    static std::string text(ErrorCode code) { return errorCodeText(code); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ErrorBodyTest);

}  // namespace ociproxy
