#include "ociproxy/proc/heritage.h"

#include <climits>
#include <string>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "ociproxy/proc/daemon.h"
#include "ociproxy/proc/pid_file.h"
#include "ociproxy/shm/shared_state.h"

namespace ociproxy {

namespace {

constexpr Millis kFlushTime{1'000};

}  // namespace

void Heritage::reopenLogs() const {
    log->file().requestReopen();
    accessLog->requestReopen();
    log->info("reopening logs");
}

void Heritage::dropMastersOwn() const noexcept {
    // A lock lives as long as any copy of its descriptor: it must end with the master.
    if (cacheLock) cacheLock->reset();
    if (pidFile) pidFile->close();
    if (startReport) startReport->close();
}

void Heritage::flushLogs() const {
    const TimePoint deadline = now() + kFlushTime;
    log->file().flush(deadline);
    accessLog->flush(deadline);
}

void Heritage::countLostRecords() const noexcept {
    std::atomic<std::uint64_t>* cell = shared->counters().cell(Counter::kLogDropped);
    log->file().setDropCounter(cell);
    accessLog->setDropCounter(cell);
}

void BootReport::ready() noexcept {
    send(std::string_view(&kReady, 1));
}

void BootReport::failed(std::string_view reason) noexcept {
    // So long that a pipe takes it in one piece, whoever reads it when.
    send(reason.substr(0, PIPE_BUF));
}

void BootReport::send(std::string_view words) noexcept {
    try {
        writeAll(pipe_.get(), words.data(), words.size(), "boot report");
    } catch (const std::exception&) {
        // Only a master that is gone does not read: then we go too.
    }
    pipe_.reset();
}

std::string Seat::name() const {
    return role == ChildRole::kWorker ? cat("worker ", number) : "janitor";
}

}  // namespace ociproxy
