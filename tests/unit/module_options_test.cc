#include "proc/module_options.h"

#include <cstdlib>
#include <string>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"
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
    CPPUNIT_TEST(theFrontGetsItsLimits);
    CPPUNIT_TEST(connectionsFitTheDescriptors);
    CPPUNIT_TEST(oneClientLeavesAQuarter);
    CPPUNIT_TEST(whatTheDescriptorsDoNotAllowIsSaid);
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
        config.finishBelow = 5;
        config.partialMaxAge = Millis{0};
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
        CPPUNIT_ASSERT(proxy.finishBelow == 5 && !proxy.keepPartials);
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), proxy.instanceId);
        CPPUNIT_ASSERT(frontOptions(heritage).counters == &shared.counters());
    }

    void theFrontGetsItsLimits() {
        const Config config = parseConfig(
            "listen = 127.0.0.1:0\nlisten = 127.0.0.1:0 tls\n"
            "listen = 127.0.0.1:0 proxy_protocol\nlisten = 127.0.0.1:0 proxy_protocol tls\n"
            "tls_certificate = /c\ntls_key = /k\n"
            "trusted_proxies = 10.0.0.0/8\nheader_timeout = 1s\nkeepalive_timeout = 2s\n"
            "write_timeout = 3s\nmin_rate = 4K\nmax_connections = 40\n"
            "max_connections_per_client = 5\n", "f");
        Listeners listeners(config.listen, Millis{0});
        SharedState shared{SharedState::Options{64, 16}};
        Heritage heritage;
        heritage.config = &config;
        heritage.listeners = &listeners;
        heritage.shared = &shared;
        const FrontServer::Options front = frontOptions(heritage);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, front.listeners.size());
        for (std::size_t i = 0; i < 4; ++i) {
            const FrontServer::Listener& listener = front.listeners[i];
            CPPUNIT_ASSERT_EQUAL(listeners.descriptors()[i], listener.socket);
            CPPUNIT_ASSERT_EQUAL(i % 2 == 1, listener.tls);
            CPPUNIT_ASSERT_EQUAL(i >= 2, listener.proxyHeader);
        }
        CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8"), front.trustedProxies.at(0).text());
        CPPUNIT_ASSERT(front.headerTimeout == Millis{1'000});
        CPPUNIT_ASSERT(front.keepAliveTimeout == Millis{2'000});
        CPPUNIT_ASSERT(front.writeStall == Millis{3'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4'096}, front.minRate);
        CPPUNIT_ASSERT_EQUAL(std::size_t{40}, front.maxConnections);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, front.maxConnectionsPerClient);
    }

    void connectionsFitTheDescriptors() {
        Config config;
        CPPUNIT_ASSERT_EQUAL(std::size_t{10'000}, connectionLimit(config, 1'000'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{384}, connectionLimit(config, 1'024));
        CPPUNIT_ASSERT_EQUAL(std::size_t{64}, connectionLimit(config, 10));
        config.maxConnections = 30'000;
        CPPUNIT_ASSERT_EQUAL(std::size_t{30'000}, connectionLimit(config, 1'000'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{384}, connectionLimit(config, 1'024));
        config.maxConnections = 1;
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, connectionLimit(config, 1'024));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1'024}, openFileLimit(1'000'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{64}, openFileLimit(1'024));
        CPPUNIT_ASSERT_EQUAL(std::size_t{16}, openFileLimit(10));
    }

    void oneClientLeavesAQuarter() {
        Config config;
        CPPUNIT_ASSERT_EQUAL(std::size_t{7'500}, clientLimit(config, 10'000));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, clientLimit(config, 1));
        config.maxConnectionsPerClient = 0;
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, clientLimit(config, 10'000));
        config.maxConnectionsPerClient = 20'000;
        CPPUNIT_ASSERT_EQUAL(std::size_t{20'000}, clientLimit(config, 10'000));
    }

    void whatTheDescriptorsDoNotAllowIsSaid() {
        char name[] = "/tmp/ociproxy-options-XXXXXX";
        const Fd lines(::mkstemp(name));
        Log log(name, LogLevel::kInfo);
        Config config;
        warnOfLimits(config, log);
        config.maxConnections = 64;
        warnOfLimits(config, log);
        CPPUNIT_ASSERT_EQUAL(std::string(), readAll(lines.get(), 10'000, name));
        config.maxConnections = 1'000'000'000;
        warnOfLimits(config, log);
        const std::string said = readAll(lines.get(), 10'000, name);
        ::unlink(name);
        CPPUNIT_ASSERT_MESSAGE(said, said.find("max_connections = 1000000000 is lowered to ") !=
                                         std::string::npos);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ModuleOptionsTest);

}  // namespace ociproxy
