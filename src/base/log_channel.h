#ifndef OCIPROXY_SRC_BASE_LOG_CHANNEL_H
#define OCIPROXY_SRC_BASE_LOG_CHANNEL_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log_sink.h"
#include "ociproxy/base/clock.h"
#include "ociproxy/base/log.h"

namespace ociproxy {

// Who is told that a channel has something to do. Any thread; never waits, but for
// flush().
class LogWaker {
public:
    // There is a line; many more of them; something that must not be put off.
    virtual void wake() noexcept = 0;
    virtual void hurry() noexcept = 0;
    virtual void call() noexcept = 0;
    virtual bool flush(TimePoint deadline) noexcept = 0;

protected:
    ~LogWaker() = default;
};

// The inside of a LogFile: a bounded queue of lines before a sink. Two strings serve as
// the queue, one that fills up while the other one is written.
class LogChannel {
public:
    // kNothing: there was nothing to write. kWritten: what was queued is written. kFull:
    // it goes on when waitFd() is writable; kFailed: it is tried again at dueAt().
    enum class State : std::uint8_t { kNothing, kWritten, kFull, kFailed };

    explicit LogChannel(const LogFile::Options& options);

    // --- any thread; as in LogFile
    void put(std::string_view line, LogLevel level) noexcept;
    void requestReopen() noexcept;
    bool flush(TimePoint deadline) noexcept;
    bool marked() const noexcept { return sink_->marked(); }
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
    void countDropped(std::uint64_t count) noexcept;
    void setDropCounter(std::atomic<std::uint64_t>* counter) noexcept { counter_ = counter; }
    void setRemark(LogFile::Remark remark) { remark_ = std::move(remark); }
    void putRemark(LogLevel level, std::string_view text) noexcept;
    // Whether pump() would find a line that it can hope to write.
    bool waiting() noexcept;

    // From here on lines are queued and the sink is that of the thread that pumps.
    void attach(LogWaker* waker) noexcept;
    void detach() noexcept;

    // --- the thread that pumps
    // Writes what it can without waiting. `urgent`: also what failed a moment ago.
    State pump(TimePoint now, bool urgent) noexcept;
    State state() const noexcept { return state_; }
    int waitFd() const noexcept { return sink_->waitFd(); }
    // When it has something to do again by itself; TimePoint::max(): never.
    TimePoint dueAt() const noexcept;
    // Why the file could not be opened anew, once; else empty.
    std::string takeComplaint() noexcept;

private:
    // A line as it will be written, borrowed.
    struct Record {
        std::string_view text;
        LogLevel level;
        bool cut;
    };

    Record record(std::string_view text, LogLevel level) const noexcept;
    std::size_t sizeOf(const Record& record) const noexcept;
    void append(const Record& record, std::string* out) const;
    void accept(const Record& record);
    void enqueue(const Record& record);
    void writeNow(const Record& record);
    bool sendNow(const Record& record);
    void reportLossNow();
    void reopen(TimePoint now, bool asked) noexcept;
    void complain(int code) noexcept;
    State advance(TimePoint now) noexcept;
    bool take() noexcept;
    void appendLoss() noexcept;
    void setState(State state) noexcept;
    void abandon() noexcept;

    const std::string path_;
    const std::size_t maxBytes_;
    const std::size_t maxRecords_;
    LogFile::Remark remark_;

    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<std::uint64_t> lost_{0};  // of these: no line has told of them yet
    std::atomic<std::atomic<std::uint64_t>*> counter_{nullptr};
    std::atomic<bool> reopenAsked_{false};

    std::mutex mutex_;  // guards what follows, and all the rest while there is no waker
    LogWaker* waker_ = nullptr;
    std::string pending_;
    std::size_t pendingRecords_ = 0;
    std::size_t takenBytes_ = 0;
    std::size_t takenRecords_ = 0;
    bool blocked_ = false;  // the state is kFull or kFailed

    // The pumping thread's.
    const std::unique_ptr<LogSink> sink_;
    std::string taken_;
    std::size_t offset_ = 0;  // of what is written
    State state_ = State::kNothing;
    TimePoint retryAt_ = TimePoint::min();
    TimePoint reopenAt_ = TimePoint::max();
    std::string complaint_;
    bool torn_ = false;  // a line was written in part, without a waker
};

}  // namespace ociproxy

#endif
