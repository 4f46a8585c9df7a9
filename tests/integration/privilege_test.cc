// What the processes of the proxy may still do, as /proc tells it, and that they serve.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>

#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "integration/integration_test.h"

#include "integration/proc_view.h"
#include "ociproxy/base/account.h"
#include "ociproxy/base/fd.h"
#include "support/runner.h"
#include "support/test_certificates.h"

namespace ociproxy::itest {

namespace {

namespace fs = std::filesystem;

constexpr int kNoPermission = 77;  // EX_NOPERM
constexpr int kCannotCreate = 73;  // EX_CANTCREAT

// The value of a line "Name:\tvalue" of /proc/PID/status.
std::string statusField(pid_t pid, const std::string& name) {
    for (const std::string& line : linesOf(readFile(cat("/proc/", pid, "/status")))) {
        if (startsWith(line, cat(name, ":"))) {
            return std::string(trim(std::string_view(line).substr(name.size() + 1)));
        }
    }
    return "(absent)";
}

void assertField(pid_t pid, const std::string& name, const std::string& expected) {
    CPPUNIT_ASSERT_EQUAL_MESSAGE(cat(name, " of ", titleOf(pid)), expected,
                                 statusField(pid, name));
}

std::string fourTimes(id_t id) { return cat(id, "\t", id, "\t", id, "\t", id); }

// Soft and hard limit of open files are the same.
void assertHighestFileLimit(pid_t pid) {
    for (const std::string& line : linesOf(readFile(cat("/proc/", pid, "/limits")))) {
        if (!startsWith(line, "Max open files")) continue;
        const std::vector<std::string_view> parts = words(line);
        CPPUNIT_ASSERT_MESSAGE(line, parts.size() >= 5 && parts[3] == parts[4]);
        return;
    }
    CPPUNIT_FAIL(cat("no limits of ", pid));
}

// A port that only root may bind, or one with CAP_NET_BIND_SERVICE; 0 if all are taken.
std::uint16_t freePrivilegedPort() {
    for (std::uint16_t port = 1023; port > 600; --port) {
        const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* any = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(probe.get(), any, sizeof address) == 0) return port;
    }
    return 0;
}

}  // namespace

class PrivilegeTest : public IntegrationTest {
    CPPUNIT_TEST_SUITE(PrivilegeTest);
    OCIPROXY_INTEGRATION_TEST(rootBecomesNobody);
    OCIPROXY_INTEGRATION_TEST(privilegedPort);
    OCIPROXY_INTEGRATION_TEST(rootReadsTheKeyOnce);
    OCIPROXY_INTEGRATION_TEST(aNewWorkerIsNobodyToo);
    OCIPROXY_INTEGRATION_TEST(rootBecomesSomebodyByDefault);
    OCIPROXY_INTEGRATION_TEST(rootMayStayRoot);
    OCIPROXY_INTEGRATION_TEST(anybodyMayRunIt);
    OCIPROXY_INTEGRATION_TEST(weMayRunIt);
    OCIPROXY_INTEGRATION_TEST(onlyRootBecomesSomebodyElse);
    OCIPROXY_INTEGRATION_TEST(absentAccountIsAnErrorWithLine);
    OCIPROXY_INTEGRATION_TEST(foreignCacheIsRefused);
    OCIPROXY_INTEGRATION_TEST(missingCacheUnderForeignDirectoryIsRefused);
    OCIPROXY_INTEGRATION_TEST(rootLogsToNoForeignDirectory);
    CPPUNIT_TEST_SUITE_END();

public:
    void rootBecomesNobody() {
        startAsNobody();
        assertAllAre(nobody_, "0000000000000000");
        pull();
        assertCacheBelongsTo(nobody_);
        assertContains(proxy().log(), "running as user nobody, group ");
        const std::vector<pid_t> children = proxy().children("ociproxy: ");
        CPPUNIT_ASSERT_EQUAL(0, proxy().stop());
        for (pid_t child : children) CPPUNIT_ASSERT(isGone(child));
    }

    void privilegedPort() {
        requireNobody();
        const std::uint16_t port = freePrivilegedPort();
        if (port == 0) skipTest("all ports below 1024 are in use");
        startAsNobody(cat("listen = 127.0.0.1:", port, "\n"));
        assertServed(fetch(port, "/v2/"), "{}");
        assertServed(get("/v2/"), "{}");
    }

