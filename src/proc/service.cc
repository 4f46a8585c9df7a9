#include "ociproxy/proc/service.h"

#include <memory>
#include <sys/random.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/conf/config.h"
#include "ociproxy/proc/command_line.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/janitor.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/master.h"
#include "ociproxy/proc/process_title.h"
#include "ociproxy/proc/worker.h"
#include "ociproxy/shm/shared_state.h"
#include "ociproxy/store/store.h"
#include "ociproxy/version.h"

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

std::string greeting(const Config& config, const Listeners& listeners) {
    return cat("ociproxy " OCIPROXY_VERSION " ready: listening on ", listeners.text(), ", ",
               config.workerCount(), " workers, cache ", config.cacheDir);
}

Master::Options masterOptions(const Config& config, const Listeners& listeners) {
    Master::Options out;
    out.workers = config.workerCount();
    out.worker = runWorker;
    out.janitor = runJanitor;
    out.greeting = greeting(config, listeners);
    return out;
}

}  // namespace

int runService(const Config& config, ProcessTitle* title) {
    title->set(cat("ociproxy: master process (", configName(config), ")"), "ociproxy");
    // Listeners before anything is made on disk: the likeliest failure leaves no trace.
    Listeners listeners(config.listen, kPatience);
    // The lock before whatever the cache holds is touched, and before a log that
    // another proxy may be writing.
    Fd lock = orFailWith(EX_CANTCREAT, [&] { return Store::prepare(config.cacheDir, kPatience); });
    TimePoint lockedAt = now();
    auto openLog = [&] { return std::make_unique<Log>(config.log, config.logLevel); };
    auto openAccessLog = [&] { return std::make_unique<LogFile>(config.accessLog); };
    std::unique_ptr<Log> log = orFailWith(EX_CANTCREAT, openLog);
    std::unique_ptr<LogFile> accessLog = orFailWith(EX_CANTCREAT, openAccessLog);
    // Before the first fork, or nobody shares it.
    SharedState shared{SharedState::Options{}};

    Heritage heritage;
    heritage.config = &config;
    heritage.listeners = &listeners;
    heritage.cacheLock = &lock;
    heritage.log = log.get();
    heritage.accessLog = accessLog.get();
    heritage.shared = &shared;
    heritage.title = title;
    heritage.instanceId = randomId();
    heritage.lockedAt = lockedAt;
    return Master(heritage, masterOptions(config, listeners)).run();
}

}  // namespace ociproxy
