#include "ociproxy/proc/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <optional>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/account.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "proc/capabilities.h"
#include "proc/instrumented.h"

namespace ociproxy {

namespace {

constexpr uid_t kRoot = 0;
constexpr uid_t kUnchanged = static_cast<uid_t>(-1);

UserAccount configuredUser(const std::string& name) {
    std::optional<UserAccount> found = findUser(name);
    if (!found) throw FatalError(EX_CONFIG, cat("user = ", name, ": there is no such account"));
    return *found;
}

UserAccount defaultUser() {
    for (const char* name : {"ociproxy", "nobody"}) {
        if (std::optional<UserAccount> found = findUser(name)) return *found;
    }
    throw FatalError(EX_CONFIG, "started as root, and there is neither an account ociproxy nor "
                                "nobody to go on as: set user");
}

gid_t groupFor(const UserAccount& account, const std::string& group) {
    if (!group.empty()) {
        std::optional<GroupAccount> found = findGroup(group);
        if (found) return found->gid;
        throw FatalError(EX_CONFIG, cat("group = ", group, ": there is no such group"));
    }
    if (account.group) return *account.group;
    throw FatalError(EX_CONFIG,
                     cat("user = ", account.name, " has no account and so no group: set group"));
}

Identity chooseForRoot(const std::string& user, const std::string& group) {
    UserAccount account = user.empty() ? defaultUser() : configuredUser(user);
    if (account.uid == kRoot && !group.empty()) {
        throw FatalError(EX_CONFIG, cat("group = ", group, " has no effect with user = ",
                                        account.name, ": remove one of them"));
    }
    return Identity{account.uid, groupFor(account, group)};
}

// Only root has a choice.
[[noreturn]] void refuseOther(const std::string& key, const std::string& wanted,
                              const std::string& ours) {
    throw FatalError(EX_NOPERM, cat(key, " = ", wanted, ", but the proxy was started by ", ours,
                                    ", and only root can become somebody else: start it as root "
                                    "or as ", wanted, ", or remove ", key));
}

[[noreturn]] void refuse(const std::string& step, const Identity& identity) {
    const std::string reason = errnoText(errno);
    throw FatalError(EX_OSERR, cat("cannot become ", identity.text(), ": ", step, ": ", reason,
                                   "; start the proxy as that user, or set user = root where root "
                                   "has no power anyway, as in some containers"));
}

bool holdsBindCapability() {
    return (ownCapabilities().permitted & capabilityBit(CAP_NET_BIND_SERVICE)) != 0;
}

void changeIds(const Identity& identity) {
    // Whoever is not root keeps its further groups: it could not give them up.
    if (::geteuid() == kRoot && ::setgroups(1, &identity.gid) != 0) refuse("setgroups", identity);
    const gid_t gid = identity.gid;
    if (::setresgid(gid, gid, gid) != 0) refuse("setresgid", identity);
    const uid_t uid = identity.uid;
    if (::setresuid(uid, uid, uid) != 0) refuse("setresuid", identity);
}

void reduceCapabilities() {
    Capabilities kept;
    if (holdsBindCapability()) kept.permitted = capabilityBit(CAP_NET_BIND_SERVICE);
    kept.effective = kept.permitted;
    setOwnCapabilities(kept);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

bool isWholly(const Identity& identity) {
    uid_t uids[3] = {};
    gid_t gids[3] = {};
    ::getresuid(&uids[0], &uids[1], &uids[2]);
    ::getresgid(&gids[0], &gids[1], &gids[2]);
    for (unsigned i = 0; i < 3; ++i) {
        if (uids[i] != identity.uid || gids[i] != identity.gid) return false;
    }
    return true;
}

// Whether one of the ways that must be closed now is open.
bool canReturn(const Identity& identity) {
    if (::setresuid(kUnchanged, kRoot, kUnchanged) == 0 || ::setuid(kRoot) == 0) return true;
    if (identity.gid != 0 && ::setresgid(kUnchanged, 0, kUnchanged) == 0) return true;
    Capabilities now = ownCapabilities();
    const std::uint64_t bind = capabilityBit(CAP_NET_BIND_SERVICE);
    return ((now.permitted | now.effective | now.inheritable) & ~bind) != 0;
}

void leaveRoot(const Identity& identity) {
    emptyBoundingSet();
    // Else the change of user would take the one that is to stay.
    ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    changeIds(identity);
    reduceCapabilities();
    ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (isWholly(identity) && !canReturn(identity)) return;
    throw FatalError(EX_OSERR, cat("after becoming ", identity.text(), " there is still a way "
                                   "back to more privileges: not started"));
}

void setSoftLimit(decltype(RLIMIT_CORE) resource, bool highest) noexcept {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return;
    limit.rlim_cur = highest ? limit.rlim_max : 0;
    ::setrlimit(resource, &limit);
}

}  // namespace

std::string Identity::text() const {
    return cat("user ", userName(uid), ", group ", groupName(gid));
}

Identity ownIdentity() noexcept { return Identity{::geteuid(), ::getegid()}; }

Identity chooseIdentity(const std::string& user, const std::string& group,
                        const Identity& starter) {
    if (starter.uid == kRoot) {
        Identity chosen = chooseForRoot(user, group);
        return chosen.uid == kRoot ? starter : chosen;
    }
    if (!user.empty() && configuredUser(user).uid != starter.uid) {
        refuseOther("user", user, userName(starter.uid));
    }
    std::optional<GroupAccount> wanted = group.empty() ? std::nullopt : findGroup(group);
    if (!group.empty() && (!wanted || wanted->gid != starter.gid)) {
        refuseOther("group", group, cat("group ", groupName(starter.gid)));
    }
    return starter;
}

void limitProcess() noexcept {
    ::umask(077);
    // Every client and every upstream is a descriptor.
    setSoftLimit(RLIMIT_NOFILE, true);
    // It would hold tokens and what is private.
    setSoftLimit(RLIMIT_CORE, false);
}

void assumeIdentity(const Identity& identity) {
    orFailWith(EX_OSERR, [&] {
        if (identity.uid != kRoot) leaveRoot(identity);
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throwErrno("PR_SET_NO_NEW_PRIVS");
        if (::prctl(PR_SET_DUMPABLE, kSanitized ? 1 : 0, 0, 0, 0) != 0) {
            throwErrno("PR_SET_DUMPABLE");
        }
    });
}

void dropCapabilities() noexcept {
    if (::geteuid() == kRoot) return;
    try {
        setOwnCapabilities(Capabilities{});
    } catch (const SysError&) {
        // Giving up what one has is always permitted.
        OCIPROXY_ASSERT(false);
    }
}

void requireOwnDirectory(const std::string& key, const std::string& file) {
    const std::size_t slash = file.rfind('/');
    if (::geteuid() != kRoot || slash == std::string::npos) return;
    const std::string directory = slash == 0 ? "/" : file.substr(0, slash);
    struct stat status = {};
    // One that is missing is told by whoever opens the file.
    if (::stat(directory.c_str(), &status) != 0 || status.st_uid == kRoot) return;
    throw FatalError(EX_CONFIG,
                     cat(key, " = ", file, " lies in a directory of ", userName(status.st_uid),
                         ", where root opens nothing: remove user = root, or choose another file"));
}

void logIdentity(Log& log, const Identity& identity) {
    if (identity.uid == kRoot) {
        log.warning("running as root, because user = root: a fault in a worker is a fault in all "
                    "of the system; set user to an account of its own");
    } else {
        log.info(cat("running as ", identity.text()));
    }
}

}  // namespace ociproxy
