#ifndef OCIPROXY_BASE_LOG_WRITER_H
#define OCIPROXY_BASE_LOG_WRITER_H

#include <initializer_list>
#include <memory>

namespace ociproxy {

class LogFile;

// The one thread of a process that writes what its logs have queued, so that nothing
// else ever waits for a disk or a reader. One log that is stuck does not hold up the
// others. Made after the last fork of the process, which its thread would not cross.
//
// The first line after a silence is written at once; while more come, those of 20 ms go
// together with one write(2), and nobody is woken for them.
class LogWriter {
public:
    // Starts the thread. Borrows `logs`; that the first one cannot be opened anew is
    // said only there, of the others in the first as well. What the logs counted before
    // the fork stays with the parent. Throws SysError or std::system_error.
    explicit LogWriter(std::initializer_list<LogFile*> logs);
    // Flushes for at most a second and joins the thread, which a disk that hangs may
    // delay: a process that ends leaves without it (LogFile::flush() and _exit).
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
