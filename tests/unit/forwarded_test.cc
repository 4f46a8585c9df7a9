#include "front/forwarded.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

const std::vector<Network> kTrusted{*Network::parse("10.0.0.0/8"), *Network::parse("fd00::/8")};

std::string textOf(const Headers& headers) {
    const std::optional<ForwardedClient> client = forwardedClient(headers, kTrusted);
    return client ? client->text() : "-";
}

std::string byForwarded(const std::string& value) {
    Headers headers;
    headers.add("Forwarded", value);
    return textOf(headers);
}

std::string byList(const std::string& value) {
    Headers headers;
    headers.add("X-Forwarded-For", value);
    return textOf(headers);
}

void expectForwarded(const std::string& client, const std::string& value) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(value, client, byForwarded(value));
}

void expectList(const std::string& client, const std::string& value) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(value, client, byList(value));
}

}  // namespace

class ForwardedTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ForwardedTest);
    CPPUNIT_TEST(nothingSaysNothing);
    CPPUNIT_TEST(forwardedNodes);
    CPPUNIT_TEST(forwardedPairs);
    CPPUNIT_TEST(forwardedGrammar);
    CPPUNIT_TEST(listNodes);
    CPPUNIT_TEST(firstUntrustedFromTheRight);
    CPPUNIT_TEST(theHiddenEndTheSearch);
    CPPUNIT_TEST(fieldsAreOneList);
    CPPUNIT_TEST(forwardedComesFirst);
    CPPUNIT_TEST(textHasThePortIfThereIsOne);
    CPPUNIT_TEST_SUITE_END();

public:
    void nothingSaysNothing() {
        CPPUNIT_ASSERT_EQUAL(std::string("-"), textOf(Headers()));
        expectForwarded("-", "");
        expectList("-", "");
    }

    void forwardedNodes() {
        expectForwarded("192.0.2.1", "for=192.0.2.1");
        expectForwarded("192.0.2.1", "for=\"192.0.2.1\"");
        expectForwarded("192.0.2.1:5000", "for=\"192.0.2.1:5000\"");
        expectForwarded("192.0.2.1:5000", "for=192.0.2.1:5000");
        expectForwarded("192.0.2.1", "for=\"192.0.2.1:_port\"");
        expectForwarded("2001:db8::1", "for=\"[2001:db8::1]\"");
        expectForwarded("[2001:db8::1]:5000", "for=\"[2001:db8::1]:5000\"");
        expectForwarded("192.0.2.1", "for=\"192.0.\\2.1\"");
        for (const char* none : {"for=unknown", "for=_hidden", "for=\"_hidden:5000\"", "for=\"\"",
                                 "for=\"[192.0.2.1]\"", "for=\"[2001:db8::1]x\"", "for=192.0.2",
                                 "for=\"192.0.2.1 \"", "for=host.test"}) {
            expectForwarded("-", none);
        }
    }

    void forwardedPairs() {
        expectForwarded("192.0.2.1", "For=192.0.2.1;proto=https;by=203.0.113.43");
        expectForwarded("192.0.2.1", "by=10.0.0.1; FOR=192.0.2.1 ;host=\"a,b;c\"");
        expectForwarded("192.0.2.1", "host=\"for=1.2.3.4, for=1.2.3.5\";for=192.0.2.1");
        expectForwarded("-", "proto=https;by=203.0.113.43");
        expectForwarded("192.0.2.1", " for=192.0.2.1 , for=10.0.0.1 ");
    }

    void forwardedGrammar() {
        for (const char* broken :
             {"192.0.2.1", "for", "for=", "=192.0.2.1", "for=\"192.0.2.1", "for=\"192.0.2.1\\",
              "for=192.0.2.1,", ",for=192.0.2.1", "for=192.0.2.1;", "for=192.0.2.1 for=192.0.2.2",
              "for = 192.0.2.1", "for=\"192.0.2.1\"x", "for=192.0.2.1,,for=10.0.0.1",
              "f[or=192.0.2.1"}) {
            expectForwarded("-", broken);
        }
    }

    void listNodes() {
        expectList("192.0.2.1", "192.0.2.1");
        expectList("192.0.2.1:80", "192.0.2.1:80");
        expectList("2001:db8::1", "2001:db8::1");
        expectList("2001:db8::1", "[2001:db8::1]");
        expectList("[2001:db8::1]:80", "[2001:db8::1]:80");
        for (const char* none : {"unknown", "192.0.2.1,", "\"192.0.2.1\"", "192.0.2.1 192.0.2.2"}) {
            expectList("-", none);
        }
    }

    void firstUntrustedFromTheRight() {
        expectList("192.0.2.2", "192.0.2.1, 192.0.2.2");
        expectList("192.0.2.1", "192.0.2.1, 10.0.0.1");
        expectList("192.0.2.1", "198.51.100.1, 192.0.2.1,10.0.0.1\t,fd00::1, 10.1.2.3:4");
        expectList("10.0.0.2", "10.0.0.2, 10.0.0.1");
        expectForwarded("192.0.2.1", "for=1.2.3.4, for=192.0.2.1, for=\"[fd00::1]\", for=10.0.0.1");
    }

    void theHiddenEndTheSearch() {
        expectList("-", "192.0.2.1, unknown");
        expectList("10.0.0.1", "192.0.2.1, unknown, 10.0.0.1");
        expectForwarded("10.0.0.1", "for=192.0.2.1, for=_gazonk, for=10.0.0.1");
        expectForwarded("-", "for=192.0.2.1, proto=http");
    }

    void fieldsAreOneList() {
        Headers headers;
        headers.add("X-Forwarded-For", "198.51.100.1, 192.0.2.1");
        headers.add("x-forwarded-for", "10.0.0.1");
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1"), textOf(headers));
    }

    void forwardedComesFirst() {
        Headers headers;
        headers.add("X-Forwarded-For", "192.0.2.1");
        headers.add("Forwarded", "for=192.0.2.2");
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.2"), textOf(headers));
        headers.set("Forwarded", "for=");
        CPPUNIT_ASSERT_EQUAL(std::string("-"), textOf(headers));
    }

    void textHasThePortIfThereIsOne() {
        const ForwardedClient six{IpAddress::parse("2001:db8::1").value(), 0};
        CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), six.text());
        const ForwardedClient four{IpAddress::parse("192.0.2.1").value(), 65535};
        CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.1:65535"), four.text());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ForwardedTest);

}  // namespace ociproxy
