#include "base/log_channel.h"

#include <algorithm>
#include <cerrno>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr Millis kRetryEvery{1'000};
constexpr Millis kReopenEvery{10'000};
// From here on the writer should not put it off.
constexpr std::size_t kMany = 256 << 10;
// A buffer that a burst has made larger is given back.
constexpr std::size_t kKeptBuffer = 512 << 10;
constexpr std::string_view kCutMark = "...";

bool isControl(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string withoutControls(std::string_view line) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(line.size() + 16);
    for (char c : line) {
        if (isControl(c)) {
            const unsigned byte = static_cast<unsigned char>(c);
            out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
        } else {
            out += c;
        }
    }
    return out;
}

// syslog's: err, warning, info, debug.
char severityOf(LogLevel level) noexcept {
    switch (level) {
    case LogLevel::kError: return '3';
    case LogLevel::kWarning: return '4';
    case LogLevel::kInfo: return '6';
    default: return '7';
    }
}

LogFile::Remark plainRemark(LogFormat format) {
    if (format == LogFormat::kJson) {
        return [](LogLevel level, std::string_view text) {
            return cat("{\"time\":\"", logTime(), "\",\"level\":\"", levelName(level),
                       "\",\"message\":\"", jsonEscape(text), "\"}");
        };
    }
    return [](LogLevel level, std::string_view text) {
        return cat(logTime(), ' ', levelName(level), ' ', text);
    };
}

std::string lossText(std::uint64_t count) {
    return cat(count, count == 1 ? " line of this log was lost" : " lines of this log were lost");
}

}  // namespace

LogChannel::LogChannel(const LogFile::Options& options)
    : path_(options.path),
      maxBytes_(options.maxBytes),
      maxRecords_(options.maxRecords),
      remark_(plainRemark(options.format)),
      sink_(openLogSink(options)) {}

// ----- any thread

void LogChannel::put(std::string_view line, LogLevel level) noexcept {
    try {
        if (std::any_of(line.begin(), line.end(), isControl)) {
            const std::string clean = withoutControls(line);
            accept(record(clean, level));
        } else {
            accept(record(line, level));
        }
    } catch (...) {
        countDropped(1);  // no memory for it
    }
}

void LogChannel::putRemark(LogLevel level, std::string_view text) noexcept {
    try {
        put(remark_(level, text), level);
    } catch (...) {
        countDropped(1);
    }
}

LogChannel::Record LogChannel::record(std::string_view text, LogLevel level) const noexcept {
    Record out{text, level, false};
    const std::size_t longest = sink_->longest();
    if (longest != 0 && sizeOf(out) > longest) {
        out.cut = true;
        out.text.remove_suffix(sizeOf(out) - longest);
    }
    return out;
}

std::size_t LogChannel::sizeOf(const Record& record) const noexcept {
    return record.text.size() + 1 + (marked() ? 1 : 0) + (record.cut ? kCutMark.size() : 0);
}

void LogChannel::append(const Record& record, std::string* out) const {
    out->reserve(out->size() + sizeOf(record));  // all or, without memory, nothing
    if (marked()) *out += severityOf(record.level);
    *out += record.text;
    if (record.cut) *out += kCutMark;
    *out += '\n';
}

void LogChannel::accept(const Record& record) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (waker_) {
        enqueue(record);
    } else {
        writeNow(record);
    }
}

void LogChannel::enqueue(const Record& record) {
    const std::size_t before = pending_.size();
    const bool room = pendingRecords_ + takenRecords_ < maxRecords_ &&
                      before + takenBytes_ + sizeOf(record) <= maxBytes_;
    if (!room) return countDropped(1);
    append(record, &pending_);
    ++pendingRecords_;
    if (blocked_) return;
    if (before < kMany && pending_.size() >= kMany) {
        waker_->hurry();
    } else {
        waker_->wake();
    }
}

void LogChannel::countDropped(std::uint64_t count) noexcept {
    dropped_.fetch_add(count, std::memory_order_relaxed);
    lost_.fetch_add(count, std::memory_order_relaxed);
    std::atomic<std::uint64_t>* counter = counter_.load(std::memory_order_acquire);
    if (counter) counter->fetch_add(count, std::memory_order_relaxed);
}

void LogChannel::requestReopen() noexcept {
    std::unique_lock<std::mutex> lock(mutex_);
    if (waker_) {
        reopenAsked_ = true;
        return waker_->call();
    }
    reopen(now(), true);
    const std::string complaint = takeComplaint();
    lock.unlock();
    if (!complaint.empty()) putRemark(LogLevel::kError, complaint);
}

