#include "proc/estate.h"

#include <utility>

#include "ociproxy/base/text.h"
#include "ociproxy/proc/command_line.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/version.h"

namespace ociproxy {

namespace {

std::string destination(const std::string& log, bool stderrGone) {
    return stderrGone && log == "stderr" ? "syslog" : log;
}

}  // namespace

Estate::Estate(const Heritage& common, Config config, Listeners listeners,
               Listeners adminListeners, std::unique_ptr<TlsServer> tls, bool stderrGone)
    : config_(std::move(config)),
      listeners_(std::move(listeners)),
      adminListeners_(std::move(adminListeners)),
      tls_(std::move(tls)),
      heritage_(common) {
    config_.log = destination(config_.log, stderrGone);
    config_.accessLog = destination(config_.accessLog, stderrGone);
    LogFile::Options access;
    access.path = config_.accessLog;
    access.format = config_.accessLogFormat;
    orFailWith(EX_CANTCREAT, [&] {
        log_ = std::make_unique<Log>(config_.log, config_.logLevel);
        accessLog_ = std::make_unique<LogFile>(access);
    });
    heritage_.config = &config_;
    heritage_.listeners = &listeners_;
    heritage_.adminListeners = adminListeners_.empty() ? nullptr : &adminListeners_;
    heritage_.tls = tls_.get();
    heritage_.log = log_.get();
    heritage_.accessLog = accessLog_.get();
    heritage_.countLostRecords();
}

Generation Estate::generation(const std::string& verb) {
    Generation out;
    out.heritage = std::shared_ptr<const Heritage>(shared_from_this(), &heritage_);
    out.workers = config_.workerCount();
    const std::string admin =
        adminListeners_.empty() ? "" : cat(", admin pages on ", adminListeners_.text());
    out.greeting = cat("ociproxy " OCIPROXY_VERSION " ", verb, ": listening on ",
                       listeners_.text(), ", ", out.workers, " workers, cache ", config_.cacheDir,
                       ", configuration ", configName(config_), admin);
    out.drainLimit = config_.drainTimeout;
    return out;
}

}  // namespace ociproxy
