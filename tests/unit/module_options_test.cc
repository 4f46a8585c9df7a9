#include "proc/module_options.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/text.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/version.h"

namespace ociproxy {

namespace {

UpstreamConfig section() {
    UpstreamConfig out;
    out.name = "demo.test";
    out.line = 12;
    out.urls = {UpstreamUrl{false, "127.0.0.1", 5000}, UpstreamUrl{true, "b.test", 443}};
    out.aliases = {"demo"};
    out.isPublic = PublicSetting::kNo;
    out.allowAddresses = {*Network::parse("127.0.0.0/8")};
    return out;
}

}  // namespace

class ModuleOptionsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ModuleOptionsTest);
    CPPUNIT_TEST(aSectionBecomesAnUpstream);
    CPPUNIT_TEST(publicnessIsKept);
    CPPUNIT_TEST(otherSettingsGiveAnotherId);
    CPPUNIT_TEST(theDirectoryKnowsSectionsAndTheAllowList);
    CPPUNIT_TEST(anUnreadableCaFileIsAConfigurationFailure);
    CPPUNIT_TEST(modulesGetWhatIsConfigured);
    CPPUNIT_TEST(listenersSpeakWhatTheirLineSays);
    CPPUNIT_TEST(connectionsFitTheDescriptors);
    CPPUNIT_TEST_SUITE_END();

public:
    void aSectionBecomesAnUpstream() {
        Upstream upstream = upstreamFrom(section());
        CPPUNIT_ASSERT_EQUAL(std::string("demo.test"), upstream.name);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, upstream.origins.size());
        CPPUNIT_ASSERT((upstream.origins[0] == Origin{false, "127.0.0.1", 5000}));
        CPPUNIT_ASSERT((upstream.origins[1] == Origin{true, "b.test", 443}));
        CPPUNIT_ASSERT_EQUAL(std::string("demo"), upstream.aliases.at(0));
        CPPUNIT_ASSERT_EQUAL(std::string("127.0.0.0/8"), upstream.allowAddresses.at(0).text());
        CPPUNIT_ASSERT(upstream.configured);
        CPPUNIT_ASSERT(!upstream.id.empty());
    }

    void publicnessIsKept() {
        UpstreamConfig config = section();
        CPPUNIT_ASSERT(upstreamFrom(config).publicness == Publicness::kNo);
        config.isPublic = PublicSetting::kYes;
        CPPUNIT_ASSERT(upstreamFrom(config).publicness == Publicness::kYes);
        config.isPublic = PublicSetting::kAuto;
        CPPUNIT_ASSERT(upstreamFrom(config).publicness == Publicness::kAuto);
    }

    void otherSettingsGiveAnotherId() {
        UpstreamConfig other = section();
        other.urls[0].port = 5001;
        CPPUNIT_ASSERT(upstreamFrom(section()).id != upstreamFrom(other).id);
        CPPUNIT_ASSERT_EQUAL(upstreamFrom(section()).id, upstreamFrom(section()).id);
    }

    void theDirectoryKnowsSectionsAndTheAllowList() {
        Config config;
        config.upstreams = {section()};
        config.allowUpstreams = {"quay.io"};
        UpstreamDirectory directory = directoryFrom(config);
        CPPUNIT_ASSERT(directory.find("demo.test") && directory.find("demo.test")->configured);
        CPPUNIT_ASSERT(directory.find("demo") == directory.find("demo.test"));
        CPPUNIT_ASSERT(directory.find("quay.io") && !directory.find("quay.io")->configured);
        CPPUNIT_ASSERT(!directory.find("ghcr.io"));
    }

    void anUnreadableCaFileIsAConfigurationFailure() {
        Config config;
        config.file = "/etc/x.conf";
        config.upstreams = {section()};
        config.upstreams[0].caFile = "/nonexistent/ca.pem";
        try {
            directoryFrom(config);
            CPPUNIT_FAIL("accepted");
        } catch (const ConfigError& e) {
            std::string what = e.what();
            CPPUNIT_ASSERT_MESSAGE(what, startsWith(what, "/etc/x.conf:12: "));
            CPPUNIT_ASSERT_MESSAGE(what, what.find("/nonexistent/ca.pem") != std::string::npos);
        }
    }

    void modulesGetWhatIsConfigured() {
        Config config;
        config.cacheDir = "/somewhere";
        config.followAfter = Millis{7};
        config.unverifiedRanges = false;
        Listeners listeners({}, Millis{0});
        SharedState shared{SharedState::Options{64, 16}};
        Heritage heritage;
        heritage.config = &config;
        heritage.listeners = &listeners;
        heritage.shared = &shared;
        heritage.instanceId = "abc";
        CPPUNIT_ASSERT_EQUAL(std::string("/somewhere"), storeOptions(heritage).directory);
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), clientOptions(heritage).instanceId);
        CPPUNIT_ASSERT_EQUAL(std::string("ociproxy/" OCIPROXY_VERSION),
                             clientOptions(heritage).userAgent);
        CPPUNIT_ASSERT(clientOptions(heritage).tokens == &shared.tokens());
        Proxy::Options proxy = proxyOptions(heritage, WorkerId{3, 9});
        CPPUNIT_ASSERT((proxy.self == WorkerId{3, 9}));
        CPPUNIT_ASSERT(proxy.followAfter == Millis{7});
        CPPUNIT_ASSERT(!proxy.unverifiedRanges);
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), proxy.instanceId);
        CPPUNIT_ASSERT(frontOptions(heritage).counters == &shared.counters());
    }

    void listenersSpeakWhatTheirLineSays() {
        const Config config = parseConfig(
            "listen = 127.0.0.1:0\nlisten = 127.0.0.1:0 tls\ntls_certificate = /c\n"
            "tls_key = /k\n", "f");
        Listeners listeners(config.listen, Millis{0});
        SharedState shared{SharedState::Options{64, 16}};
        Heritage heritage;
        heritage.config = &config;
        heritage.listeners = &listeners;
        heritage.shared = &shared;
        const std::vector<FrontServer::Listener> out = frontOptions(heritage).listeners;
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, out.size());
        CPPUNIT_ASSERT_EQUAL(listeners.descriptors().at(1), out[1].socket);
        CPPUNIT_ASSERT(!out[0].tls && out[1].tls);
    }

    void connectionsFitTheDescriptors() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{10'000}, connectionLimit(1'000'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{384}, connectionLimit(1'024));
        CPPUNIT_ASSERT_EQUAL(std::size_t{64}, connectionLimit(10));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1'024}, openFileLimit(1'000'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{64}, openFileLimit(1'024));
        CPPUNIT_ASSERT_EQUAL(std::size_t{16}, openFileLimit(10));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ModuleOptionsTest);

}  // namespace ociproxy