bool LogChannel::flush(TimePoint deadline) noexcept {
    LogWaker* waker;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        waker = waker_;
    }
    const bool flushed = !waker || waker->flush(deadline);
    abandon();
    return flushed;
}

void LogChannel::abandon() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!blocked_) return;
    const std::size_t left = pendingRecords_ + takenRecords_;
    pending_.clear();
    pendingRecords_ = takenRecords_ = 0;
    if (left > 0) countDropped(left);
}

bool LogChannel::waiting() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    return !blocked_ && !pending_.empty();
}

void LogChannel::attach(LogWaker* waker) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    waker_ = waker;
    dropped_ = 0;
    lost_ = 0;
    torn_ = false;
}

void LogChannel::detach() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    waker_ = nullptr;
    blocked_ = false;
    // The rest of a line that is written in part is lost with all else.
    torn_ = offset_ > 0 && offset_ < taken_.size() && taken_[offset_ - 1] != '\n';
    taken_.clear();
    offset_ = takenBytes_ = 0;
}

// ----- without a writer: at once or not at all

void LogChannel::writeNow(const Record& record) {
    // The master's descriptor is what children get: it must not stay with a file of old.
    if (now() >= reopenAt_) reopen(now(), false);
    reportLossNow();
    if (!sendNow(record)) countDropped(1);
}

void LogChannel::reportLossNow() {
    const std::uint64_t lost = lost_.exchange(0, std::memory_order_relaxed);
    if (lost == 0) return;
    const std::string text = remark_(LogLevel::kWarning, lossText(lost));
    if (!sendNow(record(text, LogLevel::kWarning))) lost_ += lost;
}

bool LogChannel::sendNow(const Record& record) {
    std::string out;
    // Ends the line that an earlier one left unfinished.
    if (torn_) out += '\n';
    append(record, &out);
    const LogSink::Outcome outcome = sink_->write(out);
    if (outcome.written > 0) torn_ = outcome.written < out.size();
    return outcome.written == out.size();
}

// ----- the thread that pumps

LogChannel::State LogChannel::pump(TimePoint now, bool urgent) noexcept {
    const bool asked = reopenAsked_.exchange(false);
    if (asked || now >= reopenAt_) reopen(now, asked);
    if (now < retryAt_ && !urgent) return state_;
    State state = advance(now);
    const bool through = state == State::kNothing || state == State::kWritten;
    if (through && take()) state = advance(now);
    setState(state);
    return state;
}

LogChannel::State LogChannel::advance(TimePoint now) noexcept {
    if (offset_ == taken_.size()) return State::kNothing;
    const LogSink::Outcome outcome = sink_->write(std::string_view(taken_).substr(offset_));
    offset_ += outcome.written;
    retryAt_ = TimePoint::min();
    if (outcome.error == 0) return State::kWritten;
    if (outcome.error == EAGAIN) return State::kFull;
    retryAt_ = now + kRetryEvery;
    return State::kFailed;
}

bool LogChannel::take() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (taken_.capacity() > kKeptBuffer) taken_ = std::string();
    taken_.clear();
    offset_ = 0;
    std::swap(taken_, pending_);
    takenRecords_ = std::exchange(pendingRecords_, 0);
    appendLoss();
    takenBytes_ = taken_.size();
    return !taken_.empty();
}

// Dropped lines came when the queue was full: what it held was there before them.
void LogChannel::appendLoss() noexcept {
    const std::uint64_t lost = lost_.exchange(0, std::memory_order_relaxed);
    if (lost == 0) return;
    try {
        const std::string text = remark_(LogLevel::kWarning, lossText(lost));
        append(record(text, LogLevel::kWarning), &taken_);
    } catch (...) {
        lost_ += lost;
    }
}

void LogChannel::setState(State state) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = state;
    blocked_ = state == State::kFull || state == State::kFailed;
    if (!blocked_) takenBytes_ = takenRecords_ = 0;
}

void LogChannel::reopen(TimePoint now, bool asked) noexcept {
    const int code = sink_->reopen();
    reopenAt_ = code == 0 ? TimePoint::max() : now + kReopenEvery;
    if (code == 0) retryAt_ = TimePoint::min();  // the new file may do what the old one did not
    if (code != 0 && asked) complain(code);
}

void LogChannel::complain(int code) noexcept {
    try {
        complaint_ = cat("cannot reopen log ", path_, ": ", errnoText(code),
                         "; the old file is written on");
    } catch (...) {
        countDropped(1);
    }
}

std::string LogChannel::takeComplaint() noexcept {
    return std::exchange(complaint_, std::string());
}

TimePoint LogChannel::dueAt() const noexcept {
    return state_ == State::kFailed ? std::min(retryAt_, reopenAt_) : reopenAt_;
}

}  // namespace ociproxy
