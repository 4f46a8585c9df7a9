// What operators do to a cache by hand, whether a proxy runs on it or not.
#ifndef OCIPROXY_PROC_STORE_COMMANDS_H
#define OCIPROXY_PROC_STORE_COMMANDS_H

#include <optional>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

struct CommandLine;
struct Config;

// Beside EX_OK: nothing was found to purge, or something to be repaired.
constexpr int kExitFound = 1;

// The bodies of `ociproxy purge` and `ociproxy verify`: exit statuses of the process.
// Started by root they become the user of the configuration first. They write to stdout,
// progress to stderr where that is a terminal. Throw FatalError, and what the store throws.
int runPurge(const CommandLine& line, const Config& config);
int runVerify(const CommandLine& line, const Config& config);

// What a word of purge names.
struct PurgeTarget {
    std::optional<Digest> digest;
    std::optional<RepositoryKey> where;  // nullopt: the digest in all repositories
    std::string tag;
};
// DIGEST, or REGISTRY/REPOSITORY[:TAG|@DIGEST], REGISTRY being also an alias of a section.
// Throws FatalError (EX_USAGE).
PurgeTarget parsePurgeTarget(const std::string& word, const Config& config);

}  // namespace ociproxy

#endif
