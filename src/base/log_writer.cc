#include "ociproxy/base/log_writer.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/log_channel.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"

namespace ociproxy {

namespace {

// While lines come they gather for so long.
constexpr Millis kLinger{20};
constexpr Millis kLastPatience{1'000};

}  // namespace

class LogWriter::Impl final : public LogWaker {
public:
    explicit Impl(std::vector<LogChannel*> channels);
    ~Impl();

    void wake() noexcept override;
    void hurry() noexcept override;
    void call() noexcept override;
    bool flush(TimePoint deadline) noexcept override;

private:
    enum class Rest : std::uint8_t { kAwake, kLingering, kAsleep };
    struct Progress {
        bool written = false;
        bool stuck = false;
    };

    void detachAll() noexcept;
    void run() noexcept;
    Progress pumpAll(bool urgent) noexcept;
    void noteFlushed(std::uint64_t wanted) noexcept;
    void rest(Rest how) noexcept;
    void waitForWork(int timeout) noexcept;
    int timeout() const noexcept;
    bool anyWaiting() noexcept;

    const std::vector<LogChannel*> channels_;
    std::vector<pollfd> polled_;  // the bell, then one for each channel
    Fd bell_;
    std::atomic<Rest> rest_{Rest::kAwake};
    std::atomic<bool> stop_{false};

    std::mutex mutex_;
    std::condition_variable flushed_;
    std::atomic<std::uint64_t> flushWanted_{0};
    std::uint64_t flushDone_ = 0;

    std::thread thread_;
};

LogWriter::Impl::Impl(std::vector<LogChannel*> channels)
    : channels_(std::move(channels)),
      polled_(channels_.size() + 1),
      bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!bell_.valid()) throwErrno("eventfd for the log writer");
    // Before the thread, which would report what the parent has lost.
    for (LogChannel* channel : channels_) channel->attach(this);
    try {
        thread_ = std::thread([this] { run(); });
    } catch (...) {
        detachAll();
        throw;
    }
}

LogWriter::Impl::~Impl() {
    const TimePoint deadline = now() + kLastPatience;
    for (LogChannel* channel : channels_) channel->flush(deadline);
    stop_ = true;
    call();
    thread_.join();
    detachAll();
}

void LogWriter::Impl::detachAll() noexcept {
    for (LogChannel* channel : channels_) channel->detach();
}

void LogWriter::Impl::wake() noexcept {
    Rest expected = Rest::kAsleep;
    if (rest_.compare_exchange_strong(expected, Rest::kAwake)) call();
}

void LogWriter::Impl::hurry() noexcept {
    if (rest_.exchange(Rest::kAwake) != Rest::kAwake) call();
}

void LogWriter::Impl::call() noexcept {
    ::eventfd_write(bell_.get(), 1);
}

bool LogWriter::Impl::flush(TimePoint deadline) noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    const std::uint64_t wanted = ++flushWanted_;
    call();
    return flushed_.wait_until(lock, deadline, [&] { return flushDone_ >= wanted; });
}

void LogWriter::Impl::run() noexcept {
    std::uint64_t done = 0;
    while (!stop_) {
        const std::uint64_t wanted = flushWanted_;
        const Progress progress = pumpAll(wanted != done);
        if (wanted != done && !progress.stuck) noteFlushed(done = wanted);
        rest(progress.written ? Rest::kLingering : Rest::kAsleep);
    }
}

void LogWriter::Impl::noteFlushed(std::uint64_t wanted) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    flushDone_ = wanted;
    flushed_.notify_all();
}

LogWriter::Impl::Progress LogWriter::Impl::pumpAll(bool urgent) noexcept {
    Progress progress;
    const TimePoint at = now();
    for (LogChannel* channel : channels_) {
        const LogChannel::State state = channel->pump(at, urgent);
        progress.written = progress.written || state == LogChannel::State::kWritten;
        progress.stuck = progress.stuck || state == LogChannel::State::kFull;
        const std::string complaint = channel->takeComplaint();
        if (complaint.empty()) continue;
        channel->putRemark(LogLevel::kError, complaint);
        // Who looks after the logs looks there.
        if (channel != channels_[0]) channels_[0]->putRemark(LogLevel::kError, complaint);
    }
    return progress;
}

// Whoever queues a line after the look at the queues sees that we sleep, and rings.
void LogWriter::Impl::rest(Rest how) noexcept {
    rest_ = how;
    if (how == Rest::kLingering) {
        waitForWork(static_cast<int>(kLinger.count()));
    } else if (!anyWaiting()) {
        waitForWork(timeout());
    }
    rest_ = Rest::kAwake;
}

bool LogWriter::Impl::anyWaiting() noexcept {
    for (LogChannel* channel : channels_) {
        if (channel->waiting()) return true;
    }
    return false;
}

int LogWriter::Impl::timeout() const noexcept {
    TimePoint due = TimePoint::max();
    for (const LogChannel* channel : channels_) due = std::min(due, channel->dueAt());
    if (due == TimePoint::max()) return -1;
    const Millis left = std::chrono::ceil<Millis>(due - now());
    return static_cast<int>(std::max(left, Millis::zero()).count());
}

void LogWriter::Impl::waitForWork(int timeout) noexcept {
    polled_[0] = pollfd{bell_.get(), POLLIN, 0};
    for (std::size_t i = 0; i < channels_.size(); ++i) {
        const bool full = channels_[i]->state() == LogChannel::State::kFull;
        polled_[i + 1] = pollfd{full ? channels_[i]->waitFd() : -1, POLLOUT, 0};
    }
    if (::poll(polled_.data(), polled_.size(), timeout) <= 0) return;
    eventfd_t rings;
    if (polled_[0].revents != 0) ::eventfd_read(bell_.get(), &rings);
}

namespace {

std::vector<LogChannel*> withoutNone(std::vector<LogChannel*> channels) {
    std::vector<LogChannel*> out;
    for (LogChannel* channel : channels) {
        if (channel) out.push_back(channel);
    }
    return out;
}

}  // namespace

LogWriter::LogWriter(std::initializer_list<LogFile*> logs) {
    std::vector<LogChannel*> channels;
    for (LogFile* log : logs) channels.push_back(log->channel_.get());
    impl_ = std::make_unique<Impl>(withoutNone(std::move(channels)));
}

LogWriter::~LogWriter() = default;

}  // namespace ociproxy
