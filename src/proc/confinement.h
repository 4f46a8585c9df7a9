#ifndef OCIPROXY_SRC_PROC_CONFINEMENT_H
#define OCIPROXY_SRC_PROC_CONFINEMENT_H

#include <vector>

#include "proc/landlock.h"

namespace ociproxy {

struct Config;
class Log;

// What a child needs of the file system: the cache and the directories of the logs to
// change (a rotated log is made anew), and to read what resolver, TLS and C library
// open in their own time. All of /etc: its files are replaced by rename, and a rule
// holds for a file, not for its name.
//
// The master is not confined: it reads the configuration, wherever that is, again.
std::vector<PathRule> confinementRules(const Config& config);

// Confines this child; what goes wrong is logged, and then it goes on as it is.
// REQUIRES: no thread yet.
void confineChild(const Config& config, Log& log) noexcept;

// Logs once, for the master, what confineChild() is going to do.
void logConfinement(Log& log);

}  // namespace ociproxy

#endif
