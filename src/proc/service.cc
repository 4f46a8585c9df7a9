#include "ociproxy/proc/service.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <sys/random.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/paths.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/command_line.h"
#include "ociproxy/proc/daemon.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/janitor.h"
#include "ociproxy/proc/master.h"
#include "ociproxy/proc/pid_file.h"
#include "ociproxy/proc/privileges.h"
#include "ociproxy/proc/process_title.h"
#include "ociproxy/proc/service_manager.h"
#include "ociproxy/proc/worker.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/store.h"
#include "ociproxy/store/unsynced.h"
#include "proc/confinement.h"
#include "proc/estate.h"
#include "proc/module_options.h"
#include "proc/tls_files.h"

namespace ociproxy {

namespace {

// For an address or a cache that is still in use: the children of a master that was
// killed die with it, but not at the same instant.
constexpr Millis kPatience{2'000};

std::string randomId() {
    static const char kDigits[] = "0123456789abcdef";
    unsigned char bytes[8];
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throwErrno("getrandom");
    std::string out;
    for (unsigned char byte : bytes) out += {kDigits[byte >> 4], kDigits[byte & 15]};
    return out;
}

std::string absolutePath(const std::string& path) {
    return std::filesystem::absolute(path).string();
}

void requireOwnLogs(const Config& config) {
    requireOwnDirectory("log", config.log);
    requireOwnDirectory("access_log", config.accessLog);
}

// Everything that the master holds, from the start to the stop.
class Service {
public:
    Service(const CommandLine& line, ProcessTitle* title) : line_(line), title_(title) {}

    int run(const Config& config) {
        inherited_ = takeInheritedSockets();  // named by the pid that a daemon gives up
        if (!line_.daemon) return serve(config);
        // Read again at a reload, with another working directory.
        if (!line_.configFile.empty()) line_.configFile = absolutePath(line_.configFile);
        report_ = becomeDaemon();
        try {
            return serve(config);
        } catch (const std::exception& failure) {
            std::fprintf(stderr, "ociproxy: %s\n", failureText(failure).c_str());
            const int status = exitStatusOf(failure);
            // Who hears of the failure may start another one at once.
            pidFile_.reset();
            lock_.reset();
            report_.failed(status);
            return status;
        }
    }

private:
    int serve(const Config& config);
    void openEstate(const Config& config);
    static std::uint64_t settleCache(const Config& config);
    std::string pidFileOf(const Config& config) const;
    Heritage common();
    Generation renew();
    void announce(Milestone milestone, const std::string& status);

    CommandLine line_;
    ProcessTitle* const title_;
    std::vector<Fd> inherited_;
    StartReport report_;
    ServiceManager manager_;
    std::optional<PidFile> pidFile_;
    Fd lock_;
    TimePoint lockedAt_{};
    std::unique_ptr<SharedState> shared_;
    std::string instanceId_ = randomId();
    const TlsServer::TicketSecret ticketSecret_ = newTicketSecret();
    std::shared_ptr<Estate> estate_;
    std::shared_ptr<Estate> next_;  // while a reload is under way
};

int Service::serve(const Config& config) {
    limitProcess();
    title_->set(cat("ociproxy: master process (", configName(config), ")"), "ociproxy");
    openEstate(config);
    Master::Options options;
    options.worker = runWorker;
    options.janitor = runJanitor;
    options.renew = [this] { return renew(); };
    options.announce = [this](Milestone milestone, const std::string& status) {
        announce(milestone, status);
    };
    const int status = Master(estate_->generation("ready"), options).run();
    if (config.durability == DurabilitySetting::kNone) endUnsynced(config.cacheDir);
    return status;
}

void Service::openEstate(const Config& config) {
    const Identity identity = chooseIdentity(config.user, config.group, ownIdentity());
    // Listeners before anything is made on disk: the likeliest failure leaves no trace.
    Listeners listeners = inherited_.empty() ? Listeners(config.listen, kPatience)
                                             : Listeners(std::move(inherited_));
    Listeners adminListeners(config.adminListen, kPatience);
    for (const Listeners* made : {&listeners, &adminListeners}) made->giveTo(identity);
    std::unique_ptr<TlsServer> tls = loadTls(config, identity, ticketSecret_);
    const std::string pidFile = pidFileOf(config);
    if (!pidFile.empty()) pidFile_.emplace(pidFile, kPatience);
    // What follows opens files in directories that are not root's.
    assumeIdentity(identity);
    requireOwnLogs(config);
    // The lock before whatever the cache holds is touched, and before a log that
    // another proxy may be writing.
    lock_ = orFailWith(EX_CANTCREAT, [&] { return Store::prepare(config.cacheDir, kPatience); });
    const std::uint64_t dropped = orFailWith(EX_CANTCREAT, [&] { return settleCache(config); });
    lockedAt_ = now();
    // Before the first fork, or nobody shares it.
    shared_ = std::make_unique<SharedState>(SharedState::Options{});
    const TlsServer* const speaker = tls.get();
    estate_ = std::make_shared<Estate>(common(), config, std::move(listeners),
                                       std::move(adminListeners), std::move(tls), line_.daemon);
    logTls(estate_->log(), speaker);
    logIdentity(estate_->log(), identity);
    logConfinement(estate_->log());
    if (dropped > 0) {
        estate_->log().warning(cat("the last run did not sync its cache and did not end in order: "
                                   "dropped ", dropped, " files that may be damaged"));
    }
    warnOfLimits(config, estate_->log());
}

// Under the lock. Returns how much content was not known to be whole and is gone now.
std::uint64_t Service::settleCache(const Config& config) {
    const std::uint64_t dropped = dropUnsynced(config.cacheDir);
    if (config.durability == DurabilitySetting::kNone) markSynced(config.cacheDir);
    return dropped;
}

std::string Service::pidFileOf(const Config& config) const {
    if (config.pidFile == "off") return "";
    if (config.pidFile != "auto") return config.pidFile;
    return line_.daemon ? defaultPidFile() : "";
}

Heritage Service::common() {
    Heritage out;
    out.cacheLock = &lock_;
    out.pidFile = pidFile_ ? &*pidFile_ : nullptr;
    out.startReport = &report_;
    out.shared = shared_.get();
    out.title = title_;
    out.instanceId = instanceId_;
    out.confined = true;
    out.lockedAt = lockedAt_;
    return out;
}

Generation Service::renew() {
    Config config = readConfig(line_);
    const std::vector<std::string> fixed = keepFixedParams(estate_->config(), &config);
    requireOwnLogs(config);
    std::unique_ptr<TlsServer> tls = loadTls(config, ownIdentity(), ticketSecret_);
    const TlsServer* const speaker = tls.get();
    Listeners listeners(config.listen, estate_->listeners());
    Listeners adminListeners(config.adminListen, estate_->adminListeners());
    auto fresh = std::make_shared<Estate>(common(), std::move(config), std::move(listeners),
                                          std::move(adminListeners), std::move(tls),
                                          line_.daemon);
    logTls(fresh->log(), speaker);
    for (const std::string& line : fixed) fresh->log().warning(line);
    warnOfLimits(fresh->config(), fresh->log());
    next_ = fresh;
    return fresh->generation("reloaded");
}

void Service::announce(Milestone milestone, const std::string& status) {
    manager_.announce(milestone, status);
    if (milestone == Milestone::kReady) report_.started();
    if (milestone == Milestone::kReloaded) estate_ = next_;
    // Nobody is to listen on what only a refused configuration names.
    if (milestone == Milestone::kReloaded || milestone == Milestone::kReloadRefused) next_.reset();
}

}  // namespace

void checkFiles(const Config& config) {
    const Identity self = ownIdentity();
    const bool root = self.uid == 0;
    loadTls(config, root ? chooseIdentity(config.user, config.group, self) : self,
            TlsServer::TicketSecret());
}

int runService(const CommandLine& line, const Config& config, ProcessTitle* title) {
    return Service(line, title).run(config);
}

}  // namespace ociproxy
