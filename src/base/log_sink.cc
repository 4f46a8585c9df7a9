#include "base/log_sink.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/error.h"

namespace ociproxy {

namespace {

constexpr const char* kStderrLink = "/proc/self/fd/2";

bool isFifo(const char* path) noexcept {
    struct stat info{};
    return ::stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
}

// As many whole lines as a pipe takes in one piece, or the beginning of one line.
std::string_view piece(std::string_view lines) noexcept {
    if (lines.size() <= PIPE_BUF) return lines;
    const std::size_t end = lines.rfind('\n', PIPE_BUF - 1);
    return lines.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

}  // namespace

std::unique_ptr<LogSink> openLogSink(const LogFile::Options& options) {
    if (options.path == "stderr") return std::make_unique<FileSink>();
    if (options.path == "syslog") return std::make_unique<SyslogSink>(options.syslogSocket);
    return std::make_unique<FileSink>(options.path);
}

// stderr is shared with whoever started us and with our siblings: O_NONBLOCK would be
// theirs too. A pipe or a terminal opened anew by its link has flags of its own; where
// that is forbidden, asking first is the best there is.
FileSink::FileSink() : fd_(STDERR_FILENO) {
    struct stat info{};
    const bool known = ::fstat(STDERR_FILENO, &info) == 0;
    if (known && S_ISREG(info.st_mode)) return;
    kind_ = known && S_ISSOCK(info.st_mode) ? Kind::kSocket : Kind::kShared;
    if (kind_ == Kind::kSocket) return;
    Fd fd(::open(kStderrLink, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (fd.valid()) adopt(std::move(fd));
}

FileSink::FileSink(const std::string& path) : path_(path), fd_(-1) {
    const int code = open();
    if (code != 0) throwErrno("open log " + path_, code);
}

int FileSink::open() noexcept {
    // A fifo is opened for reading too: then it needs no reader for us to start, nor
    // does one that restarts lose what is in it.
    const int access = isFifo(path_.c_str()) ? O_RDWR : O_WRONLY | O_CREAT;
    // O_NOCTTY: a log that is a terminal must not become ours.
    Fd fd(::open(path_.c_str(), access | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640));
    if (!fd.valid()) return errno;
    adopt(std::move(fd));
    return 0;
}

void FileSink::adopt(Fd fd) noexcept {
    struct stat info{};
    const bool regular = ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode);
    kind_ = regular ? Kind::kRegular : Kind::kNonBlocking;
    own_ = std::move(fd);
    fd_ = own_.get();
}

int FileSink::reopen() noexcept {
    return path_.empty() ? 0 : open();
}

std::size_t FileSink::longest() const noexcept {
    return kind_ == Kind::kRegular ? 0 : PIPE_BUF;
}

LogSink::Outcome FileSink::write(std::string_view lines) noexcept {
    Outcome outcome;
    while (outcome.written < lines.size() && outcome.error == 0) {
        const long count = writeOnce(lines.substr(outcome.written));
        if (count >= 0) {
            outcome.written += static_cast<std::size_t>(count);
        } else if (errno != EINTR) {
            outcome.error = errno;
        }
    }
    return outcome;
}

long FileSink::writeOnce(std::string_view lines) noexcept {
    // The kernel appends what comes in one call in one piece.
    if (kind_ == Kind::kRegular) return ::write(fd_, lines.data(), lines.size());
    const std::string_view part = piece(lines);
    if (kind_ == Kind::kSocket) {
        return ::send(fd_, part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    pollfd writable{fd_, POLLOUT, 0};
    if (kind_ == Kind::kShared && ::poll(&writable, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return ::write(fd_, part.data(), part.size());
}

}  // namespace ociproxy
