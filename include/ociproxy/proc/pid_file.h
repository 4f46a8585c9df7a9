#ifndef OCIPROXY_PROC_PID_FILE_H
#define OCIPROXY_PROC_PID_FILE_H

#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

// The file that says which process is the master, for scripts. It is locked (flock)
// as long as the master lives: a file without a lock is stale, whatever it says.
//
// Made before privileges are dropped. At the end it is removed, or emptied where the
// directory does not let us any more. Not synchronized; belongs to the master, a
// child calls close().
class PidFile {
public:
    PidFile() noexcept = default;  // none
    // Writes getpid(). A file that another process has locked is tried again for
    // `patience`. Throws FatalError: EX_UNAVAILABLE naming the process that runs,
    // EX_CANTCREAT for all else. Root makes it only in a directory that no other user
    // can write to, and nobody follows a link.
    PidFile(const std::string& path, Millis patience);
    ~PidFile();
    PidFile(PidFile&& other) noexcept = default;
    PidFile& operator=(PidFile&& other) = delete;

    // A child's copy of the lock would outlive the master.
    void close() noexcept { fd_.reset(); }

private:
    bool isStillThere() const noexcept;

    std::string path_;
    Fd fd_;
};

}  // namespace ociproxy

#endif
