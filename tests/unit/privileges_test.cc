// Who the proxy becomes, and that it cannot come back.
#include "ociproxy/proc/privileges.h"

#include <csignal>
#include <functional>
#include <grp.h>
#include <linux/capability.h>
#include <memory>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include "ociproxy/base/account.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "proc/capabilities.h"
#include "proc/instrumented.h"
#include "support/child_process.h"
#include "support/runner.h"
#include "support/store_fixture.h"

namespace ociproxy {

namespace {

constexpr Identity kRoot{0, 0};
constexpr Identity kSomebody{4711, 4712};  // without an account on any machine we know

// What choosing fails with; status 0 when it does not.
FatalError refusal(const std::string& user, const std::string& group, const Identity& starter) {
    try {
        chooseIdentity(user, group, starter);
    } catch (const FatalError& e) {
        return e;
    }
    return FatalError(0, "");
}

void assertRefused(int status, const std::vector<std::string>& parts, const FatalError& failure) {
    const std::string text = failure.what();
    CPPUNIT_ASSERT_EQUAL_MESSAGE(text, status, failure.status());
    for (const std::string& part : parts) {
        CPPUNIT_ASSERT_MESSAGE(text + " lacks " + part, text.find(part) != std::string::npos);
    }
}

void assertSame(const Identity& expected, const Identity& identity) {
    CPPUNIT_ASSERT_EQUAL(expected.uid, identity.uid);
    CPPUNIT_ASSERT_EQUAL(expected.gid, identity.gid);
}

UserAccount nobody() {
    std::optional<UserAccount> found = findUser("nobody");
    if (!found || !found->group || found->uid == 0) skipTest("there is no account nobody");
    return *found;
}

void requireRoot() {
    if (::geteuid() != 0) skipTest("only root can become somebody else");
}

}  // namespace

class PrivilegesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PrivilegesTest);
    CPPUNIT_TEST(usersAreFoundByNameAndNumber);
    CPPUNIT_TEST(groupsAreFoundByNameAndNumber);
    CPPUNIT_TEST(absentAccountsAreNotFound);
    CPPUNIT_TEST(rootBecomesWhoIsNamed);
    CPPUNIT_TEST(rootBecomesSomebodyByDefault);
    CPPUNIT_TEST(rootMayStayRoot);
    CPPUNIT_TEST(anybodyElseStaysWhoHeIs);
    CPPUNIT_TEST(anybodyElseCannotBecomeAnother);
    CPPUNIT_TEST(numbersWithoutAccountNeedAGroup);
    CPPUNIT_TEST(absentAccountsAreSaid);
    CPPUNIT_TEST(limitsAreSet);
    CPPUNIT_TEST(whatRootGivesUpIsGone);
    CPPUNIT_TEST(oneCapabilityStaysForTheMaster);
    CPPUNIT_TEST(anybodyIsHardened);
    CPPUNIT_TEST(rootStaysWhole);
    CPPUNIT_TEST(failureToChangeIsSaid);
    CPPUNIT_TEST(rootOpensNothingInForeignDirectories);
    CPPUNIT_TEST_SUITE_END();

