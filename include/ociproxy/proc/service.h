#ifndef OCIPROXY_PROC_SERVICE_H
#define OCIPROXY_PROC_SERVICE_H

namespace ociproxy {

struct Config;
class ProcessTitle;

// Serves as `config` says until told to stop; returns the exit status. Becomes the
// master process. Throws FatalError with the status that fits: EX_UNAVAILABLE (an
// address cannot be had), EX_CANTCREAT (cache or log), EX_OSERR, EX_CONFIG.
// REQUIRES: takeOverSignals(), and no thread.
int runService(const Config& config, ProcessTitle* title);

}  // namespace ociproxy

#endif
