#include "ociproxy/proc/store_commands.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <signal.h>
#include <unistd.h>

#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/command_line.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/privileges.h"
#include "ociproxy/registry/pin.h"
#include "ociproxy/store/purge.h"
#include "ociproxy/store/verification.h"
#include "proc/progress_bar.h"

namespace ociproxy {

namespace {

// Commands end as other programs do when they are interrupted: nothing that they do needs
// to be finished.
void takeDefaultSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_UNBLOCK, &all, nullptr);
}

// What it opens belongs to the proxy's user, and what it makes has to.
void becomeOwner(const Config& config) {
    takeDefaultSignals();
    assumeIdentity(chooseIdentity(config.user, config.group, ownIdentity()));
}

[[noreturn]] void failWithoutCache(const Config& config) {
    throw FatalError(EX_NOINPUT, cat("there is no cache in ", config.cacheDir));
}

// "docker/alpine" is "docker.io/library/alpine" where a section has that alias.
std::string withoutAlias(const std::string& word, const Config& config) {
    const std::size_t slash = word.find('/');
    if (slash == std::string::npos) return word;
    const std::string first = word.substr(0, slash);
    for (const UpstreamConfig& section : config.upstreams) {
        const std::vector<std::string>& aliases = section.aliases;
        if (std::find(aliases.begin(), aliases.end(), first) == aliases.end()) continue;
        return section.name + word.substr(slash);
    }
    return word;
}

PurgeReport purgeOne(Purge* purge, const PurgeTarget& target) {
    if (!target.where) return purge->digest(*target.digest);
    if (target.digest) return purge->image(*target.where, *target.digest);
    if (!target.tag.empty()) return purge->tag(*target.where, target.tag);
    return purge->repository(*target.where);
}

std::string textOf(const PurgeReport& report) {
    if (report.nothing()) return "nothing found";
    std::string text = cat("removed ", report.tags, " tags, ", report.links, " links, ",
                           report.files, " files of ", report.bytes, " bytes");
    if (report.shared > 0) text += cat("; ", report.shared, " shared with other repositories");
    return text;
}

std::string jsonOf(const VerifyReport& report) {
    return cat("{\"files\":", report.files, ",\"bytes\":", report.bytes,
               ",\"damaged\":", report.damaged, ",\"orphans\":", report.orphans,
               ",\"removed\":", report.removed, ",\"foreign\":", report.foreign, "}");
}

std::string textOf(const VerifyReport& report, bool repair) {
    std::string text = cat("verified ", report.files, " files, ", report.bytes, " bytes: ",
                           report.damaged, " damaged",
                           repair && report.damaged > 0 ? " and set aside" : "", ", ",
                           report.orphans, " records without content");
    if (repair) text += cat(" (", report.removed, " removed)");
    return text + cat(", ", report.foreign, " foreign names");
}

void print(const std::string& line) {
    if (std::fprintf(stdout, "%s\n", line.c_str()) < 0 || std::fflush(stdout) != 0) {
        throw FatalError(EX_IOERR, "cannot write to stdout");
    }
}

}  // namespace

PurgeTarget parsePurgeTarget(const std::string& word, const Config& config) {
    PurgeTarget out;
    out.digest = Digest::parse(word);
    if (out.digest) return out;
    std::string problem;
    const std::optional<Pin> named = parsePin(withoutAlias(word, config), &problem);
    if (!named || (!named->tags.empty() && !named->namesOneTag())) {
        throw FatalError(EX_USAGE, cat("purge ", logEscape(word), ": a DIGEST or "
                                       "REGISTRY/REPOSITORY[:TAG|@DIGEST] is expected"));
    }
    out.where = RepositoryKey{named->registry, named->repository};
    out.digest = named->digest;
    out.tag = named->tags;
    return out;
}

int runPurge(const CommandLine& line, const Config& config) {
    std::vector<PurgeTarget> targets;  // all of them understood before one is removed
    for (const std::string& word : line.operands) {
        targets.push_back(parsePurgeTarget(word, config));
    }
    becomeOwner(config);
    const std::unique_ptr<Purge> purge =
        orFailWith(EX_NOPERM, [&] { return Purge::open(config.cacheDir); });
    if (!purge) failWithoutCache(config);
    bool any = false;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const PurgeReport report =
            orFailWith(EX_IOERR, [&] { return purgeOne(purge.get(), targets[i]); });
        any = any || !report.nothing();
        print(cat(line.operands[i], ": ", textOf(report)));
    }
    return any ? EX_OK : kExitFound;
}

int runVerify(const CommandLine& line, const Config& config) {
    becomeOwner(config);
    ProgressBar bar(::isatty(STDERR_FILENO) == 1);
    VerifyOptions options;
    options.directory = config.cacheDir;
    options.repair = line.repair;
    options.rate = line.rate;
    options.found = [&bar](const std::string& found) {
        bar.clear();
        std::fprintf(stderr, "%s\n", found.c_str());
    };
    options.progress = [&bar](std::uint64_t bytes, std::uint64_t total) {
        bar.show(bytes, total);
    };
    const std::optional<VerifyReport> report =
        orFailWith(EX_IOERR, [&] { return verifyStore(options); });
    bar.clear();
    if (!report) failWithoutCache(config);
    print(line.json ? jsonOf(*report) : textOf(*report, line.repair));
    return report->damaged > 0 && !line.repair ? kExitFound : EX_OK;
}

}  // namespace ociproxy