public:
    void usersAreFoundByNameAndNumber() {
        std::optional<UserAccount> root = findUser("root");
        CPPUNIT_ASSERT(root && root->uid == 0 && root->group == gid_t{0});
        CPPUNIT_ASSERT_EQUAL(std::string("root"), findUser("0")->name);
        std::optional<UserAccount> bare = findUser("4711");
        CPPUNIT_ASSERT(bare && bare->uid == 4711);
        CPPUNIT_ASSERT_EQUAL(std::string("4711"), bare->name);
        CPPUNIT_ASSERT(!bare->group);
        CPPUNIT_ASSERT_EQUAL(std::string("root"), userName(0));
        CPPUNIT_ASSERT_EQUAL(std::string("4711"), userName(4711));
    }

    void groupsAreFoundByNameAndNumber() {
        std::optional<GroupAccount> root = findGroup("root");
        CPPUNIT_ASSERT(root && root->gid == 0);
        CPPUNIT_ASSERT_EQUAL(std::string("root"), findGroup("0")->name);
        CPPUNIT_ASSERT_EQUAL(gid_t{4712}, findGroup("4712")->gid);
        CPPUNIT_ASSERT_EQUAL(std::string("4712"), groupName(4712));
    }

    void absentAccountsAreNotFound() {
        for (const char* text : {"no-such-account", "", "-1", "1x", "4294967295", "99999999999"}) {
            CPPUNIT_ASSERT_MESSAGE(text, !findUser(text));
            CPPUNIT_ASSERT_MESSAGE(text, !findGroup(text));
        }
    }

    void rootBecomesWhoIsNamed() {
        UserAccount account = nobody();
        assertSame(Identity{account.uid, *account.group}, chooseIdentity("nobody", "", kRoot));
        assertSame(Identity{account.uid, 4712}, chooseIdentity("nobody", "4712", kRoot));
        assertSame(kSomebody, chooseIdentity("4711", "4712", kRoot));
    }

    void rootBecomesSomebodyByDefault() {
        std::optional<UserAccount> own = findUser("ociproxy");
        UserAccount expected = own ? *own : nobody();
        assertSame(Identity{expected.uid, *expected.group}, chooseIdentity("", "", kRoot));
        assertSame(Identity{expected.uid, 4712}, chooseIdentity("", "4712", kRoot));
    }

    void rootMayStayRoot() {
        assertSame(Identity{0, 7}, chooseIdentity("root", "", Identity{0, 7}));
        assertSame(kRoot, chooseIdentity("0", "", kRoot));
        assertRefused(EX_CONFIG, {"group = 4712", "user = root"}, refusal("root", "4712", kRoot));
    }

    void anybodyElseStaysWhoHeIs() {
        assertSame(kSomebody, chooseIdentity("", "", kSomebody));
        assertSame(kSomebody, chooseIdentity("4711", "", kSomebody));
        assertSame(kSomebody, chooseIdentity("4711", "4712", kSomebody));
        assertSame(kSomebody, chooseIdentity("", "4712", kSomebody));
    }

    void anybodyElseCannotBecomeAnother() {
        assertRefused(EX_NOPERM, {"user = root", "by 4711", "only root"},
                      refusal("root", "", kSomebody));
        assertRefused(EX_NOPERM, {"user = 4710", "by 4711"}, refusal("4710", "", kSomebody));
        assertRefused(EX_NOPERM, {"group = 4711", "by group 4712"},
                      refusal("4711", "4711", kSomebody));
    }

    void numbersWithoutAccountNeedAGroup() {
        assertRefused(EX_CONFIG, {"user = 4711", "set group"}, refusal("4711", "", kRoot));
    }

    // Gone since the configuration was read.
    void absentAccountsAreSaid() {
        assertRefused(EX_CONFIG, {"user = no-such-account", "no such account"},
                      refusal("no-such-account", "", kRoot));
        assertRefused(EX_CONFIG, {"no-such-account"}, refusal("no-such-account", "", kSomebody));
        assertRefused(EX_CONFIG, {"group = no-such-group"},
                      refusal("4711", "no-such-group", kRoot));
    }

    void limitsAreSet() {
        inChild([] {
            rlimit few{64, 128};
            ::setrlimit(RLIMIT_NOFILE, &few);
            limitProcess();
            rlimit files{}, core{};
            ::getrlimit(RLIMIT_NOFILE, &files);
            ::getrlimit(RLIMIT_CORE, &core);
            check(files.rlim_cur == 128 && files.rlim_max == 128, "descriptors");
            check(core.rlim_cur == 0, "core");
            check(::umask(0) == 077, "umask");
        });
    }

    void whatRootGivesUpIsGone() {
        requireRoot();
        UserAccount account = nobody();
        inChild([&] {
            Identity identity{account.uid, *account.group};
            assumeIdentity(identity);
            dropCapabilities();
            uid_t r, e, s;
            gid_t rg, eg, sg;
            ::getresuid(&r, &e, &s);
            ::getresgid(&rg, &eg, &sg);
            check(r == identity.uid && e == r && s == r, "uid");
            check(rg == identity.gid && eg == rg && sg == rg, "gid");
            gid_t groups[8] = {};
            check(::getgroups(8, groups) == 1 && groups[0] == identity.gid, "groups");
            check(::setuid(0) != 0 && ::seteuid(0) != 0 && ::setgid(0) != 0, "way back");
            Capabilities own = ownCapabilities();
            check((own.permitted | own.effective | own.inheritable) == 0, "capabilities");
            check(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no new privileges");
            check(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == (kSanitized ? 1 : 0), "dumpable");
        });
    }

    void oneCapabilityStaysForTheMaster() {
        requireRoot();
        UserAccount account = nobody();
        const std::uint64_t bind = capabilityBit(CAP_NET_BIND_SERVICE);
        const std::uint64_t had = ownCapabilities().permitted & bind;
        inChild([&] {
            assumeIdentity(Identity{account.uid, *account.group});
            Capabilities own = ownCapabilities();
            check(own.permitted == had && own.effective == had && own.inheritable == 0,
                  "only the one");
            const int bound = ::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0);
            check(bound == 0, "bounding set");
        });
    }

    void anybodyIsHardened() {
        inChild([] {
            if (::geteuid() == 0) assumeIdentity(kSomebody);
            assumeIdentity(ownIdentity());
            check(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no new privileges");
            check(::setuid(0) != 0, "way back");
        });
    }

    void rootStaysWhole() {
        requireRoot();
        const std::uint64_t before = ownCapabilities().permitted;
        inChild([before] {
            assumeIdentity(ownIdentity());
            dropCapabilities();
            check(::geteuid() == 0, "uid");
            check(ownCapabilities().permitted == before, "capabilities");
            check(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no new privileges");
        });
    }

    // As in a container whose root may not do that.
    void failureToChangeIsSaid() {
        requireRoot();
#if defined(__SANITIZE_THREAD__)
        skipTest("without capabilities the run-time library of TSan ends the child");
#endif
        inChild([] {
            setOwnCapabilities(Capabilities{});
            try {
                assumeIdentity(kSomebody);
            } catch (const FatalError& e) {
                const std::string text = e.what();
                check(e.status() == EX_OSERR, "status");
                check(text.find("user 4711, group 4712") != std::string::npos, "who");
                check(text.find("user = root") != std::string::npos, "next step");
                return;
            }
            check(false, "an exception");
        });
    }

    void rootOpensNothingInForeignDirectories() {
        requireRoot();
        ScratchDirectory ours;
        requireOwnDirectory("log", ours.file("x.log"));
        requireOwnDirectory("log", "stderr");
        requireOwnDirectory("log", "/x.log");
        CPPUNIT_ASSERT_EQUAL(0, ::chown(ours.path().c_str(), 4711, 4712));
        try {
            requireOwnDirectory("log", ours.file("x.log"));
            CPPUNIT_FAIL("accepted");
        } catch (const FatalError& e) {
            assertRefused(EX_CONFIG, {"log = " + ours.file("x.log"), "4711", "user = root"}, e);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PrivilegesTest);

}  // namespace ociproxy
