#include "ociproxy/upstream/address_guard.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "upstream/hop_policy.h"

namespace ociproxy {

namespace {

// Reached through the allow-list: no section, https only.
Upstream listed() {
    Upstream upstream;
    upstream.name = "up.test";
    upstream.origins = {Origin{true, "up.test", 443}};
    return upstream;
}

Upstream configured(const Origin& origin, const char* allow = nullptr) {
    Upstream upstream = listed();
    upstream.origins = {origin};
    upstream.configured = true;
    if (allow) upstream.allowAddresses = {*Network::parse(allow)};
    return upstream;
}

const Origin kHttp{false, "up.test", 5000};

bool hop(const Upstream& upstream, bool tls, const std::string& host, unsigned port) {
    std::string why;
    const Origin origin{tls, host, static_cast<std::uint16_t>(port)};
    const bool admitted = admitsHop(upstream, origin, &why);
    CPPUNIT_ASSERT_EQUAL(admitted, why.empty());
    return admitted;
}

bool address(const Upstream& upstream, const Origin& origin, const std::string& text) {
    std::string why;
    const bool admitted = admitsAddress(upstream, origin, *IpAddress::parse(text), &why);
    CPPUNIT_ASSERT_EQUAL(admitted, why.empty());
    return admitted;
}

bool realm(const Upstream& upstream, const Origin& origin, const std::string& text) {
    std::string why;
    return admitsHopFor(HopPurpose::kToken, upstream, origin, &why) &&
           admitsAddressFor(HopPurpose::kToken, upstream, origin, *IpAddress::parse(text), &why);
}

}  // namespace

class AddressGuardTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AddressGuardTest);
    CPPUNIT_TEST(originsOfTheUpstreamAreAdmitted);
    CPPUNIT_TEST(httpsToPublicNamesIsAdmitted);
    CPPUNIT_TEST(case169_httpNeedsAnHttpOrigin);
    CPPUNIT_TEST(otherPortsNeedAllowedAddresses);
    CPPUNIT_TEST(hostFormsAreChecked);
    CPPUNIT_TEST(addressesOfConfiguredOriginsAreFree);
    CPPUNIT_TEST(addressesOfListedOriginsMustBePublic);
    CPPUNIT_TEST(allowedRangesHoldOnAnyPort);
    CPPUNIT_TEST(publicAddressesOnDefaultPortsOnly);
    CPPUNIT_TEST(case211_embeddedAddressesAreSeenThrough);
    CPPUNIT_TEST(case150_realmsOverHttpAreNarrower);
    CPPUNIT_TEST_SUITE_END();

