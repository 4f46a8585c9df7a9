#ifndef OCIPROXY_PROC_SERVICE_H
#define OCIPROXY_PROC_SERVICE_H

namespace ociproxy {

struct CommandLine;
struct Config;
class ProcessTitle;

// For "ociproxy -t": reads the files that the configuration names and that are read before
// anything is done. Throws ConfigError, and FatalError when there is no such user.
void checkFiles(const Config& config);

// Serves as `config` says until told to stop; returns the exit status. Becomes the
// master process; with line.daemon one that has left its terminal. Started as root it
// leaves root's rights once the addresses are bound (proc/privileges.h). A reload reads
// the configuration of `line` again. Throws FatalError with the status that fits:
// EX_UNAVAILABLE (an address cannot be had, or it runs already), EX_CANTCREAT (cache,
// log or pid file), EX_NOPERM (not root, but is to become somebody), EX_OSERR,
// EX_CONFIG. A daemon says on stderr what fails before it serves, and returns the status.
// REQUIRES: takeOverSignals(), and no thread.
int runService(const CommandLine& line, const Config& config, ProcessTitle* title);

}  // namespace ociproxy

#endif
