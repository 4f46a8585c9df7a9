// The configuration: every key, every error with its line, the sample.
#include "ociproxy/conf/config.h"

#include <cstdlib>
#include <fcntl.h>

#include <cppunit/extensions/HelperMacros.h>

#include "conf/params.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"

namespace ociproxy {
namespace {

// What parsing `text` fails with; empty when it does not.
std::string errorOf(const std::string& text) {
    try {
        parseConfig(text, "f");
    } catch (const ConfigError& e) {
        return e.what();
    }
    return "";
}

void expectError(const std::string& text, const std::string& beginning) {
    const std::string error = errorOf(text);
    CPPUNIT_ASSERT_MESSAGE(text + " gave: " + error, startsWith(error, beginning));
}

class ConfigTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ConfigTest);
    CPPUNIT_TEST(defaultsAreThoseOfTheTable);
    CPPUNIT_TEST(everyKeyIsRead);
    CPPUNIT_TEST(commentsAndWhiteSpace);
    CPPUNIT_TEST(listenAddresses);
    CPPUNIT_TEST(tlsListeners);
    CPPUNIT_TEST(tlsNeedsCertificateAndKey);
    CPPUNIT_TEST(wordsBehindTheAddress);
    CPPUNIT_TEST(proxyProtocolNeedsSomebodyToTrust);
    CPPUNIT_TEST(limits);
    CPPUNIT_TEST(badLimits);
    CPPUNIT_TEST(adminAddress);
    CPPUNIT_TEST(allowListMayBeEmpty);
    CPPUNIT_TEST(urls);
    CPPUNIT_TEST(namesAreCanonical);
    CPPUNIT_TEST(unknownKeysNameTheLine);
    CPPUNIT_TEST(badValuesNameTheLine);
    CPPUNIT_TEST(badUpstreamValuesNameTheLine);
    CPPUNIT_TEST(repeatedKeysNameBothLines);
    CPPUNIT_TEST(repeatedUpstreamsAreRefused);
    CPPUNIT_TEST(brokenLines);
    CPPUNIT_TEST(messagesArePrintable);
    CPPUNIT_TEST(dumpIsReadBack);
    CPPUNIT_TEST(missingFileIsSaid);
    CPPUNIT_TEST(workerCountIsBounded);
    CPPUNIT_TEST(whatCannotChangeWhileItRunsStays);
    CPPUNIT_TEST(whatMayChangeDoes);
    CPPUNIT_TEST(sampleIsValidAndComplete);
    CPPUNIT_TEST(installedSampleIsTheSample);
    CPPUNIT_TEST_SUITE_END();

public:
    void defaultsAreThoseOfTheTable() {
        const Config config = defaultConfig();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, config.listen.size());
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{8080}, config.listen[0].port);
        CPPUNIT_ASSERT(!config.listen[0].address);
        CPPUNIT_ASSERT_EQUAL(std::string("/tmp/cache/oci"), config.cacheDir);
        CPPUNIT_ASSERT(config.durability == DurabilitySetting::kFull);
        CPPUNIT_ASSERT(config.adminListen.empty());
        CPPUNIT_ASSERT(!config.workers);
        CPPUNIT_ASSERT_EQUAL(Millis::rep{2000}, config.followAfter->count());
        CPPUNIT_ASSERT(config.unverifiedRanges);
        CPPUNIT_ASSERT_EQUAL(std::size_t{11}, config.allowUpstreams.size());
        CPPUNIT_ASSERT(config.upstreams.empty());
        CPPUNIT_ASSERT(config.user.empty() && config.group.empty());
    }

    void everyKeyIsRead() {
        const Config config = parseConfig(
            "listen = 127.0.0.1:1\nlisten = [::1]:2\ncache_dir = /c\nworkers = 3\nlog = /l\n"
            "log_level = trace\naccess_log = off\naccess_log_format = json\nfollow_after = never\n"
            "unverified_ranges = off\nuser = 4711\ngroup = root\ndurability = data\n"
            "allow_upstreams = docker.io *.example.com\n"
            "[upstream demo.test]\nurl = http://127.0.0.1:5000\nurl = https://b\naliases = demo d2\n"
            "public = no\nallow_addresses = 10.0.0.0/8 fd00::/8\nca_file = /ca.pem\n", "f");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, config.listen.size());
        CPPUNIT_ASSERT_EQUAL(std::string("/c"), config.cacheDir);
        CPPUNIT_ASSERT(config.durability == DurabilitySetting::kData);
        CPPUNIT_ASSERT_EQUAL(3u, *config.workers);
        CPPUNIT_ASSERT_EQUAL(std::string("/l"), config.log);
        CPPUNIT_ASSERT(config.logLevel == LogLevel::kTrace);
        CPPUNIT_ASSERT_EQUAL(std::string("off"), config.accessLog);
        CPPUNIT_ASSERT(config.accessLogFormat == LogFormat::kJson);
        CPPUNIT_ASSERT(!config.followAfter);
        CPPUNIT_ASSERT(!config.unverifiedRanges);
        CPPUNIT_ASSERT_EQUAL(std::string("4711"), config.user);
        CPPUNIT_ASSERT_EQUAL(std::string("root"), config.group);
        CPPUNIT_ASSERT_EQUAL(std::string("*.example.com"), config.allowUpstreams[1]);
        const UpstreamConfig& upstream = config.upstreams.at(0);
        CPPUNIT_ASSERT_EQUAL(std::string("demo.test"), upstream.name);
        CPPUNIT_ASSERT_EQUAL(std::string("http://127.0.0.1:5000"), upstream.urls.at(0).text());
        CPPUNIT_ASSERT_EQUAL(std::string("https://b"), upstream.urls.at(1).text());
        CPPUNIT_ASSERT_EQUAL(std::string("d2"), upstream.aliases.at(1));
        CPPUNIT_ASSERT(upstream.isPublic == PublicSetting::kNo);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, upstream.allowAddresses.size());
        CPPUNIT_ASSERT_EQUAL(std::string("/ca.pem"), upstream.caFile);
    }

    void commentsAndWhiteSpace() {
        const Config config = parseConfig(
            "# listen = :1\r\n\t workers=4\t# four\r\ncache_dir = /a#b\n\n", "f");
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{8080}, config.listen[0].port);
        CPPUNIT_ASSERT_EQUAL(4u, *config.workers);
        CPPUNIT_ASSERT_EQUAL(std::string("/a#b"), config.cacheDir);
    }

    void listenAddresses() {
        CPPUNIT_ASSERT(!parseConfig("listen = :0\n", "f").listen[0].address);
        CPPUNIT_ASSERT(parseConfig("listen = [::1]:80\n", "f").listen[0].address->text() == "::1");
        for (const char* bad : {"8080", ":", ":x", ":65536", ":-1", "localhost:80", "::1:80",
                                "[127.0.0.1]:80", "127.1:80"}) {
            expectError(cat("listen = ", bad, "\n"), "f:1: listen = ");
        }
    }

    void tlsListeners() {
        const std::string text =
            "listen = :80\nlisten = [::1]:443\t tls\ntls_certificate = /c.pem\n"
            "tls_key = /k.pem\ntls_client_ca = /a.pem\n";
        const Config config = parseConfig(text, "f");
        CPPUNIT_ASSERT(!config.listen.at(0).tls && config.listen.at(1).tls);
        CPPUNIT_ASSERT(config.speaksTls());
        // Sockets are kept over a reload by their text, whatever is spoken there.
        CPPUNIT_ASSERT_EQUAL(std::string("[::1]:443"), config.listen[1].text);
        CPPUNIT_ASSERT_EQUAL(std::string("/c.pem"), config.tlsCertificate);
        CPPUNIT_ASSERT_EQUAL(std::string("/k.pem"), config.tlsKey);
        CPPUNIT_ASSERT_EQUAL(std::string("/a.pem"), config.tlsClientCa);
        CPPUNIT_ASSERT(dumpConfig(config).find("listen = [::1]:443 tls\n") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(dumpConfig(config), dumpConfig(parseConfig(dumpConfig(config), "f")));
        CPPUNIT_ASSERT(!defaultConfig().speaksTls());
        for (const char* bad : {"tls", ":1 TLS", ":1 ssl", ":1 tls tls", ":1 tls x", "tls :1"}) {
            expectError(cat("listen = ", bad, "\n"), "f:1: listen = ");
        }
        for (const char* key : {"tls_certificate", "tls_key", "tls_client_ca"}) {
            expectError(cat(key, " = c.pem\n"), cat("f:1: ", key, " = c.pem: an absolute path"));
        }
    }

    void tlsNeedsCertificateAndKey() {
        const std::string certificate = "tls_certificate = /c.pem\n";
        const std::string key = "tls_key = /k.pem\n";
        expectError("listen = :1\nlisten = :2 tls\nlisten = :3 tls\n" + key,
                    "f:2: tls needs tls_certificate");
        expectError(certificate + "listen = :1 tls\n[upstream a.test]\n", "f:2: tls needs tls_key");
        // In any order, and harmless where nobody asks for it.
        CPPUNIT_ASSERT(parseConfig(key + "listen = :1 tls\n" + certificate, "f").speaksTls());
        CPPUNIT_ASSERT(!parseConfig(certificate, "f").speaksTls());
    }

    void wordsBehindTheAddress() {
        const Config config = parseConfig(
            "listen = :1\nlisten = [::1]:2 \t proxy_protocol\nlisten = unix:/run/a proxy_protocol\n"
            "listen = /run/b\ntrusted_proxies = ::1\n", "f");
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, config.listen.size());
        CPPUNIT_ASSERT(!config.listen[0].proxyProtocol && config.listen[1].proxyProtocol);
        CPPUNIT_ASSERT_EQUAL(std::string("[::1]:2"), config.listen[1].text);
        CPPUNIT_ASSERT_EQUAL(2, config.listen[1].line);
        CPPUNIT_ASSERT_EQUAL(std::string("/run/a"), config.listen[2].path);
        CPPUNIT_ASSERT(config.listen[2].proxyProtocol);
        CPPUNIT_ASSERT_EQUAL(std::string("/run/b"), config.listen[3].path);
        const std::string dump = dumpConfig(config);
        CPPUNIT_ASSERT_MESSAGE(dump, startsWith(dump, "listen = :1\nlisten = [::1]:2 proxy_protocol\n"
                                                      "listen = unix:/run/a proxy_protocol\n"
                                                      "listen = /run/b\n"));
        CPPUNIT_ASSERT_EQUAL(dump, dumpConfig(parseConfig(dump, "f")));
        for (const char* bad : {":1 proxy", ":1 proxy_protocol proxy_protocol", "proxy_protocol :1",
                                "unix:run/a", "unix:/run/a b", "proxy_protocol"}) {
            expectError(cat("trusted_proxies = ::1\nlisten = ", bad, "\n"), "f:2: listen = ");
        }
    }

    void proxyProtocolNeedsSomebodyToTrust() {
        expectError("listen = :1\nlisten = :2 proxy_protocol\nworkers = 1\n",
                    "f:2: proxy_protocol needs trusted_proxies");
        expectError("listen = :2 proxy_protocol\ntrusted_proxies = none\n", "f:1: proxy_protocol");
        CPPUNIT_ASSERT_EQUAL(std::string(), errorOf("listen = unix:/a proxy_protocol\n"));
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             errorOf("listen = :2 proxy_protocol\ntrusted_proxies = 10.0.0.0/8\n"));
    }

    void limits() {
        const Config usual = defaultConfig();
        CPPUNIT_ASSERT(usual.headerTimeout == Millis{10'000});
        CPPUNIT_ASSERT(usual.keepaliveTimeout == Millis{30'000});
        CPPUNIT_ASSERT(usual.writeTimeout == Millis{15'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1024}, usual.minRate);
        CPPUNIT_ASSERT(!usual.maxConnections && !usual.maxConnectionsPerClient);
        CPPUNIT_ASSERT(usual.trustedProxies.empty());
        const std::string text =
            "trusted_proxies = 10.0.0.0/8 fd00::/8 192.0.2.1/32\nheader_timeout = 1s\n"
            "keepalive_timeout = 1d\nwrite_timeout = 2min\nmin_rate = 0\nmax_connections = 1\n"
            "max_connections_per_client = off\n";
        const Config config = parseConfig(text, "f");
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, config.trustedProxies.size());
        CPPUNIT_ASSERT(config.headerTimeout == Millis{1'000});
        CPPUNIT_ASSERT(config.keepaliveTimeout == Millis{86'400'000});
        CPPUNIT_ASSERT(config.writeTimeout == Millis{120'000});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, config.minRate);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, *config.maxConnections);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, *config.maxConnectionsPerClient);
        for (std::string_view line : split(text, '\n')) {
            const std::string dump = dumpConfig(config);
            CPPUNIT_ASSERT_MESSAGE(dump, dump.find(cat(line, "\n")) != std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{9}, *parseConfig("max_connections_per_client = 9\n", "f")
                                                  .maxConnectionsPerClient);
    }

    void badLimits() {
        for (const char* line :
             {"trusted_proxies = all", "trusted_proxies = 10.0.0.1/8", "trusted_proxies = none ::1",
              "header_timeout = 999ms", "header_timeout = 0", "header_timeout = 25h",
              "keepalive_timeout = never", "write_timeout = 30", "min_rate = 2G", "min_rate = off",
              "max_connections = 0", "max_connections = off", "max_connections = 1000001",
              "max_connections_per_client = 0", "max_connections_per_client = 1 2"}) {
            expectError(cat(line, "\n"), "f:1: ");
        }
    }

    void adminAddress() {
        const std::string longest = "/" + std::string(106, 'a');
        CPPUNIT_ASSERT(parseConfig("admin_listen = off\n", "f").adminListen.empty());
        const ListenAddress inet = parseConfig("admin_listen = [::1]:9\n", "f").adminListen.at(0);
        CPPUNIT_ASSERT(inet.address->text() == "::1" && inet.port == 9 && inet.path.empty());
        for (const std::string& path : {std::string("/run/a b.sock"), longest}) {
            for (const char* scheme : {"unix:", ""}) {
                const Config config = parseConfig(cat("admin_listen = ", scheme, path, "\n"), "f");
                CPPUNIT_ASSERT_EQUAL(path, config.adminListen.at(0).path);
                CPPUNIT_ASSERT_EQUAL(cat(scheme, path), config.adminListen.at(0).text);
                CPPUNIT_ASSERT_EQUAL(dumpConfig(config),
                                     dumpConfig(parseConfig(dumpConfig(config), "f")));
            }
        }
        for (const std::string& bad : {std::string("unix:run/a"), std::string("9180"),
                                       std::string("host:1"), longest + "a", std::string("Off")}) {
            expectError(cat("admin_listen = ", bad, "\n"), "f:1: admin_listen = ");
        }
        expectError("admin_listen = :1\nadmin_listen = :2\n", "f:2: admin_listen is set already");
    }

    void allowListMayBeEmpty() {
        const Config config = parseConfig("allow_upstreams = none\n", "f");
        CPPUNIT_ASSERT(config.allowUpstreams.empty());
        CPPUNIT_ASSERT(parseConfig(dumpConfig(config), "f").allowUpstreams.empty());
    }

    void urls() {
        const auto url = [](const std::string& text) {
            return parseConfig("[upstream a.test]\nurl = " + text + "\n", "f").upstreams[0]
                .urls[0].text();
        };
        CPPUNIT_ASSERT_EQUAL(std::string("https://a.test"), url("https://A.test:443/"));
        CPPUNIT_ASSERT_EQUAL(std::string("http://a.test:443"), url("http://a.test:443"));
        CPPUNIT_ASSERT_EQUAL(std::string("http://[::1]:5000"), url("http://[::1]:5000"));
        for (const char* bad : {"a.test", "ftp://a", "https://", "https://a/b", "https://u@a",
                                "https://a?b", "https://a:0", "https://a b"}) {
            expectError(cat("[upstream a.test]\nurl = ", bad, "\n"), "f:2: url = ");
        }
    }

    void namesAreCanonical() {
        const Config config = parseConfig("[upstream Index.Docker.IO]\n[upstream a.test:5000]\n",
                                          "f");
        CPPUNIT_ASSERT_EQUAL(std::string("docker.io"), config.upstreams[0].name);
        CPPUNIT_ASSERT_EQUAL(std::string("https://registry-1.docker.io"),
                             config.upstreams[0].urls[0].text());
        CPPUNIT_ASSERT_EQUAL(std::string("https://a.test:5000"),
                             config.upstreams[1].urls[0].text());
    }

    void unknownKeysNameTheLine() {
        expectError("\nlisen = :1\n", "f:2: unknown key \"lisen\" (did you mean listen?)");
        expectError("xyzzy = 1\n", "f:1: unknown key \"xyzzy\"");
        CPPUNIT_ASSERT(errorOf("xyzzy = 1\n").find("mean") == std::string::npos);
        expectError("url = http://a\n", "f:1: unknown key");            // belongs in a section
        expectError("[upstream a.b]\nworkers = 1\n", "f:2: unknown key");  // and this does not
    }

    void badValuesNameTheLine() {
        for (const char* line : {"cache_dir = relative", "durability = maybe", "workers = 0", "workers = 33",
                                 "workers = many", "log = relative", "log_level = loud",
                                 "access_log = relative", "access_log_format = xml",
                                 "log = off", "user = no-such-user",
                                 "user = -1", "user = 4294967295", "group = no-such-group",
                                 "follow_after = 2", "follow_after = soon",
                                 "unverified_ranges = yes", "allow_upstreams = docker.io localhost",
                                 "allow_upstreams = 10.0.0.1", "allow_upstreams = a.b:5000",
                                 "allow_upstreams = *x", "allow_upstreams = * ghcr.io",
                                 "follow_after = 200000000000d"}) {
            expectError(cat("\n\n", line, "\n"), "f:3: ");
        }
        expectError("workers =\n", "f:1: a value is missing");
        expectError(std::string("log = /a\x01") + "b\n", "f:1: control character");
        expectError(std::string("log = /a\x7f") + "b\n", "f:1: control character");
    }

    void badUpstreamValuesNameTheLine() {
        for (const char* line : {"aliases = A/b", "public = maybe", "allow_addresses = 10.0.0.1/8",
                                 "allow_addresses = all", "ca_file = ca.pem"}) {
            expectError(cat("[upstream a.test]\n", line, "\n"), "f:2: ");
        }
    }

    void repeatedKeysNameBothLines() {
        expectError("workers = 1\nworkers = 2\n", "f:2: workers is set already in line 1");
        expectError("[upstream a.b]\npublic = no\npublic = no\n", "f:3: public is set already");
        CPPUNIT_ASSERT_EQUAL(std::string(),
                             errorOf("[upstream a.b]\npublic = no\n[upstream c.d]\npublic = no\n"));
    }

    void repeatedUpstreamsAreRefused() {
        expectError("[upstream a.b]\n[upstream A.b]\n", "f:2: a.b is an upstream already");
        expectError("[upstream docker.io]\n[upstream index.docker.io]\n", "f:2: docker.io is");
        expectError("[upstream a.b]\naliases = c\n[upstream d.e]\naliases = c\n", "f:4: c is");
        expectError("[upstream a.b]\naliases = c.d\n[upstream c.d]\n", "f:3: c.d is");
    }

    void brokenLines() {
        expectError("listen\n", "f:1: \"listen\" is neither");
        expectError("[upstream]\n", "f:1: a section");
        expectError("[upstream a b]\n", "f:1: a section");
        expectError("[upstream a.b\n", "f:1: a section");
        expectError("[other a.b]\n", "f:1: a section");
        expectError("[upstream a_b]\n", "f:1: \"a_b\" is no registry name");
    }

    void messagesArePrintable() {
        for (const char* line : {"x\x1b[2J", "x\xff = 1", "workers = \xff", "listen = \xff:1",
                                 "allow_upstreams = \xff", "[upstream \xff]",
                                 "[upstream a.b]\naliases = \xff",
                                 "[upstream a.b]\nallow_addresses = \xff"}) {
            const std::string error = errorOf(line);
            CPPUNIT_ASSERT_MESSAGE(line, !error.empty());
            CPPUNIT_ASSERT_MESSAGE(error, isPrintable(error));
        }
    }

    void dumpIsReadBack() {
        const std::string text =
            "listen = [::1]:2\nlisten = :3\nfollow_after = 1500ms\ndurability = none\n"
            "[upstream a.test]\n"
            "url = http://127.0.0.1:5\naliases = x y\nallow_addresses = 10.0.0.0/8\n"
            "ca_file = /ca\npublic = yes\n[upstream b.test]\n";
        const std::string dump = dumpConfig(parseConfig(text, "f"));
        CPPUNIT_ASSERT_EQUAL(dump, dumpConfig(parseConfig(dump, "f")));
        for (const char* line : {"listen = [::1]:2\nlisten = :3\n", "durability = none\n", "follow_after = 1500ms\n",
                                 "[upstream b.test]\nurl = https://b.test\n"}) {
            CPPUNIT_ASSERT_MESSAGE(dump, dump.find(line) != std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(dumpConfig(defaultConfig()),
                             dumpConfig(parseConfig(dumpConfig(defaultConfig()), "f")));
    }

    void missingFileIsSaid() {
        CPPUNIT_ASSERT_THROW(loadConfig("/nonexistent/ociproxy.conf"), SysError);
    }

    void workerCountIsBounded() {
        Config config = defaultConfig();
        CPPUNIT_ASSERT(config.workerCount() >= 1 && config.workerCount() <= 32);
        config.workers = 5;
        CPPUNIT_ASSERT_EQUAL(5u, config.workerCount());
    }

    void whatCannotChangeWhileItRunsStays() {
        const Config running = parseConfig("cache_dir = /a\npid_file = off\n", "f");
        Config fresh = parseConfig("cache_dir = /b\npid_file = /p\nworkers = 3\n", "f");
        const std::vector<std::string> said = keepFixedParams(running, &fresh);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, said.size());
        CPPUNIT_ASSERT_EQUAL(std::string("cache_dir = /b needs a restart; /a stays"), said[0]);
        CPPUNIT_ASSERT_EQUAL(std::string("/a"), fresh.cacheDir);
        CPPUNIT_ASSERT_EQUAL(std::string("off"), fresh.pidFile);
        CPPUNIT_ASSERT_EQUAL(3u, fresh.workerCount());
    }

    void whatMayChangeDoes() {
        const Config running = defaultConfig();
        Config fresh = parseConfig("listen = :1\nlog_level = debug\ndrain_timeout = 90s\n", "f");
        const std::string wanted = dumpConfig(fresh);
        CPPUNIT_ASSERT(keepFixedParams(running, &fresh).empty());
        CPPUNIT_ASSERT_EQUAL(wanted, dumpConfig(fresh));
    }

    void sampleIsValidAndComplete() {
        std::string active;
        const std::string sample = sampleConfig();
        for (std::string_view line : split(sample, '\n')) {
            const bool setting = startsWith(line, "#") && !startsWith(line, "# ");
            if (setting && !endsWith(line, "=")) active += cat(line.substr(1), "\n");
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), errorOf(active));
        for (const Param& param : allParams()) {
            CPPUNIT_ASSERT_MESSAGE(param.name, sampleConfig().find(cat("\n#", param.name, " =")) !=
                                                   std::string::npos);
        }
    }

    void installedSampleIsTheSample() {
        const char* given = std::getenv("OCIPROXY_SRCDIR");
        const std::string here = __FILE__;
        const std::string source =
            given ? given : here.substr(0, here.rfind("tests/unit/")) + ".";
        const std::string path = source + "/etc/ociproxy.conf.in";
        const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        CPPUNIT_ASSERT_MESSAGE(path, file.valid());
        std::string installed = readAll(file.get(), 100'000, path);
        const std::string ours = "cache_dir = @LOCALSTATEDIR@/cache/ociproxy";
        const std::size_t at = installed.find(ours);
        CPPUNIT_ASSERT(at != std::string::npos);
        installed.replace(at, ours.size(), "#cache_dir = /tmp/cache/oci");
        CPPUNIT_ASSERT_EQUAL(sampleConfig(), installed);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConfigTest);

}  // namespace
}  // namespace ociproxy
