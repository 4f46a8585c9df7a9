#ifndef OCIPROXY_BASE_LOG_H
#define OCIPROXY_BASE_LOG_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/clock.h"

namespace ociproxy {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug, kTrace };
const char* levelName(LogLevel level) noexcept;
std::optional<LogLevel> parseLevel(std::string_view name) noexcept;

enum class LogFormat : std::uint8_t { kText, kJson };
const char* formatName(LogFormat format) noexcept;
std::optional<LogFormat> parseFormat(std::string_view name) noexcept;

class LogChannel;

// Where lines go: stderr, a file (also a fifo or a device), or syslog. Lines are whole
// on the way and never mixed with those of other processes. Never throws after
// construction; any thread may write.
//
// Without a LogWriter (base/log_writer.h) a line is written by whoever writes it, at
// once or not at all: only a regular file is ever waited for. With one, writeLine()
// queues the line and never waits for anything; what a full disk, a stuck reader or a
// missing syslog keep from being written is kept up to a limit and tried again. A line
// that finds no room is dropped and counted, and the next lines that get through are
// preceded or followed by one that says how many there were.
//
// What is no regular file takes lines of at most 4,096 bytes; longer ones are cut there
// and end in "...".
//
// May cross a fork while no LogWriter serves it: the child's copy writes to the same
// place, and each process counts what it drops itself.
class LogFile {
public:
    struct Options {
        std::string path = "stderr";            // or "syslog", "off", a file name
        LogFormat format = LogFormat::kText;    // of the lines that it adds itself
        std::string syslogSocket = "/dev/log";
        std::size_t maxBytes = 2 << 20;         // waiting to be written
        std::size_t maxRecords = 16'384;
    };
    // A line of the log's own: `text` with what belongs around it.
    using Remark = std::function<std::string(LogLevel, std::string_view text)>;

    // Throws SysError when the file cannot be opened; a fifo needs no reader yet, and a
    // missing syslog is waited for.
    explicit LogFile(const Options& options);
    explicit LogFile(const std::string& path) : LogFile(withPath(path)) {}
    ~LogFile();  // any LogWriter is gone before
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    // Writes `line` and a line feed. Control bytes in it are escaped as \xHH. `level` is
    // for syslog.
    void writeLine(std::string_view line, LogLevel level = LogLevel::kInfo) noexcept;
    // Has the file opened anew (after rotation), at once or by the LogWriter. If that
    // fails, a line says so, the old file is written on, and it is tried again every
    // 10 s and when asked again. Nothing else is reopened.
    void requestReopen() noexcept;
    // Returns when all that was queued before is written, or cannot be at present;
    // false when a reader held it up until `deadline`. For the end of a process: what
    // is then left counts as dropped.
    bool flush(TimePoint deadline) noexcept;

    bool enabled() const noexcept { return channel_ != nullptr; }
    bool toSyslog() const noexcept;
    LogFormat format() const noexcept { return format_; }
    // Lines that were lost, of this process.
    std::uint64_t dropped() const noexcept;
    // For a line that its author could not even put together.
    void countDropped() noexcept;
    // From now on what is dropped is added to `counter` as well, which may lie in shared
    // memory and outlives this; nullptr: no longer.
    void setDropCounter(std::atomic<std::uint64_t>* counter) noexcept;
    // Before any thread writes. Without it remarks are in the options' format.
    void setRemark(Remark remark);

private:
    friend class LogWriter;
    static Options withPath(const std::string& path);

    LogFormat format_;
    std::unique_ptr<LogChannel> channel_;  // none: off
};

// The diagnostic log of one process. Lines read
//   2026-11-23T20:00:00.123Z level role[pid] message
// (syslog has a time of its own: without it there). Any thread may write. Messages name
// upstream, cause and next step, and never a secret: URLs go through redactUrl()
// (base/text.h) first.
class Log {
public:
    Log(const std::string& path, LogLevel level);
    Log(const LogFile::Options& options, LogLevel level);

    // Names this process in its lines ("master", "worker 3"). After fork, before threads.
    void setRole(const std::string& role) { role_ = role; }

    bool enabled(LogLevel level) const noexcept { return level <= level_; }
    void write(LogLevel level, std::string_view message) noexcept;
    void error(std::string_view message) noexcept { write(LogLevel::kError, message); }
    void warning(std::string_view message) noexcept { write(LogLevel::kWarning, message); }
    void info(std::string_view message) noexcept { write(LogLevel::kInfo, message); }
    void debug(std::string_view message) noexcept { write(LogLevel::kDebug, message); }
    void trace(std::string_view message) noexcept { write(LogLevel::kTrace, message); }

    LogFile& file() noexcept { return file_; }

private:
    std::string line(LogLevel level, std::string_view message) const;

    LogFile file_;
    LogLevel level_;
    std::string role_ = "master";
};

}  // namespace ociproxy

#endif