public:
    void originsOfTheUpstreamAreAdmitted() {
        CPPUNIT_ASSERT(hop(listed(), true, "up.test", 443));
        CPPUNIT_ASSERT(hop(configured({true, "10.0.0.1", 5000}), true, "10.0.0.1", 5000));
        CPPUNIT_ASSERT(hop(configured({false, "localhost", 5000}), false, "localhost", 5000));
        CPPUNIT_ASSERT(!hop(configured({false, "localhost", 5000}), false, "localhost", 5001));
    }

    void httpsToPublicNamesIsAdmitted() {
        CPPUNIT_ASSERT(hop(listed(), true, "cdn.example.org", 443));
        CPPUNIT_ASSERT(hop(listed(), true, "8.8.8.8", 443));
    }

    void case169_httpNeedsAnHttpOrigin() {
        CPPUNIT_ASSERT(!hop(listed(), false, "cdn.example.org", 80));
        CPPUNIT_ASSERT(!hop(listed(), false, "up.test", 80));
        CPPUNIT_ASSERT(!hop(configured({true, "up.test", 443}, "127.0.0.0/8"), false,
                            "cdn.example.org", 80));
        CPPUNIT_ASSERT(hop(configured(kHttp), false, "cdn.example.org", 80));
        CPPUNIT_ASSERT(!hop(configured(kHttp), false, "cdn.example.org", 8080));
        CPPUNIT_ASSERT(hop(configured(kHttp, "127.0.0.0/8"), false, "cdn.example.org", 8080));
    }

    void otherPortsNeedAllowedAddresses() {
        CPPUNIT_ASSERT(!hop(listed(), true, "cdn.example.org", 8443));
        CPPUNIT_ASSERT(hop(configured(kHttp, "127.0.0.0/8"), true, "cdn.example.org", 8443));
    }

    void hostFormsAreChecked() {
        for (const char* host : {"localhost", "printer", "db.internal", "127.0.0.1", "::1",
                                 "10.0.0.1", "169.254.169.254", "168.63.129.16"}) {
            CPPUNIT_ASSERT_MESSAGE(host, !hop(listed(), true, host, 443));
        }
        const Upstream local = configured(kHttp, "127.0.0.0/8");
        CPPUNIT_ASSERT(hop(local, true, "localhost", 443));
        CPPUNIT_ASSERT(hop(local, true, "127.0.0.9", 8443));
        CPPUNIT_ASSERT(!hop(local, true, "10.0.0.1", 443));
    }

    void addressesOfConfiguredOriginsAreFree() {
        CPPUNIT_ASSERT(address(configured(kHttp), kHttp, "127.0.0.1"));
        CPPUNIT_ASSERT(address(configured(kHttp), kHttp, "fd00::1"));
        CPPUNIT_ASSERT(!address(configured(kHttp), Origin{false, "up.test", 80}, "127.0.0.1"));
    }

    void addressesOfListedOriginsMustBePublic() {
        const Upstream upstream = listed();
        CPPUNIT_ASSERT(address(upstream, upstream.origins.front(), "8.8.8.8"));
        CPPUNIT_ASSERT(!address(upstream, upstream.origins.front(), "127.0.0.1"));
        CPPUNIT_ASSERT(!address(upstream, upstream.origins.front(), "10.0.0.1"));
    }

    void allowedRangesHoldOnAnyPort() {
        const Upstream upstream = configured(kHttp, "10.1.0.0/16");
        CPPUNIT_ASSERT(address(upstream, Origin{true, "cdn.test", 8443}, "10.1.2.3"));
        CPPUNIT_ASSERT(!address(upstream, Origin{true, "cdn.test", 8443}, "10.2.0.1"));
        CPPUNIT_ASSERT(!address(upstream, Origin{true, "cdn.test", 443}, "127.0.0.1"));
    }

    void publicAddressesOnDefaultPortsOnly() {
        const Upstream upstream = configured(kHttp, "10.1.0.0/16");
        CPPUNIT_ASSERT(address(upstream, Origin{true, "cdn.test", 443}, "8.8.8.8"));
        CPPUNIT_ASSERT(address(upstream, Origin{false, "cdn.test", 80}, "8.8.8.8"));
        CPPUNIT_ASSERT(!address(upstream, Origin{true, "cdn.test", 80}, "8.8.8.8"));
        CPPUNIT_ASSERT(!address(upstream, Origin{true, "cdn.test", 22}, "8.8.8.8"));
    }

    void case211_embeddedAddressesAreSeenThrough() {
        const Origin cdn{true, "cdn.test", 443};
        for (const char* text : {"::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
                                 "::127.0.0.1", "64:ff9b:1::1", "fe80::1", "ff02::1"}) {
            CPPUNIT_ASSERT_MESSAGE(text, !address(listed(), cdn, text));
            const Upstream ten = configured(kHttp, "10.0.0.0/8");
            CPPUNIT_ASSERT_MESSAGE(text, !address(ten, cdn, text));
        }
        CPPUNIT_ASSERT(address(listed(), cdn, "64:ff9b::808:808"));
        CPPUNIT_ASSERT(address(listed(), cdn, "2606:4700::1111"));
    }

    void case150_realmsOverHttpAreNarrower() {
        const Origin stranger{false, "tok.test", 80};
        const Origin same{false, "up.test", 80};
        CPPUNIT_ASSERT(!realm(listed(), same, "8.8.8.8"));
        CPPUNIT_ASSERT(realm(configured(kHttp), same, "8.8.8.8"));
        CPPUNIT_ASSERT(!realm(configured(kHttp), stranger, "8.8.8.8"));
        CPPUNIT_ASSERT(!realm(configured(kHttp, "10.0.0.0/8"), stranger, "8.8.8.8"));
        CPPUNIT_ASSERT(realm(configured(kHttp, "10.0.0.0/8"), stranger, "10.0.0.1"));
        CPPUNIT_ASSERT(realm(configured(kHttp), Origin{true, "tok.test", 443}, "8.8.8.8"));
        CPPUNIT_ASSERT(!realm(listed(), Origin{true, "169.254.169.254", 443}, "169.254.169.254"));
        CPPUNIT_ASSERT(!realm(listed(), Origin{true, "tok.test", 443}, "10.0.0.1"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AddressGuardTest);

}  // namespace ociproxy
