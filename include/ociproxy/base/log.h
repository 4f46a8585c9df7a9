#ifndef OCIPROXY_BASE_LOG_H
#define OCIPROXY_BASE_LOG_H

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ociproxy {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug, kTrace };
const char* levelName(LogLevel level) noexcept;
std::optional<LogLevel> parseLevel(std::string_view name) noexcept;

// Where lines go: stderr or a file, opened O_APPEND, one write(2) per line.
// Never throws after construction and never waits for anything but that write;
// a line that cannot be written is counted and dropped. Any thread may write.
class LogFile {
public:
    // `path` is "stderr", "off" or a file name. Throws SysError.
    explicit LogFile(const std::string& path);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    // Writes `line` and a line feed. Control bytes in it are escaped as \xHH.
    void writeLine(std::string_view line) noexcept;
    // Asks for the file to be opened anew before the next line (after rotation). If
    // that fails, a line says so and the old file is written on. A signal handler may
    // call it.
    void requestReopen() noexcept { reopen_.store(true, std::memory_order_relaxed); }
    bool enabled() const noexcept { return fd_ >= 0; }
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }
    // For a line that its author could not even put together.
    void countDropped() noexcept { dropped_.fetch_add(1, std::memory_order_relaxed); }

private:
    void reopenIfAsked() noexcept;
    void reportFailedReopen(int code) noexcept;

    std::string path_;
    int fd_ = -1;  // constant: a reopened file takes the place behind the same number
    bool ownsFile_ = false;
    std::atomic<bool> reopen_{false};
    std::atomic<std::uint64_t> dropped_{0};
};

// The diagnostic log of one process. Lines read
//   2026-11-23T20:00:00.123Z level role[pid] message
// Any thread may write. Messages name upstream, cause and next step, and never
// a secret: URLs go through redactUrl() (base/text.h) first.
class Log {
public:
    Log(const std::string& path, LogLevel level);

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
    LogFile file_;
    LogLevel level_;
    std::string role_ = "master";
};

}  // namespace ociproxy

#endif
