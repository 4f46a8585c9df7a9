#include "proc/tls_files.h"

#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "support/runner.h"
#include "support/test_certificates.h"

namespace ociproxy {

class TlsFilesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TlsFilesTest);
    CPPUNIT_TEST(nothingIsReadWithoutTls);
    CPPUNIT_TEST(filesAreRead);
    CPPUNIT_TEST(failuresNameTheFile);
    CPPUNIT_TEST(keyMustBeKeptFromOthers);
    CPPUNIT_TEST(groupOfTheProxyMayReadRootsKey);
    CPPUNIT_TEST(aFifoIsNotWaitedFor);
    CPPUNIT_TEST(secretsDiffer);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        char name[] = "/tmp/ociproxy-tls-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(name));
        directory_ = name;
        const TestAuthority::Identity identity = authority_.issueServer("IP:127.0.0.1");
        config_ = parseConfig(cat("listen = :1 tls\ntls_certificate = ", directory_,
                                  "/cert\ntls_key = ", directory_, "/key\n"), "/x.conf");
        write("cert", identity.certificate, 0644);
        write("key", identity.key, 0600);
    }
    void tearDown() override {
        for (const char* name : {"cert", "key", "ca"}) ::unlink(path(name).c_str());
        ::rmdir(directory_.c_str());
    }

    void nothingIsReadWithoutTls() {
        config_.listen[0].tls = false;
        config_.tlsKey = "/nonexistent";
        CPPUNIT_ASSERT(!loadTls(config_, ownIdentity(), TlsServer::TicketSecret()));
    }

    void filesAreRead() {
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal());
        config_.tlsClientCa = path("ca");
        write("ca", authority_.pem(), 0644);
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal());
    }

    void failuresNameTheFile() {
        config_.tlsClientCa = path("ca");
        CPPUNIT_ASSERT_EQUAL(
            cat("/x.conf: tls_client_ca ", path("ca"), ": cannot be read by ",
                ownIdentity().text(), ": No such file or directory"), refusal());
        write("ca", "", 0644);
        CPPUNIT_ASSERT(startsWith(refusal(), cat("/x.conf: tls_client_ca ", path("ca"), ": ")));
        config_.tlsClientCa.clear();
        write("key", "", 0600);
        CPPUNIT_ASSERT(startsWith(refusal(), cat("/x.conf: tls_key ", path("key"), ": ")));
        write("key", authority_.issueServer("IP:127.0.0.1").key, 0600);
        CPPUNIT_ASSERT_EQUAL(cat("/x.conf: tls_key ", path("key"), ": it is not the key of "
                                 "/x.conf: tls_certificate ", path("cert")), refusal());
        ::unlink(path("cert").c_str());
        CPPUNIT_ASSERT(startsWith(refusal(), cat("/x.conf: tls_certificate ", path("cert"),
                                                 ": cannot be read")));
    }

    void keyMustBeKeptFromOthers() {
        for (mode_t mode : {0604, 0602, 0601, 0660, 0620, 0644, 0666}) {
            CPPUNIT_ASSERT_EQUAL(0, ::chmod(path("key").c_str(), mode));
            CPPUNIT_ASSERT(refusal().find("others can read or change it") != std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(path("key").c_str(), 0400));
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal());
    }

    void groupOfTheProxyMayReadRootsKey() {
        if (::geteuid() != 0) skipTest("only root can give files away");
        const Identity proxy{4711, 4712};
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(path("key").c_str(), 0640));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path("key").c_str(), 0, 4712));
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(proxy));
        CPPUNIT_ASSERT(!refusal(Identity{4711, 4713}).empty());
        // The proxy's own, but not with a group; and never a third one's.
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path("key").c_str(), 4711, 4712));
        CPPUNIT_ASSERT(!refusal(proxy).empty());
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(path("key").c_str(), 0600));
        CPPUNIT_ASSERT_EQUAL(std::string(), refusal(proxy));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path("key").c_str(), 4713, 4712));
        CPPUNIT_ASSERT(!refusal(proxy).empty());
    }

    void aFifoIsNotWaitedFor() {
        ::unlink(path("cert").c_str());
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(path("cert").c_str(), 0600));
        CPPUNIT_ASSERT(!refusal().empty());
    }

    void secretsDiffer() {
        CPPUNIT_ASSERT(newTicketSecret() != newTicketSecret());
        CPPUNIT_ASSERT(newTicketSecret() != TlsServer::TicketSecret());
    }

private:
    std::string path(const std::string& name) const { return directory_ + "/" + name; }

    void write(const std::string& name, const std::string& text, mode_t mode) const {
        std::FILE* const file = std::fopen(path(name).c_str(), "w");
        CPPUNIT_ASSERT(file);
        std::fwrite(text.data(), 1, text.size(), file);
        std::fclose(file);
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(path(name).c_str(), mode));
    }

    // Why the files are refused; empty: they are not.
    std::string refusal() const { return refusal(ownIdentity()); }
    std::string refusal(const Identity& owner) const {
        try {
            CPPUNIT_ASSERT(loadTls(config_, owner, TlsServer::TicketSecret()));
        } catch (const ConfigError& e) {
            return e.what();
        }
        return "";
    }

    TestAuthority authority_;
    std::string directory_;
    Config config_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(TlsFilesTest);

}  // namespace ociproxy
