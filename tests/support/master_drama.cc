#include "support/master_drama.h"

#include <algorithm>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cppunit/TestAssert.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/exit_status.h"
#include "ociproxy/proc/signals.h"

namespace ociproxy {

MasterDrama::MasterDrama() {
    options.worker = obedient;
    options.janitor = obedient;
}

MasterDrama::~MasterDrama() {
    if (master_ == 0) return;
    ::kill(master_, SIGKILL);
    ::waitpid(master_, nullptr, 0);
}

void MasterDrama::begin() {
    int ends[2];
    CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC));
    lines_.reset(ends[0]);
    Fd writeEnd(ends[1]);
    master_ = ::fork();
    CPPUNIT_ASSERT(master_ >= 0);
    if (master_ == 0) beMaster(cat("/proc/self/fd/", writeEnd.get()));
}

void MasterDrama::beMaster(const std::string& log) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test program that is ended leaves nobody
    takeOverSignals();
    rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    int status = EX_SOFTWARE;
    try {
        status = runMaster(log);
    } catch (const std::exception& e) {
        status = exitStatusOf(e);
        Log(log, LogLevel::kInfo).error(cat("fatal: ", e.what()));
    }
    ::_exit(status);
}

int MasterDrama::runMaster(const std::string& path) {
    Log log(path, LogLevel::kDebug);
    LogFile accessLog("off");
    auto heritage = std::make_shared<Heritage>();
    heritage->log = &log;
    heritage->accessLog = &accessLog;
    heritage->shared = &shared;
    heritage->cacheLock = &lock;
    Generation first{heritage, workers, greeting, drainLimit};
    if (renewed) {
        options.renew = [this, heritage] {
            Generation next = renewed();
            next.heritage = heritage;
            return next;
        };
    }
    if (announced) {
        options.announce = [this, &log](Milestone milestone, const std::string& status) {
            announced(log, milestone, status);
        };
    }
    return Master(first, options).run();
}

std::string MasterDrama::await(const std::string& part) { return await(part, "\n"); }

std::string MasterDrama::await(const std::string& part, const std::string& never) {
    for (;;) {
        std::optional<std::string> line = nextLine();
        CPPUNIT_ASSERT_MESSAGE(cat("no line with '", part, "' in:\n", seen_), line);
        CPPUNIT_ASSERT_MESSAGE(cat("'", never, "' before '", part, "' in:\n", seen_),
                               line->find(never) == std::string::npos);
        if (line->find(part) != std::string::npos) return *line;
    }
}

std::string MasterDrama::find(const std::string& part) {
    std::size_t at = seen_.find(part);
    if (at == std::string::npos) return await(part);
    std::size_t from = seen_.rfind('\n', at) + 1;
    return seen_.substr(from, seen_.find('\n', at) - from);
}

void MasterDrama::awaitEnd() {
    while (nextLine()) {
    }
}

std::optional<std::string> MasterDrama::nextLine() {
    for (;;) {
        std::size_t end = pending_.find('\n');
        if (end != std::string::npos) {
            std::string line = pending_.substr(0, end);
            pending_.erase(0, end + 1);
            seen_ += line + "\n";
            return line;
        }
        pollfd readable{lines_.get(), POLLIN, 0};
        CPPUNIT_ASSERT_MESSAGE(cat("silence after:\n", seen_), ::poll(&readable, 1, 30'000) > 0);
        char buffer[4096];
        ssize_t count = ::read(lines_.get(), buffer, sizeof buffer);
        if (count <= 0) return std::nullopt;
        pending_.append(buffer, static_cast<std::size_t>(count));
    }
}

void MasterDrama::tell(int signal) {
    CPPUNIT_ASSERT_EQUAL(0, ::kill(master_, signal));
}

std::string MasterDrama::signalWorker0(int signal) {
    find("all are here");
    std::string line = find("worker 0[");
    CPPUNIT_ASSERT_EQUAL(0, ::kill(static_cast<pid_t>(number(line, "worker 0[")), signal));
    return line;
}

void MasterDrama::stopCleanly() {
    tell(SIGTERM);
    await("stopped");
    CPPUNIT_ASSERT_EQUAL(0, status());
}

int MasterDrama::status() {
    int status = 0;
    CPPUNIT_ASSERT_EQUAL(master_, ::waitpid(master_, &status, 0));
    master_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::uint64_t MasterDrama::number(const std::string& line, const std::string& before) {
    std::size_t at = line.find(before);
    CPPUNIT_ASSERT_MESSAGE(line, at != std::string::npos);
    return std::stoull(line.substr(at + before.size()));
}

void MasterDrama::announce(const Heritage& heritage, Seat& seat) {
    if (seat.role == ChildRole::kWorker) heritage.shared->workers().beat(seat.id);
    heritage.log->info(cat("up life=", seat.life, " epoch=", seat.id.epoch));
    heritage.flushLogs();  // before what the master says to this
    seat.boot.ready();
}

int MasterDrama::obey(const Heritage& heritage, Seat& seat, const std::vector<int>& signals) {
    obeyed(heritage, seat, signals);
    return 0;
}

int MasterDrama::obeyed(const Heritage& heritage, Seat& seat, const std::vector<int>& signals) {
    for (;;) {
        std::optional<Signal> signal = nextSignal(Millis{50});
        if (seat.role == ChildRole::kWorker) heritage.shared->workers().beat(seat.id);
        if (!signal) continue;
        heritage.log->info(cat("got ", signalName(signal->number)));
        if (std::count(signals.begin(), signals.end(), signal->number) > 0) return signal->number;
    }
}

int MasterDrama::obedient(const Heritage& heritage, Seat& seat) {
    announce(heritage, seat);
    return obey(heritage, seat, {SIGTERM, SIGQUIT, SIGINT, SIGUSR2});
}

Master::Body MasterDrama::leavesOn(const std::vector<int>& signals) {
    return [signals](const Heritage& heritage, Seat& seat) {
        announce(heritage, seat);
        return obey(heritage, seat, signals);
    };
}

}  // namespace ociproxy