    // At the start; a reload needs a key that the proxy itself may read.
    void rootReadsTheKeyOnce() {
        requireNobody();
        const TestAuthority authority;
        const TempRoot keys;
        const TestAuthority::Identity identity = authority.issueServer("IP:127.0.0.1");
        const std::string key = keys.file("key");
        writeFile(keys.file("cert"), identity.certificate);
        writeFile(key, identity.key);
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(keys.file("cert").c_str(), 0644));
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(key.c_str(), 0600));
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(keys.path().c_str(), 0711));
        startAsNobody(cat("listen = 127.0.0.1:0 tls\ntls_certificate = ", keys.file("cert"),
                          "\ntls_key = ", key, "\n"));
        const std::string refused = proxy().refusedReload();
        assertContains(refused, cat("tls_key ", key, ": cannot be read by user nobody"));
        assertContains(refused, "only a start by root reads it as root");
        CPPUNIT_ASSERT_EQUAL(0, ::chown(key.c_str(), 0, nobody_.gid));
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(key.c_str(), 0640));
        proxy().reload();
        assertServed(get("/v2/"), "{}");
    }

    void aNewWorkerIsNobodyToo() {
        startAsNobody();
        const std::vector<pid_t> before = proxy().workers();
        for (pid_t worker : before) ::kill(worker, SIGKILL);
        await("new workers", [&] {
            const std::vector<pid_t> now = proxy().workers();
            return now.size() == before.size() && std::none_of(now.begin(), now.end(),
                [&](pid_t pid) { return std::count(before.begin(), before.end(), pid) > 0; });
        });
        await("they serve", [&] { return get("/v2/").status == 200; });
        assertAllAre(nobody_, "0000000000000000");
    }

    void rootBecomesSomebodyByDefault() {
        requireNobody();
        const std::optional<UserAccount> own = findUser("ociproxy");
        startAs(own && own->group ? Starter{own->uid, *own->group} : nobody_, "user = auto\n");
        assertAllAre(own && own->group ? Starter{own->uid, *own->group} : nobody_,
                     "0000000000000000");
        pull();
    }

    void rootMayStayRoot() {
        requireNobody();
        startProxy();
        assertContains(proxy().log(), "warning");
        assertContains(proxy().log(), "running as root");
        for (pid_t pid : processes()) {
            assertField(pid, "Uid", fourTimes(0));
            assertField(pid, "CapEff", statusField(::getpid(), "CapEff"));
            assertField(pid, "NoNewPrivs", "1");
            assertField(pid, "Umask", "0077");
        }
        pull();
    }

    void anybodyMayRunIt() {
        requireNobody();
        makeProxyFor(nobody_, "user = nobody\n");
        proxy().startAs(nobody_);
        proxy().start();
        assertAllAre(nobody_, statusField(proxy().master(), "CapBnd"), "");
        pull();
        assertCacheBelongsTo(nobody_);
    }

    void weMayRunIt() {
        if (::geteuid() == 0) skipTest("for those who are not root; anybodyMayRunIt is for root");
        startProxy();
        for (pid_t pid : processes()) {
            assertField(pid, "Uid", fourTimes(::getuid()));
            assertField(pid, "NoNewPrivs", "1");
            assertField(pid, "CapPrm", "0000000000000000");
            assertField(pid, "Umask", "0077");
            assertHighestFileLimit(pid);
        }
        pull();
    }

    void onlyRootBecomesSomebodyElse() {
        const bool root = ::geteuid() == 0;
        if (root) requireNobody();
        makeProxyFor(root ? nobody_ : Starter{::getuid(), ::getgid()}, "user = root\n");
        if (root) proxy().startAs(nobody_);
        assertEnds(kNoPermission, {"user = root", userName(root ? nobody_.uid : ::getuid()),
                                   "only root"});
        CPPUNIT_ASSERT(fs::is_empty(proxy().store().directory()));
    }

    void absentAccountIsAnErrorWithLine() {
        TempRoot root;
        writeFile(root.file("x.conf"), "workers = 1\nuser = no-such-account\n");
        const Finished finished = runProxy({"-t", "-c", root.file("x.conf")});
        CPPUNIT_ASSERT_EQUAL(78, finished.status);
        assertContains(finished.err, "x.conf:2: user = no-such-account: there is no such account");
    }

    void foreignCacheIsRefused() {
        requireNobody();
        makeProxyFor(nobody_, "user = nobody\n");
        const std::string& cache = proxy().store().directory();
        CPPUNIT_ASSERT_EQUAL(0, ::chown(cache.c_str(), 0, 0));
        assertEnds(kCannotCreate, {cache, "belongs to another user (root, we are nobody)",
                                   cat("install -d -o nobody -m 700 ", cache)});
        CPPUNIT_ASSERT(fs::is_empty(cache));
    }

    void missingCacheUnderForeignDirectoryIsRefused() {
        requireNobody();
        makeProxyFor(nobody_, "user = nobody\n");
        const std::string& cache = proxy().store().directory();
        CPPUNIT_ASSERT(fs::remove(cache));
        assertEnds(kCannotCreate, {cat("cache directory ", cache, " is missing"),
                                   cat("install -d -o nobody -m 700 ", cache)});
        CPPUNIT_ASSERT(!exists(cache));
    }

    void rootLogsToNoForeignDirectory() {
        requireNobody();
        makeProxy({1, "", "", ""});
        CPPUNIT_ASSERT_EQUAL(0, ::chown(proxy().root().path().c_str(), nobody_.uid, nobody_.gid));
        assertEnds(78, {"access_log = ", "a directory of nobody"});
        CPPUNIT_ASSERT(!exists(proxy().root().file("access.log")));
    }

