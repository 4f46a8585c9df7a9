#ifndef OCIPROXY_SRC_BASE_LOG_SINK_H
#define OCIPROXY_SRC_BASE_LOG_SINK_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ociproxy/base/fd.h"
#include "ociproxy/base/log.h"

namespace ociproxy {

// The place where the lines of one log end up. One thread at a time; waits for nothing
// but the disk below a regular file. Nothing throws but openLogSink().
class LogSink {
public:
    // How far a write came, in bytes. `error`: 0 when all is written, EAGAIN when it
    // may go on once waitFd() is writable, else an errno.
    struct Outcome {
        std::size_t written = 0;
        int error = 0;
    };

    virtual ~LogSink() = default;
    // `lines` is the rest of a sequence of records: lines, each with its line feed; with
    // marked() each begins with the digit of its syslog severity. One call may write but
    // a part, which is then not torn: a next call that begins there completes it.
    virtual Outcome write(std::string_view lines) noexcept = 0;
    // Opens the file anew. Returns 0, or the errno with which the old one is kept.
    virtual int reopen() noexcept { return 0; }
    virtual int waitFd() const noexcept = 0;
    virtual bool marked() const noexcept { return false; }
    // The longest line that is written in one piece, its line feed included; 0: any.
    // Any thread may ask.
    virtual std::size_t longest() const noexcept = 0;
};

// Opens LogFile::Options::path, which is not "off". Throws SysError.
std::unique_ptr<LogSink> openLogSink(const LogFile::Options& options);

// stderr or a file.
class FileSink : public LogSink {
public:
    // stderr itself, or a description of our own of what it is.
    FileSink();
    explicit FileSink(const std::string& path);

    Outcome write(std::string_view lines) noexcept override;
    int reopen() noexcept override;
    int waitFd() const noexcept override { return fd_; }
    std::size_t longest() const noexcept override;

private:
    enum class Kind : std::uint8_t { kRegular, kNonBlocking, kShared, kSocket };

    int open() noexcept;
    void adopt(Fd fd) noexcept;
    long writeOnce(std::string_view lines) noexcept;

    std::string path_;  // empty: stderr
    Fd own_;
    int fd_;
    std::atomic<Kind> kind_{Kind::kRegular};  // any thread asks for longest()
};

// The datagram socket of syslog(3), facility daemon. Tried anew when nobody listens.
class SyslogSink : public LogSink {
public:
    explicit SyslogSink(const std::string& socketPath);

    Outcome write(std::string_view lines) noexcept override;
    int waitFd() const noexcept override { return socket_.get(); }
    bool marked() const noexcept override { return true; }
    std::size_t longest() const noexcept override;

private:
    int connect() noexcept;
    int send(std::string_view record) noexcept;
    int sendOnce(std::string_view record) noexcept;

    std::string path_;
    Fd socket_;
};

}  // namespace ociproxy

#endif
