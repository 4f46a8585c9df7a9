// What a confined child may do with files, and what it may not.
#include "proc/landlock.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/upstream/trust_store.h"
#include "proc/confinement.h"
#include "proc/instrumented.h"
#include "support/child_process.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kRefer = 1ull << 13;
constexpr std::uint64_t kTruncate = 1ull << 14;
constexpr std::uint64_t kIoctlDevice = 1ull << 15;

int abiOrSkip() {
    int abi = landlockAbi();
    if (abi < kLeastLandlockAbi) skipTest(cat("this kernel has Landlock ABI ", abi));
    return abi;
}

bool has(const std::vector<PathRule>& rules, const std::string& path, PathAccess access) {
    return std::any_of(rules.begin(), rules.end(), [&](const PathRule& rule) {
        return rule.path == path && rule.access == access;
    });
}

void assertHas(const std::vector<PathRule>& rules, const std::string& path, PathAccess access) {
    CPPUNIT_ASSERT_MESSAGE("no rule for " + path, has(rules, path, access));
}

// 0, or the errno with which opening fails.
int opening(const std::string& path, int flags) {
    Fd file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    return file ? 0 : errno;
}

void confineTo(const std::vector<PathRule>& rules, int abi) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    restrictToRules(rules, abi);
}

}  // namespace

class LandlockTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LandlockTest);
    CPPUNIT_TEST(rightsAreThoseThatTheVersionKnows);
    CPPUNIT_TEST(filesGetNoRightsOfDirectories);
    CPPUNIT_TEST(rulesFollowTheConfiguration);
    CPPUNIT_TEST(logsThatAreNoFiles);
    CPPUNIT_TEST(noRuleIsForAll);
    CPPUNIT_TEST(trustStoreFollowsTheEnvironment);
    CPPUNIT_TEST(theCacheCanBeChanged);
    CPPUNIT_TEST(readableIsNotWritable);
    CPPUNIT_TEST(theRestIsOutOfReach);
    CPPUNIT_TEST(nothingIsExecuted);
    CPPUNIT_TEST(absentPathsAreLeftOut);
    CPPUNIT_TEST(aChildOfTheProxyIsConfined);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        root_ = std::make_unique<ScratchDirectory>();
        for (const char* name : {"in", "read", "out"}) {
            CPPUNIT_ASSERT_EQUAL(0, ::mkdir(root_->file(name).c_str(), 0700));
            writeFile(root_->file(cat(name, "/file")), "text");
        }
    }
    void tearDown() override { root_.reset(); }

    void rightsAreThoseThatTheVersionKnows() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0x1fff}, landlockHandled(1));
        CPPUNIT_ASSERT_EQUAL(landlockHandled(1) | kRefer, landlockHandled(2));
        CPPUNIT_ASSERT_EQUAL(landlockHandled(2) | kTruncate, landlockHandled(3));
        CPPUNIT_ASSERT_EQUAL(landlockHandled(3), landlockHandled(4));
        CPPUNIT_ASSERT_EQUAL(landlockHandled(4) | kIoctlDevice, landlockHandled(5));
        CPPUNIT_ASSERT_EQUAL(landlockHandled(5), landlockHandled(99));
        for (int abi : {1, 2, 3, 5, 99}) {
            for (PathAccess access : {PathAccess::kRead, PathAccess::kWrite, PathAccess::kChange}) {
                const std::uint64_t rights = landlockRights(access, abi, true);
                CPPUNIT_ASSERT(rights != 0 && (rights & ~landlockHandled(abi)) == 0);
                CPPUNIT_ASSERT((rights & LANDLOCK_ACCESS_FS_EXECUTE) == 0);
            }
        }
    }

    void filesGetNoRightsOfDirectories() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{LANDLOCK_ACCESS_FS_READ_FILE},
                             landlockRights(PathAccess::kRead, 99, false));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{LANDLOCK_ACCESS_FS_WRITE_FILE} | kTruncate,
                             landlockRights(PathAccess::kWrite, 99, false));
    }

    void rulesFollowTheConfiguration() {
        Config config = defaultConfig();
        config.cacheDir = "/c/d";
        config.log = "/l/log";
        config.accessLog = "/a/log";
        UpstreamConfig upstream;
        upstream.caFile = "/ca/file.pem";
        config.upstreams = {upstream, UpstreamConfig{}};
        const std::vector<PathRule> rules = confinementRules(config);
        assertHas(rules, "/c/d", PathAccess::kChange);
        assertHas(rules, "/l", PathAccess::kChange);
        assertHas(rules, "/a", PathAccess::kChange);
        assertHas(rules, "/ca/file.pem", PathAccess::kRead);
        for (const char* path : {"/etc", "/proc", "/usr/lib", "/usr/share/zoneinfo"}) {
            assertHas(rules, path, PathAccess::kRead);
        }
        for (const std::string& path : trustStorePaths()) assertHas(rules, path, PathAccess::kRead);
        const auto changes = [](const PathRule& rule) { return rule.access == PathAccess::kChange; };
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{3}, std::count_if(rules.begin(), rules.end(), changes));
    }

    void logsThatAreNoFiles() {
        Config config = defaultConfig();  // stderr
        const std::size_t before = confinementRules(config).size();
        config.accessLog = "off";
        CPPUNIT_ASSERT_EQUAL(before, confinementRules(config).size());
        const std::string fifo = root_->file("fifo");
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(fifo.c_str(), 0600));
        config.log = fifo;
        config.accessLog = "/dev/full";
        assertHas(confinementRules(config), fifo, PathAccess::kWrite);
        assertHas(confinementRules(config), "/dev/full", PathAccess::kWrite);
    }

    void noRuleIsForAll() {
        Config config = defaultConfig();
        config.log = "/ociproxy.log";
        for (const PathRule& rule : confinementRules(config)) {
            CPPUNIT_ASSERT(rule.path != "/" && !rule.path.empty());
        }
        assertHas(confinementRules(config), "/ociproxy.log", PathAccess::kChange);
    }

    void trustStoreFollowsTheEnvironment() {
        inChild([] {
            ::setenv("SSL_CERT_DIR", "/x:/y", 1);
            ::setenv("SSL_CERT_FILE", "/z.pem", 1);
            const std::vector<std::string> paths = trustStorePaths();
            for (const char* path : {"/x", "/y", "/z.pem"}) {
                check(std::count(paths.begin(), paths.end(), path) == 1, path);
            }
        });
    }

    void theCacheCanBeChanged() {
        int abi = abiOrSkip();
        inChild([&] {
            confineTo({{root_->file("in"), PathAccess::kChange}}, abi);
            const std::string sub = root_->file("in/sub");
            check(::mkdir(sub.c_str(), 0700) == 0, "mkdir");
            check(opening(sub + "/new", O_RDWR | O_CREAT | O_EXCL) == 0, "create");
            check(opening(sub + "/new", O_RDWR | O_TRUNC) == 0, "truncate");
            check(::rename((sub + "/new").c_str(), root_->file("in/moved").c_str()) == 0, "move");
            check(::link(root_->file("in/moved").c_str(), (sub + "/linked").c_str()) == 0, "link");
            check(opening(root_->file("in"), O_RDONLY | O_DIRECTORY) == 0, "list");
            check(::unlink((sub + "/linked").c_str()) == 0 && ::rmdir(sub.c_str()) == 0, "remove");
        });
    }

    void readableIsNotWritable() {
        int abi = abiOrSkip();
        inChild([&] {
            confineTo({{root_->file("read"), PathAccess::kRead}}, abi);
            check(opening(root_->file("read/file"), O_RDONLY) == 0, "read");
            check(opening(root_->file("read"), O_RDONLY | O_DIRECTORY) == 0, "list");
            check(opening(root_->file("read/file"), O_WRONLY) == EACCES, "write");
            check(opening(root_->file("read/new"), O_WRONLY | O_CREAT) == EACCES, "create");
            check(::unlink(root_->file("read/file").c_str()) != 0, "remove");
        });
    }

    void theRestIsOutOfReach() {
        int abi = abiOrSkip();
        inChild([&] {
            Fd open(::open(root_->file("out/file").c_str(), O_RDWR | O_CLOEXEC));
            confineTo({{root_->file("in"), PathAccess::kChange}}, abi);
            check(opening(root_->file("out/file"), O_RDONLY) == EACCES, "read");
            check(opening(root_->file("out/file"), O_WRONLY) == EACCES, "write");
            check(opening(root_->file("out"), O_RDONLY | O_DIRECTORY) == EACCES, "list");
            check(opening(root_->file("out/new"), O_WRONLY | O_CREAT) == EACCES, "create");
            check(opening("/etc/passwd", O_RDONLY) == EACCES, "/etc");
            const std::string moved = root_->file("out/moved");
            check(::rename(root_->file("in/file").c_str(), moved.c_str()) != 0, "move out");
            check(::write(open.get(), "x", 1) == 1, "what was open");
        });
    }

    void nothingIsExecuted() {
        int abi = abiOrSkip();
        inChild([&] {
            Config config = defaultConfig();
            config.cacheDir = root_->file("in");
            std::vector<PathRule> rules = confinementRules(config);
            rules.push_back({"/bin", PathAccess::kRead});
            rules.push_back({"/usr/bin", PathAccess::kRead});
            confineTo(rules, abi);
            check(opening("/bin/true", O_RDONLY) == 0, "read");
            ::execl("/bin/true", "true", static_cast<char*>(nullptr));
            check(errno == EACCES, "execute");
        });
    }

    void absentPathsAreLeftOut() {
        int abi = abiOrSkip();
        inChild([&] {
            confineTo({{root_->file("absent"), PathAccess::kRead},
                       {root_->file("read"), PathAccess::kRead}}, abi);
            check(opening(root_->file("read/file"), O_RDONLY) == 0, "read");
        });
    }

    void aChildOfTheProxyIsConfined() {
        if (kSanitized || kCoverage) skipTest("Landlock is not used in builds for tests");
        abiOrSkip();
        inChild([&] {
            Config config = defaultConfig();
            config.cacheDir = root_->file("in");
            config.log = root_->file("in/log");
            Log log("off", LogLevel::kError);
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            confineChild(config, log);
            check(opening(root_->file("in/new"), O_WRONLY | O_CREAT) == 0, "cache");
            check(opening("/etc/passwd", O_RDONLY) == 0, "/etc");
            check(opening("/etc/passwd", O_WRONLY) == EACCES, "write below /etc");
            check(opening("/proc/self/status", O_RDONLY) == 0, "/proc");
            check(opening("/dev/null", O_RDWR) == 0, "/dev/null");
            check(opening(root_->file("out/file"), O_RDONLY) == EACCES, "elsewhere");
            check(opening("/root", O_RDONLY | O_DIRECTORY) == EACCES, "/root");
        });
    }

private:
    std::unique_ptr<ScratchDirectory> root_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(LandlockTest);

}  // namespace ociproxy