private:
    void requireNobody() {
        if (::geteuid() != 0) skipTest("only root can become somebody else");
        const std::optional<UserAccount> found = findUser("nobody");
        if (!found || !found->group) skipTest("there is no account nobody");
        nobody_ = Starter{found->uid, *found->group};
    }

    // A proxy that does not run yet, with cache and access log for `whom`.
    void makeProxyFor(const Starter& whom, const std::string& global) {
        makeProxy({2, global, "", ""});
        const std::string& root = proxy().root().path();
        const std::string log = proxy().root().file("access.log");
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(root.c_str(), 0711));
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(proxy().configurationFile().c_str(), 0644));
        fs::create_directory(proxy().store().directory());
        writeFile(log, "");
        for (const std::string& path : {proxy().store().directory(), log}) {
            CPPUNIT_ASSERT_EQUAL(0, ::chown(path.c_str(), whom.uid, whom.gid));
        }
        requireReach(whom, root);
    }

    // As far down as the temporary files of the tests are the way must be open.
    void requireReach(const Starter& whom, const std::string& directory) {
        if (::geteuid() != 0) return;
        fs::path at = directory;
        for (; at != at.root_path(); at = at.parent_path()) {
            struct stat status = {};
            CPPUNIT_ASSERT_EQUAL(0, ::stat(at.c_str(), &status));
            if (status.st_uid == whom.uid || (status.st_mode & S_IXOTH) != 0) continue;
            skipTest(cat(at.string(), " is closed to others"));
        }
    }

    void startAs(const Starter& whom, const std::string& global) {
        makeProxyFor(whom, global);
        proxy().start();
    }

    void startAsNobody(const std::string& more = {}) {
        requireNobody();
        startAs(nobody_, cat("user = nobody\n", more));
    }

    std::vector<pid_t> processes() {
        std::vector<pid_t> all = proxy().children("ociproxy: ");
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, all.size());  // two workers, janitor
        all.push_back(proxy().master());
        return all;
    }

    // Everybody is `whom` and nothing else, and only the master may bind.
    void assertAllAre(const Starter& whom, const std::string& bounding,
                      const std::string& mastersCapability = kBind) {
        const std::string none = "0000000000000000";
        for (pid_t pid : processes()) {
            const bool mayBind = pid == proxy().master() && !mastersCapability.empty();
            assertField(pid, "Uid", fourTimes(whom.uid));
            assertField(pid, "Gid", fourTimes(whom.gid));
            assertField(pid, "Groups", mastersCapability.empty() ? "" : cat(whom.gid));
            assertField(pid, "NoNewPrivs", "1");
            assertField(pid, "CapInh", none);
            assertField(pid, "CapPrm", mayBind ? kBind : none);
            assertField(pid, "CapEff", mayBind ? kBind : none);
            assertField(pid, "CapBnd", bounding);
            assertField(pid, "CapAmb", none);
            assertField(pid, "Umask", "0077");
            assertHighestFileLimit(pid);
            assertNotDumpable(pid);
        }
    }

    // What a process that is not dumpable has in /proc belongs to root.
    static void assertNotDumpable(pid_t pid) {
        if (underSanitizer()) return;
        struct stat status = {};
        CPPUNIT_ASSERT_EQUAL(0, ::stat(cat("/proc/", pid, "/mem").c_str(), &status));
        CPPUNIT_ASSERT_EQUAL_MESSAGE(titleOf(pid), uid_t{0}, status.st_uid);
    }

    void pull() {
        const std::string bytes = randomBytes(300 * kKiB);
        const std::string digest = up().addBlob("a", bytes);
        assertServed(get(blob("a", digest)), bytes);
        awaitStored(digest);
        assertServed(get(blob("a", digest)), bytes);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, up().blobGets(digest));
    }

    void assertCacheBelongsTo(const Starter& whom) {
        const fs::path cache = proxy().store().directory();
        unsigned files = 0;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(cache)) {
            struct stat status = {};
            CPPUNIT_ASSERT_EQUAL(0, ::lstat(entry.path().c_str(), &status));
            const bool directory = S_ISDIR(status.st_mode);
            files += directory ? 0 : 1;
            CPPUNIT_ASSERT_EQUAL_MESSAGE(entry.path(), whom.uid, status.st_uid);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(entry.path(), whom.gid, status.st_gid);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(entry.path(), directory ? 0700u : 0600u,
                                         status.st_mode & 07777u);
        }
        CPPUNIT_ASSERT(files >= 4);  // lock, version, the blob and its metadata
    }

    // The start fails with `status`, says `parts` and leaves nobody behind.
    void assertEnds(int status, const std::vector<std::string>& parts) {
        CPPUNIT_ASSERT_EQUAL_MESSAGE(proxy().log(), status, proxy().startInVain());
        for (const std::string& part : parts) assertContains(proxy().log(), part);
    }

    static constexpr const char* kBind = "0000000000000400";
    Starter nobody_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(PrivilegeTest);

}  // namespace ociproxy::itest
