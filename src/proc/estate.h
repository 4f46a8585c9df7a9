#ifndef OCIPROXY_SRC_PROC_ESTATE_H
#define OCIPROXY_SRC_PROC_ESTATE_H

#include <memory>
#include <string>
#include <vector>

#include "ociproxy/base/log.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/front/tls.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/master.h"

namespace ociproxy {

// What one generation has for itself: its configuration, its sockets, its certificate and
// its logs. What all generations share is in `common`. Lives as long as anybody holds its
// Generation. Not synchronized: the master's one thread.
class Estate : public std::enable_shared_from_this<Estate> {
public:
    // `common` brings the members of Heritage that outlive generations. `stderrGone`:
    // logs that would go there go to syslog. Throws FatalError (EX_CANTCREAT) when a log
    // cannot be opened.
    Estate(const Heritage& common, Config config, Listeners listeners, Listeners adminListeners,
           std::unique_ptr<TlsServer> tls, bool stderrGone);
    Estate(const Estate&) = delete;
    Estate& operator=(const Estate&) = delete;

    const Config& config() const noexcept { return config_; }
    const Listeners& listeners() const noexcept { return listeners_; }
    const Listeners& adminListeners() const noexcept { return adminListeners_; }
    Log& log() noexcept { return *log_; }
    // Holds this estate; `verb` begins the greeting ("ready", "reloaded").
    Generation generation(const std::string& verb);

private:
    Config config_;
    Listeners listeners_;
    Listeners adminListeners_;
    std::unique_ptr<TlsServer> tls_;
    std::unique_ptr<Log> log_;
    std::unique_ptr<LogFile> accessLog_;
    Heritage heritage_;
};

}  // namespace ociproxy

#endif
