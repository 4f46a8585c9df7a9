#include "ociproxy/base/log.h"

#include <cerrno>
#include <fcntl.h>
#include <iterator>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

const char* const kLevels[] = {"error", "warning", "info", "debug", "trace"};

bool isControl(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

int openLog(const std::string& path) noexcept {
    // O_NOCTTY: a log that is a terminal must not become ours.
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

std::string withoutControls(std::string_view line) {
    static const char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(line.size() + 1);
    for (char c : line) {
        if (isControl(c)) {
            unsigned byte = static_cast<unsigned char>(c);
            out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

const char* levelName(LogLevel level) noexcept {
    std::size_t index = static_cast<std::size_t>(level);
    OCIPROXY_ASSERT(index < std::size(kLevels));
    return kLevels[index];
}

std::optional<LogLevel> parseLevel(std::string_view name) noexcept {
    for (std::size_t i = 0; i < std::size(kLevels); ++i) {
        if (name == kLevels[i]) return static_cast<LogLevel>(i);
    }
    return std::nullopt;
}

LogFile::LogFile(const std::string& path) : path_(path) {
    if (path_ == "off") return;
    if (path_ == "stderr") {
        fd_ = STDERR_FILENO;
        return;
    }
    fd_ = openLog(path_);
    if (fd_ < 0) throwErrno("open log " + path_);
    ownsFile_ = true;
}

LogFile::~LogFile() {
    if (ownsFile_) ::close(fd_);
}

void LogFile::writeLine(std::string_view line) noexcept {
    if (!enabled()) return;
    reopenIfAsked();
    try {
        std::string out = withoutControls(line);
        out += '\n';
        ssize_t count;
        do {
            count = ::write(fd_, out.data(), out.size());
        } while (count < 0 && errno == EINTR);
        if (count == static_cast<ssize_t>(out.size())) return;
    } catch (...) {
        // No memory for the line: as one that cannot be written.
    }
    countDropped();
}

void LogFile::reopenIfAsked() noexcept {
    if (!reopen_.load(std::memory_order_relaxed)) return;
    if (!reopen_.exchange(false, std::memory_order_relaxed) || !ownsFile_) return;
    int fresh = openLog(path_);
    int moved = -1;
    if (fresh >= 0) {
        // Replaces the old file behind the same number in one step: a thread that
        // writes meanwhile hits one file or the other, never a closed descriptor.
        // EBUSY is a passing race with an open() in another thread.
        do {
            moved = ::dup3(fresh, fd_, O_CLOEXEC);
        } while (moved < 0 && (errno == EINTR || errno == EBUSY));
    }
    int code = errno;
    if (fresh >= 0) ::close(fresh);
    if (moved < 0) reportFailedReopen(code);
}

void LogFile::reportFailedReopen(int code) noexcept {
    try {
        writeLine(cat(logTime(), " error cannot reopen log ", path_, ": ", errnoText(code),
                      "; the old file is written on"));
    } catch (...) {
        countDropped();
    }
}

Log::Log(const std::string& path, LogLevel level) : file_(path), level_(level) {}

void Log::write(LogLevel level, std::string_view message) noexcept {
    if (!enabled(level) || !file_.enabled()) return;
    try {
        file_.writeLine(cat(logTime(), ' ', levelName(level), ' ', role_, '[', ::getpid(), "] ",
                            message));
    } catch (...) {
        file_.countDropped();
    }
}

}  // namespace ociproxy
