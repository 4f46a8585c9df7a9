#include "proc/landlock.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

namespace {

// The same on all architectures; headers may be older than the kernel.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint64_t kRefer = 1ull << 13;
constexpr std::uint64_t kTruncate = 1ull << 14;
constexpr std::uint64_t kIoctlDevice = 1ull << 15;

constexpr std::uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriting = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kChanging = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                    LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                    LANDLOCK_ACCESS_FS_REMOVE_DIR | kRefer;
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                   LANDLOCK_ACCESS_FS_READ_FILE | kTruncate | kIoctlDevice;
// All of version 1: bits 0 (EXECUTE) to 12 (MAKE_SYM).
constexpr std::uint64_t kFirstVersion = (1ull << 13) - 1;

std::uint64_t rightsOf(PathAccess access) noexcept {
    switch (access) {
        case PathAccess::kRead: return kReading;
        case PathAccess::kWrite: return kWriting;
        case PathAccess::kChange: break;
    }
    return kReading | kWriting | kChanging;
}

Fd makeRuleset(std::uint64_t handled) {
    landlock_ruleset_attr attributes = {};
    attributes.handled_access_fs = handled;
    Fd ruleset(static_cast<int>(::syscall(kCreateRuleset, &attributes, sizeof attributes, 0)));
    if (!ruleset) throwErrno("landlock_create_ruleset");
    return ruleset;
}

void addRule(const Fd& ruleset, const PathRule& rule, int abi) {
    Fd target(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
    struct stat status = {};
    if (!target || ::fstat(target.get(), &status) != 0) return;
    landlock_path_beneath_attr attributes = {};
    attributes.allowed_access = landlockRights(rule.access, abi, S_ISDIR(status.st_mode));
    attributes.parent_fd = target.get();
    if (::syscall(kAddRule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &attributes, 0) == 0) return;
    // Pipes and sockets behind /dev/stderr have no place in the tree, and no limits.
    if (errno != EBADFD) throwErrno("landlock_add_rule " + rule.path);
}

}  // namespace

int landlockAbi() noexcept {
    long abi = ::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= 0) return static_cast<int>(abi);
    // Not compiled in, or not switched on at boot.
    return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
}

std::uint64_t landlockHandled(int abi) noexcept {
    std::uint64_t handled = kFirstVersion;
    if (abi >= 2) handled |= kRefer;
    if (abi >= 3) handled |= kTruncate;
    if (abi >= 5) handled |= kIoctlDevice;
    return handled;
}

std::uint64_t landlockRights(PathAccess access, int abi, bool directory) noexcept {
    std::uint64_t rights = rightsOf(access) & landlockHandled(abi);
    return directory ? rights : rights & kOfFiles;
}

void restrictToRules(const std::vector<PathRule>& rules, int abi) {
    OCIPROXY_ASSERT(abi >= kLeastLandlockAbi);
    Fd ruleset = makeRuleset(landlockHandled(abi));
    for (const PathRule& rule : rules) addRule(ruleset, rule, abi);
    if (::syscall(kRestrictSelf, ruleset.get(), 0) != 0) throwErrno("landlock_restrict_self");
}

}  // namespace ociproxy
