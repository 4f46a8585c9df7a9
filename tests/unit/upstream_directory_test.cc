#include "ociproxy/upstream/settings.h"

#include <string>

#include <cppunit/extensions/HelperMacros.h>

namespace ociproxy {

namespace {

Upstream demo() {
    Upstream upstream;
    upstream.name = "demo.test";
    upstream.origins = {Origin{false, "127.0.0.1", 5000}};
    upstream.aliases = {"demo"};
    upstream.configured = true;
    return upstream;
}

Upstream named(const std::string& name) {
    Upstream upstream = demo();
    upstream.name = name;
    upstream.aliases.clear();
    return upstream;
}

UpstreamDirectory publicDirectory() {
    return UpstreamDirectory({}, {"docker.io", "ghcr.io", "*.pkg.dev"});
}

std::string idWith(void (*change)(Upstream&)) {
    Upstream upstream = demo();
    change(upstream);
    upstream.computeId();
    return upstream.id;
}

}  // namespace

class UpstreamDirectoryTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UpstreamDirectoryTest);
    CPPUNIT_TEST(originsAsText);
    CPPUNIT_TEST(configuredOnesAreFoundByNameAndAlias);
    CPPUNIT_TEST(aNameMayCarryAPort);
    CPPUNIT_TEST(namesComeBeforeAliases);
    CPPUNIT_TEST(allowedNamesAreDialledOverHttps);
    CPPUNIT_TEST(case6_namesOfDockerHubAreOne);
    CPPUNIT_TEST(case31_addressesAndLocalNamesAreRefused);
    CPPUNIT_TEST(case212_oddHostsAreCanonicalOrRefused);
    CPPUNIT_TEST(case213_patternsMatchOnLabelBoundaries);
    CPPUNIT_TEST(aStarAdmitsPublicNamesOnly);
    CPPUNIT_TEST(componentsThatMeanAnUpstream);
    CPPUNIT_TEST(everySettingChangesTheId);
    CPPUNIT_TEST_SUITE_END();

