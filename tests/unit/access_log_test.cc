// The access log as JSON; as text it is in replies_test.cc.
#include "proxy/access_log.h"

#include <cppunit/extensions/HelperMacros.h>

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

Poco::JSON::Object::Ptr parsed(const std::string& line) {
    return Poco::JSON::Parser().parse(line).extract<Poco::JSON::Object::Ptr>();
}

}  // namespace

class AccessLogTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AccessLogTest);
    CPPUNIT_TEST(jsonNamesEverything);
    CPPUNIT_TEST(jsonHasAlwaysTheSameKeys);
    CPPUNIT_TEST(jsonStringsAreEscaped);
    CPPUNIT_TEST(jsonStaysWithinOnePieceOfAPipe);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        request_.methodText = "GET";
        request_.target = "/v2/";
        finished_.request = &request_;
        finished_.peer = "192.0.2.1:5000";
        finished_.status = 200;
        finished_.bodyBytes = 5'000'000'000;
        finished_.duration = Millis{1042};
        finished_.cacheResult = "miss";
        finished_.upstreamStatus = 206;
        finished_.complete = true;
    }

    void jsonNamesEverything() {
        const std::string line = json();
        const std::string time = R"({"time":"2026-11-23T20:00:00.123Z",)";
        CPPUNIT_ASSERT_EQUAL(time.substr(0, 9), line.substr(0, 9));
        CPPUNIT_ASSERT_EQUAL(std::string(R"("client":"192.0.2.1:5000","method":"GET",)"
                                         R"("target":"/v2/","status":200,"bytes":5000000000,)"
                                         R"("duration_ms":1042,"cache":"miss",)"
                                         R"("upstream_status":206,"complete":true})"),
                             line.substr(time.size()));
    }

    void jsonHasAlwaysTheSameKeys() {
        const std::vector<std::string> keys = parsed(json())->getNames();
        finished_ = Finished{};
        finished_.status = 400;
        const Poco::JSON::Object::Ptr object = parsed(json());
        CPPUNIT_ASSERT(keys == object->getNames());
        for (const char* key : {"method", "target", "cache", "upstream_status"}) {
            CPPUNIT_ASSERT_MESSAGE(key, object->isNull(key));
        }
        CPPUNIT_ASSERT(!object->getValue<bool>("complete"));
    }

    void jsonStringsAreEscaped() {
        request_.target = "/a\"b\\c\x01\x7f\n\xff\xc3\xa9\xc3";
        const std::string line = json();
        CPPUNIT_ASSERT_MESSAGE(line, line.find(R"("/a\"b\\c\u0001\u007f\n)"
                                               "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\"") !=
                                         std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string("/a\"b\\c\x01\x7f\n\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd"),
                             parsed(line)->getValue<std::string>("target"));
    }

    void jsonStaysWithinOnePieceOfAPipe() {
        for (const char* part : {"x", "\x01", "\"", "\xff", "\xc3\xa9"}) {
            request_.target = "/";
            while (request_.target.size() < 16'000) request_.target += part;
            request_.methodText = request_.target;
            const std::string line = json();
            CPPUNIT_ASSERT_MESSAGE(part, line.size() < 4096);
            CPPUNIT_ASSERT(endsWith(parsed(line)->getValue<std::string>("target"), "..."));
            CPPUNIT_ASSERT(endsWith(parsed(line)->getValue<std::string>("method"), "..."));
        }
    }

private:
    std::string json() const { return accessLine(finished_, LogFormat::kJson); }

    Request request_;
    Finished finished_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(AccessLogTest);

}  // namespace ociproxy
