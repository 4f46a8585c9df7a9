#include "ociproxy/proc/worker.h"

#include <csignal>
#include <optional>

#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/heritage.h"
#include "ociproxy/proc/listeners.h"
#include "ociproxy/proc/signals.h"
#include "ociproxy/shm/shared_state.h"
#include "proc/child_entry.h"
#include "proc/heartbeat.h"
#include "proc/module_options.h"

namespace ociproxy {

namespace {

constexpr Millis kTurn{1'000};
constexpr Millis kLeavingTurn{20};

// The modules of one worker, in the order in which they need each other.
class Modules {
public:
    Modules(const Heritage& heritage, const WorkerId& self)
        : store_(storeOptions(heritage)),
          directory_(directoryFrom(*heritage.config)),
          client_(complete(clientOptions(heritage))),
          proxy_(complete(proxyOptions(heritage, self))),
          front_(frontOptions(heritage), &proxy_),
          workers_(heritage.shared->workers()),
          self_(self) {}

    // What answers before what asks.
    void start() {
        proxy_.start();
        front_.start();
        workers_.setAccepting(self_, true);
    }
    void drain() {
        workers_.setAccepting(self_, false);
        front_.drain();
    }
    void retire() {
        workers_.setAccepting(self_, false);
        front_.retire();
    }
    // Cuts who is still there; their requests are logged as what they are.
    void stopServing() { front_.stop(); }
    bool idle() const noexcept { return front_.idle(); }
    bool filling() const noexcept { return proxy_.filling(); }

private:
    UpstreamClient::Options complete(UpstreamClient::Options options) {
        options.resolver = &resolver_;
        return options;
    }
    Proxy::Options complete(Proxy::Options options) {
        options.store = &store_;
        options.client = &client_;
        options.directory = &directory_;
        return options;
    }

    Store store_;
    SystemResolver resolver_;
    UpstreamDirectory directory_;
    UpstreamClient client_;
    Proxy proxy_;
    FrontServer front_;
    WorkerTable& workers_;
    const WorkerId self_;
};

// One worker's obedience to signals, until it may leave.
class Service {
public:
    Service(const Heritage& heritage, const Seat& seat, Modules& modules)
        : heritage_(heritage), seat_(seat), modules_(modules) {}

    void run() {
        while (!mayLeave()) {
            if (auto signal = nextSignal(leaving_ ? kLeavingTurn : kTurn)) obey(*signal);
        }
    }

private:
    bool mayLeave() const noexcept {
        if (now_) return true;
        return leaving_ && modules_.idle() && !(awaitFills_ && modules_.filling());
    }

    void obey(const Signal& signal) {
        bool fromMaster = signal.sender == seat_.master;
        switch (signal.number) {
            case SIGTERM:
                return leave(false);
            case SIGQUIT:
                return signal.fromKernel ? void() : leave(true);
            case SIGUSR2:
                return fromMaster ? retire() : void();
            case SIGINT:
                now_ = now_ || fromMaster;
                return;
            case SIGUSR1:
                return heritage_.reopenLogs();
            default:
                return;
        }
    }

    void leave(bool awaitFills) {
        modules_.drain();
        leaving_ = true;
        awaitFills_ = awaitFills;
    }

    void retire() {
        if (leaving_) return;
        modules_.retire();
        leaving_ = true;
        awaitFills_ = true;
        showTitle(heritage_, seat_, " (draining)");
    }

    const Heritage& heritage_;
    const Seat& seat_;
    Modules& modules_;
    bool leaving_ = false;
    bool awaitFills_ = false;
    bool now_ = false;
};

}  // namespace

int runWorker(const Heritage& heritage, Seat& seat) {
    if (heritage.adminListeners) heritage.adminListeners->close();
    // The first of all threads: a boot that hangs on a stopped disk is not a dead worker's.
    Heartbeat beat(&heritage.shared->workers(), seat.id);
    Modules modules(heritage, seat.id);
    modules.start();
    seat.boot.ready();
    Service(heritage, seat, modules).run();
    modules.stopServing();
    heritage.flushLogs();
    // Without destructors: a thread that waits for an upstream would be waited for.
    leaveProcess(EX_OK);
}

}  // namespace ociproxy