public:
    void originsAsText() {
        CPPUNIT_ASSERT_EQUAL(std::string("https://up.test"), Origin({true, "up.test", 443}).text());
        CPPUNIT_ASSERT_EQUAL(std::string("http://up.test"), Origin({false, "up.test", 80}).text());
        CPPUNIT_ASSERT_EQUAL(std::string("http://up.test:443"),
                             Origin({false, "up.test", 443}).text());
        CPPUNIT_ASSERT_EQUAL(std::string("[::1]:5000"), Origin({true, "::1", 5000}).authority());
        CPPUNIT_ASSERT_EQUAL(std::string("[::1]"), Origin({true, "::1", 443}).authority());
    }

    void configuredOnesAreFoundByNameAndAlias() {
        const UpstreamDirectory directory({demo()}, {});
        const UpstreamPtr found = directory.find("demo.test");
        CPPUNIT_ASSERT(found && found->configured);
        CPPUNIT_ASSERT_EQUAL(std::string("http://127.0.0.1:5000"), found->origins.front().text());
        CPPUNIT_ASSERT(directory.find("demo") == found);
        CPPUNIT_ASSERT(directory.find("DEMO.test") == found);
        CPPUNIT_ASSERT(!directory.find("DEMO"));
        CPPUNIT_ASSERT(!directory.find("demo.test:5000"));
        CPPUNIT_ASSERT(!directory.find("other.test"));
        CPPUNIT_ASSERT(!directory.find(""));
    }

    void aNameMayCarryAPort() {
        const UpstreamDirectory directory({named("up.test:5000")}, {"*"});
        CPPUNIT_ASSERT(directory.find("up.test:5000")->configured);
        CPPUNIT_ASSERT(!directory.find("up.test")->configured);
        CPPUNIT_ASSERT(!directory.find("up.test:5001"));
    }

    void namesComeBeforeAliases() {
        Upstream other = named("other.test");
        other.aliases = {"demo.test"};
        const UpstreamDirectory directory({other, demo()}, {});
        CPPUNIT_ASSERT_EQUAL(std::string("demo.test"), directory.find("demo.test")->name);
    }

    void allowedNamesAreDialledOverHttps() {
        const UpstreamPtr found = publicDirectory().find("ghcr.io");
        CPPUNIT_ASSERT(found && !found->configured);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, found->origins.size());
        CPPUNIT_ASSERT_EQUAL(std::string("https://ghcr.io"), found->origins.front().text());
        CPPUNIT_ASSERT_EQUAL(found->id, publicDirectory().find("ghcr.io")->id);
        CPPUNIT_ASSERT(!publicDirectory().find("quay.io"));
        CPPUNIT_ASSERT(!publicDirectory().find("ghcr.io:5000"));
    }

    void case6_namesOfDockerHubAreOne() {
        const UpstreamDirectory directory = publicDirectory();
        for (const char* name : {"docker.io", "index.docker.io", "registry-1.docker.io"}) {
            const UpstreamPtr found = directory.find(name);
            CPPUNIT_ASSERT_MESSAGE(name, found);
            CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), found->name);
            CPPUNIT_ASSERT_EQUAL(std::string("https://registry-1.docker.io"),
                                 found->origins.front().text());
        }
        const UpstreamDirectory configured({named("registry-1.docker.io")}, {"docker.io"});
        CPPUNIT_ASSERT(configured.find("docker.io")->configured);
    }

    void case31_addressesAndLocalNamesAreRefused() {
        const UpstreamDirectory directory({}, {"*", "localhost", "127.0.0.1"});
        for (const char* name :
             {"127.0.0.1", "2130706433", "0x7f.1", "127.1", "017700000001", "169.254.169.254",
              "localhost", "a.localhost", "[::1]", "::1", "db.internal", "printer.local", "corp",
              "8.8.8.8", "a.onion", "box.home.arpa"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !directory.find(name));
        }
    }

    void case212_oddHostsAreCanonicalOrRefused() {
        const UpstreamDirectory directory = publicDirectory();
        for (const char* name : {"docker.io.", "docker.io:443", "DOCKER.IO"}) {
            CPPUNIT_ASSERT_MESSAGE(name, directory.find(name));
            CPPUNIT_ASSERT_EQUAL(directory.find("docker.io")->id, directory.find(name)->id);
        }
        for (const std::string& name :
             {std::string("docker.io%00"), std::string("docker.io\0", 10),
              std::string("user@docker.io"), std::string("docker.io/x"), std::string("docker.io "),
              std::string("docker_x.io"), std::string("docker..io"), std::string(".docker.io"),
              std::string("docker.io:80"), std::string("docker.io..")}) {
            CPPUNIT_ASSERT_MESSAGE(name, !directory.find(name));
        }
    }

    void case213_patternsMatchOnLabelBoundaries() {
        const UpstreamDirectory directory = publicDirectory();
        CPPUNIT_ASSERT(directory.find("europe-docker.pkg.dev"));
        CPPUNIT_ASSERT(directory.find("a.b.pkg.dev"));
        for (const char* name : {"evilpkg.dev", "pkg.dev.evil.com", "pkg.dev", "x.ghcr.io"}) {
            CPPUNIT_ASSERT_MESSAGE(name, !directory.find(name));
        }
        const UpstreamDirectory upper({}, {"*.PKG.dev"});
        CPPUNIT_ASSERT(upper.find("a.pkg.dev"));
    }

    void aStarAdmitsPublicNamesOnly() {
        const UpstreamDirectory directory({}, {"*"});
        CPPUNIT_ASSERT(directory.find("any.example.org"));
        CPPUNIT_ASSERT(!directory.find("any.example.org:5000"));
        CPPUNIT_ASSERT(!directory.find("10.0.0.1"));
        CPPUNIT_ASSERT(!directory.find("example"));
    }

    void componentsThatMeanAnUpstream() {
        const UpstreamDirectory directory({demo()}, {"docker.io"});
        for (const char* component : {"demo", "demo.test", "quay.io", "localhost", "a:5000"}) {
            CPPUNIT_ASSERT_MESSAGE(component, directory.isUpstreamComponent(component));
        }
        CPPUNIT_ASSERT(!directory.isUpstreamComponent("library"));
        CPPUNIT_ASSERT(!directory.isUpstreamComponent(""));
    }

    void everySettingChangesTheId() {
        const std::string id = idWith([](Upstream&) {});
        CPPUNIT_ASSERT_EQUAL(std::string("demo.test#"), id.substr(0, 10));
        CPPUNIT_ASSERT_EQUAL(std::size_t{10 + 16}, id.size());
        CPPUNIT_ASSERT_EQUAL(id, idWith([](Upstream&) {}));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.origins.front().port = 5001; }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.origins.front().tls = true; }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.aliases.clear(); }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.publicness = Publicness::kYes; }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) {
            u.allowAddresses = {*Network::parse("10.0.0.0/8")};
        }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.caFile = "/etc/ca.pem"; }));
        CPPUNIT_ASSERT(id != idWith([](Upstream& u) { u.configured = false; }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UpstreamDirectoryTest);

}  // namespace ociproxy
