#include "ociproxy/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

bool isPublic(const std::string& text) {
    std::optional<IpAddress> address = IpAddress::parse(text);
    CPPUNIT_ASSERT_MESSAGE(text, address);
    return isPublicAddress(*address);
}

bool holds(const char* network, const char* address) {
    std::optional<Network> parsed = Network::parse(network);
    CPPUNIT_ASSERT_MESSAGE(network, parsed);
    return parsed->contains(*IpAddress::parse(address));
}

}  // namespace

class AddressTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AddressTest);
    CPPUNIT_TEST(fullFormsParse);
    CPPUNIT_TEST(case31_shortAndOddFormsDoNotParse);
    CPPUNIT_TEST(mappedAddressesAreIpv4);
    CPPUNIT_TEST(socketAddresses);
    CPPUNIT_TEST(networks);
    CPPUNIT_TEST(malformedNetworksAreRefused);
    CPPUNIT_TEST(networkText);
    CPPUNIT_TEST(specialIpv4RangesToTheirEdges);
    CPPUNIT_TEST(specialIpv6RangesToTheirEdges);
    CPPUNIT_TEST(case31_addressesInPathsAreNotPublic);
    CPPUNIT_TEST(case211_embeddedAddressesAreJudged);
    CPPUNIT_TEST(publicAddressesArePublic);
    CPPUNIT_TEST_SUITE_END();

