#include "proc/confinement.h"

#include <cstdlib>
#include <memory>
#include <sys/stat.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/upstream/trust_store.h"
#include "proc/instrumented.h"

namespace ociproxy {

namespace {

// Of the resolver (the C library may load modules for it), time zones, TLS, and of
// /proc and /sys what the C library asks about this machine and process.
const char* const kReadable[] = {
    "/etc", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/run/systemd/resolve",
    "/run/nscd", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates", "/var/lib/ca-certificates", "/proc",
    "/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/null"};

std::string directoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Never "/", which would be everything.
void addDirectoryOf(const std::string& path, PathAccess access, std::vector<PathRule>* rules) {
    const std::string directory = directoryOf(path);
    rules->push_back(PathRule{directory.empty() ? path : directory, access});
}

bool isRegularOrMissing(const std::string& path) noexcept {
    struct stat status = {};
    return ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
}

void addLog(const std::string& path, std::vector<PathRule>* rules) {
    if (!startsWith(path, "/")) return;  // stderr and the like are open already
    if (isRegularOrMissing(path)) {
        addDirectoryOf(path, PathAccess::kChange, rules);
    } else {
        rules->push_back(PathRule{path, PathAccess::kWrite});
    }
}

// Where a link leads that whoever manages the resolver replaces with what it leads to.
void addResolverFile(std::vector<PathRule>* rules) {
    std::unique_ptr<char, decltype(&std::free)> real(::realpath("/etc/resolv.conf", nullptr),
                                                     &std::free);
    if (real) addDirectoryOf(real.get(), PathAccess::kRead, rules);
}

void confine(const Config& config, Log& log) {
    int abi = landlockAbi();
    if (abi < kLeastLandlockAbi) return;  // the master has said so
    restrictToRules(confinementRules(config), abi);
    log.debug(cat("confined by Landlock ABI ", abi));
}

}  // namespace

std::vector<PathRule> confinementRules(const Config& config) {
    std::vector<PathRule> rules;
    rules.push_back(PathRule{config.cacheDir, PathAccess::kChange});
    addLog(config.log, &rules);
    addLog(config.accessLog, &rules);
    for (const char* path : kReadable) rules.push_back(PathRule{path, PathAccess::kRead});
    rules.push_back(PathRule{"/dev/null", PathAccess::kWrite});
    addResolverFile(&rules);
    for (std::string& path : trustStorePaths()) {
        rules.push_back(PathRule{std::move(path), PathAccess::kRead});
    }
    for (const UpstreamConfig& upstream : config.upstreams) {
        if (upstream.caFile.empty()) continue;
        rules.push_back(PathRule{upstream.caFile, PathAccess::kRead});
    }
    return rules;
}

void confineChild(const Config& config, Log& log) noexcept {
    if (kSanitized || kCoverage) return;
    try {
        confine(config, log);
    } catch (const std::exception& e) {
        log.warning(cat("not confined by Landlock: ", e.what()));
    }
}

void logConfinement(Log& log) {
    int abi = landlockAbi();
    if (kSanitized || kCoverage) {
        log.info("built for tests: Landlock is not used, reports could not be written");
    } else if (abi >= kLeastLandlockAbi) {
        log.info(cat("Landlock ABI ", abi, " confines workers and janitor"));
    } else if (abi > 0) {
        log.info("Landlock ABI 1 of this kernel forbids what the cache needs: not confined");
    } else if (abi == 0) {
        log.info("this kernel has no Landlock: not confined");
    } else {
        log.warning(cat("Landlock cannot be used: ", errnoText(-abi), ": not confined"));
    }
}

}  // namespace ociproxy
