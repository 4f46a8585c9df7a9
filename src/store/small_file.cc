#include "store/small_file.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"

namespace ociproxy {

namespace {

constexpr mode_t kFileMode = 0600;

// The file under its passing name; removes it unless it was renamed.
class Scratch {
public:
    Scratch(int directory, const std::string& name, const std::string& what)
        : directory_(directory), name_(scratchName(name)),
          file_(::openat(directory, name_.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode)) {
        if (!file_) throwErrno("create " + what);
    }
    ~Scratch() {
        if (!renamed_) ::unlinkat(directory_, name_.c_str(), 0);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    int fd() const noexcept { return file_.get(); }
    void renameTo(const std::string& name, const std::string& what) {
        if (::renameat(directory_, name_.c_str(), directory_, name.c_str()) != 0) {
            throwErrno("rename " + what);
        }
        renamed_ = true;
    }

private:
    int directory_;
    std::string name_;
    Fd file_;
    bool renamed_ = false;
};

}  // namespace

void replaceSmallFile(int directory, const std::string& name, std::string_view content,
                      Sync sync, const std::string& what) {
    if (content.size() > kMaxSmallFile) throwErrno("write " + what, EFBIG);
    Scratch scratch(directory, name, what);
    // The umask may have taken bits away.
    if (::fchmod(scratch.fd(), kFileMode) != 0) throwErrno("chmod " + what);
    writeAll(scratch.fd(), content.data(), content.size(), "write " + what);
    if (sync == Sync::kYes && ::fsync(scratch.fd()) != 0) {
        throwErrno("fsync " + what);
    }
    scratch.renameTo(name, what);
    if (sync == Sync::kYes) syncDirectory(directory, what);
}

std::optional<std::string> readSmallFile(int root, const std::string& path,
                                         const std::string& what) {
    struct stat status = {};
    Fd file = openOwnFile(root, path, O_RDONLY, &status, what);
    if (!file || status.st_size < 0) return std::nullopt;
    if (static_cast<std::uint64_t>(status.st_size) > kMaxSmallFile) return std::nullopt;
    // Never changed, only replaced: the size is final.
    std::string content(static_cast<std::size_t>(status.st_size), '\0');
    content.resize(preadAll(file.get(), content.data(), content.size(), 0, "read " + what));
    return content;
}

}  // namespace ociproxy
