// What crosses the fork: everything a child gets from the master, in one place.
#ifndef OCIPROXY_PROC_HERITAGE_H
#define OCIPROXY_PROC_HERITAGE_H

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/shm/worker_table.h"

namespace ociproxy {

struct Config;
class Listeners;
class Log;
class LogFile;
class PidFile;
class ProcessTitle;
class SharedState;
class TlsServer;
class StartReport;

// Made by the master before the first fork of a generation, the same for all its
// children, borrowed by all. A child has copies of its own of everything but `shared`,
// which is shared, and of what the descriptors stand for.
//
// Nothing else may cross: threads do not exist in the child, mutexes they held stay
// locked, connections and epoll instances would be used by both.
struct Heritage {
    const Config* config = nullptr;
    Listeners* listeners = nullptr;
    Listeners* adminListeners = nullptr;  // the janitor's alone; nullptr: off
    TlsServer* tls = nullptr;             // nullptr: no listener speaks TLS
    // The master's alone, as far as there: a child closes its copies.
    Fd* cacheLock = nullptr;
    PidFile* pidFile = nullptr;
    StartReport* startReport = nullptr;
    Log* log = nullptr;
    LogFile* accessLog = nullptr;
    SharedState* shared = nullptr;
    ProcessTitle* title = nullptr;  // nullptr: left alone
    std::string instanceId;         // random, of this run of the master
    bool confined = false;          // children are kept to the files that `config` names
    TimePoint lockedAt{};           // from here on nobody but our children uses the cache

    // In a child: lets go of what is the master's alone.
    void dropMastersOwn() const noexcept;

    // For this process: log records that are lost are counted among its metrics.
    void countLostRecords() const noexcept;
    // For this process: the files are opened anew.
    void reopenLogs() const;
    // For a child that is about to leave: what is queued is written, for at most about a
    // second.
    void flushLogs() const;
};

// A child's way to tell the master, once, how its boot went. The master sees the
// end of the pipe without a word when the child dies first.
class BootReport {
public:
    BootReport() noexcept = default;
    explicit BootReport(Fd pipe) noexcept : pipe_(std::move(pipe)) {}

    bool pending() const noexcept { return pipe_.valid(); }
    void ready() noexcept;
    void failed(std::string_view reason) noexcept;

    // What the master reads: this byte, or the reason.
    static constexpr char kReady = '\x06';

private:
    void send(std::string_view words) noexcept;
    Fd pipe_;
};

enum class ChildRole : std::uint8_t { kWorker, kJanitor };

// A child's own place, handed over by value.
struct Seat {
    ChildRole role = ChildRole::kWorker;
    WorkerId id;          // workers: raised by the master for this very child
    unsigned number = 0;  // workers: the place among those of its generation, from 0
    unsigned life = 1;    // 1: the first in this place since the master started
    pid_t master = 0;
    BootReport boot;

    std::string name() const;  // "worker 3", "janitor"
};

}  // namespace ociproxy

#endif