public:
    void fullFormsParse() {
        CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.1"), IpAddress::parse("127.0.0.1")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("::1"), IpAddress::parse("::1")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("::1"), IpAddress::parse("[0:0::1]")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("fd00::ab"), IpAddress::parse("FD00::AB")->text());
        CPPUNIT_ASSERT(IpAddress::parse("1.2.3.4")->isV4());
        CPPUNIT_ASSERT(!IpAddress::parse("::")->isV4());
        CPPUNIT_ASSERT(!(*IpAddress::parse("0.0.0.0") == *IpAddress::parse("::")));
        CPPUNIT_ASSERT_EQUAL(4, int{IpAddress::parse("1.2.3.4")->bytes()[15]});
    }

    void case31_shortAndOddFormsDoNotParse() {
        const std::string bad[] = {
            "", "127.1", "2130706433", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01",
            "127.0.0.1.", "127.0.0.256", " 127.0.0.1", "127.0.0.1 ", "[127.0.0.1]", "::1%lo",
            "fe80::1%1", "[::1", "::1]", "[]", "[[::1]]", ":::1", "1:2:3:4:5:6:7:8:9",
            std::string("127.0.0.1\0x", 11), std::string("::1\0", 4), "localhost"};
        for (const std::string& text : bad) {
            CPPUNIT_ASSERT_MESSAGE(text, !IpAddress::parse(text));
        }
    }

    void mappedAddressesAreIpv4() {
        for (const char* text : {"::ffff:10.1.2.3", "[::ffff:a01:203]",
                                 "0:0:0:0:0:FFFF:0a01:0203"}) {
            std::optional<IpAddress> address = IpAddress::parse(text);
            CPPUNIT_ASSERT_MESSAGE(text, address && address->isV4());
            CPPUNIT_ASSERT(*address == *IpAddress::parse("10.1.2.3"));
            CPPUNIT_ASSERT_EQUAL(std::string("10.1.2.3"), address->text());
        }
    }

    void socketAddresses() {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_addr.s_addr = htonl(0x0a010203);
        CPPUNIT_ASSERT(IpAddress::fromSockaddr(reinterpret_cast<sockaddr*>(&v4)) ==
                       IpAddress::parse("10.1.2.3"));
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        CPPUNIT_ASSERT_EQUAL(1, ::inet_pton(AF_INET6, "2001:db8::5", &v6.sin6_addr));
        CPPUNIT_ASSERT(IpAddress::fromSockaddr(reinterpret_cast<sockaddr*>(&v6)) ==
                       IpAddress::parse("2001:db8::5"));
        CPPUNIT_ASSERT_EQUAL(1, ::inet_pton(AF_INET6, "::ffff:10.1.2.3", &v6.sin6_addr));
        CPPUNIT_ASSERT(IpAddress::fromSockaddr(reinterpret_cast<sockaddr*>(&v6))->isV4());
        sockaddr_un local{};
        local.sun_family = AF_UNIX;
        CPPUNIT_ASSERT(!IpAddress::fromSockaddr(reinterpret_cast<sockaddr*>(&local)));
    }

    void networks() {
        CPPUNIT_ASSERT(holds("127.0.0.0/8", "127.255.255.255"));
        CPPUNIT_ASSERT(!holds("127.0.0.0/8", "128.0.0.0"));
        CPPUNIT_ASSERT(holds("172.16.0.0/12", "172.31.9.9"));
        CPPUNIT_ASSERT(!holds("172.16.0.0/12", "172.32.0.0"));
        CPPUNIT_ASSERT(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
        CPPUNIT_ASSERT(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        CPPUNIT_ASSERT(holds("::/0", "fd00::1") && !holds("::/0", "10.0.0.1"));
        CPPUNIT_ASSERT(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        CPPUNIT_ASSERT(holds("2001:db8:8000::/33", "2001:db8:ffff::"));
        CPPUNIT_ASSERT(!holds("2001:db8:8000::/33", "2001:db8:7fff::"));
        CPPUNIT_ASSERT(holds("[::1]", "::1"));
        CPPUNIT_ASSERT(holds("::ffff:10.0.0.0/104", "10.9.9.9"));
        CPPUNIT_ASSERT(holds("10.0.0.0/8", "::ffff:10.9.9.9"));
    }

    void malformedNetworksAreRefused() {
        for (const char* bad : {"", "/8", "127.0.0.0/", "127.0.0.0/33", "127.0.0.1/8", "::/129",
                                "fd00::1/8", "127.0.0.0/-1", "127.0.0.0/8/8", "127/8",
                                "127.0.0.0/0008", "::ffff:0:0/95", "127.0.0.0 /8", "demo.test/8",
                                "128.0.0.0/0"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !Network::parse(bad));
        }
    }

    void networkText() {
        CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8"), Network::parse("10.0.0.0/8")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.1/32"), Network::parse("10.0.0.1")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("fd00::/8"), Network::parse("FD00::/8")->text());
        CPPUNIT_ASSERT_EQUAL(std::string("0.0.0.0/0"), Network::parse("::ffff:0:0/96")->text());
    }

    // Each row: the last address before the range, its first, its last, the next one. Where
    // ranges touch, the outer ones are left out.
    void specialIpv4RangesToTheirEdges() {
        const char* const rows[][4] = {
            {nullptr, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
            {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
            {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
            {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
            {"168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
            {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
            {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
            {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
            {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
            {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
            {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
            {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
            {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
            {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
            {"223.255.255.255", "224.0.0.0", "255.255.255.255", nullptr},
        };
        for (const auto& row : rows) assertEdges(row);
    }

    void specialIpv6RangesToTheirEdges() {
        const char* const rows[][4] = {
            {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::",
             "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::"},
            {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff",
             "100:0:0:1::"},
            {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::",
             "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
            {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::",
             "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
            {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::",
             "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
            {"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::",
             "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f01::"},
            {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::",
             "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
            {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::",
             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr},
        };
        for (const auto& row : rows) assertEdges(row);
        CPPUNIT_ASSERT(!isPublic("::") && !isPublic("::1") && !isPublic("fd00:ec2::254"));
        CPPUNIT_ASSERT(!isPublic("fec0::1") && !isPublic("febf::1"));
    }

    void case31_addressesInPathsAreNotPublic() {
        CPPUNIT_ASSERT(!isPublic("127.0.0.1") && !isPublic("169.254.169.254"));
        CPPUNIT_ASSERT(!isPublic("100.100.100.200"));
    }

    void case211_embeddedAddressesAreJudged() {
        for (const char* bad : {"::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
                                "::127.0.0.1", "::10.0.0.1", "64:ff9b::169.254.169.254",
                                "2002:a00:1:1:2:3:4:5", "::ffff:168.63.129.16"}) {
            CPPUNIT_ASSERT_MESSAGE(bad, !isPublic(bad));
        }
        for (const char* good : {"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
            CPPUNIT_ASSERT_MESSAGE(good, isPublic(good));
        }
    }

    void publicAddressesArePublic() {
        for (const char* good : {"1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1"}) {
            CPPUNIT_ASSERT_MESSAGE(good, isPublic(good));
        }
    }

private:
    static void assertEdges(const char* const (&row)[4]) {
        for (int i = 0; i < 4; ++i) {
            if (row[i] == nullptr) continue;
            bool outside = i == 0 || i == 3;
            CPPUNIT_ASSERT_EQUAL_MESSAGE(row[i], outside, isPublic(row[i]));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AddressTest);

}  // namespace ociproxy
