// Landlock (landlock(7)): what a process may still do with files, decided by itself.
#ifndef OCIPROXY_SRC_PROC_LANDLOCK_H
#define OCIPROXY_SRC_PROC_LANDLOCK_H

#include <cstdint>
#include <string>
#include <vector>

namespace ociproxy {

enum class PathAccess : std::uint8_t {
    kRead,    // files, and the names in directories
    kWrite,   // existing files, devices included
    kChange,  // all of it, and files and directories come, go and move
};

// For one file, or a directory with all below it.
struct PathRule {
    std::string path;
    PathAccess access = PathAccess::kRead;
};

// The version of Landlock that the running kernel has: 1 or more; 0 if it has none;
// negative: minus the errno with which it refuses to say.
int landlockAbi() noexcept;

// Version 1 forbids every rename from one directory to another, which a store needs.
constexpr int kLeastLandlockAbi = 2;

// The rights (LANDLOCK_ACCESS_FS_...) that `access` gives in version `abi`, and those
// that are withheld where no rule gives them: all that the version knows of those that
// we know. What only directories have is left out for others.
std::uint64_t landlockRights(PathAccess access, int abi, bool directory) noexcept;
std::uint64_t landlockHandled(int abi) noexcept;

// From here on this thread, and whom it starts, may do with files what `rules` say and
// nothing else; nothing may be executed. What is open stays usable as it was. Rules for
// what does not exist or cannot be reached are left out. Throws SysError; then nothing
// has changed. REQUIRES: one thread, NO_NEW_PRIVS, landlockAbi() >= kLeastLandlockAbi.
void restrictToRules(const std::vector<PathRule>& rules, int abi);

}  // namespace ociproxy

#endif
