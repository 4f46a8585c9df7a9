#include "store/directory.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "store/open_file.h"

namespace ociproxy {

namespace {

constexpr mode_t kDirectoryMode = 0700;

struct CloseDirectory {
    void operator()(DIR* stream) const noexcept { ::closedir(stream); }
};

// A stream of its own, so that the caller's descriptor keeps its position.
std::unique_ptr<DIR, CloseDirectory> openStream(int directory, const std::string& what) {
    Fd own(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!own) throwErrno("open " + what);
    std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(own.get()));
    if (!stream) throwErrno("read " + what);
    own.release();
    return stream;
}

bool isDots(const std::string& name) noexcept {
    return name == "." || name == "..";
}

}  // namespace

bool makeDirectoryAt(int parent, const std::string& name, const std::string& what) {
    if (::mkdirat(parent, name.c_str(), kDirectoryMode) != 0) {
        if (errno == EEXIST) return false;
        throwErrno("mkdir " + what);
    }
    struct stat status = {};
    if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        throwErrno("stat " + what);
    }
    // An odd umask took bits away.
    if ((status.st_mode & 0777) != kDirectoryMode &&
        ::fchmodat(parent, name.c_str(), kDirectoryMode, AT_SYMLINK_NOFOLLOW) != 0) {
        throwErrno("chmod " + what);
    }
    return true;
}

void makeDirectoriesBelow(int root, const std::string& path, const std::string& what,
                          Sync sync) {
    std::size_t begin = 0;
    while (begin <= path.size()) {
        std::size_t end = path.find('/', begin);
        if (end == std::string::npos) end = path.size();
        std::string above = begin == 0 ? "." : path.substr(0, begin - 1);
        Fd parent = openDirectoryBelow(root, above, what);
        if (!parent) throwErrno("mkdir " + what, ENOENT);
        makeDirectoryAt(parent.get(), path.substr(begin, end - begin), what);
        // Also when it was there: whoever made it may not have come to its sync.
        if (sync == Sync::kYes) syncDirectory(parent.get(), what);
        begin = end + 1;
    }
}

Fd openDirectoryBelow(int root, const std::string& path, const std::string& what) {
    Fd directory(openBeneath(root, path, O_RDONLY | O_DIRECTORY));
    if (!directory && errno != ENOENT) throwErrno("open directory " + what);
    return directory;
}

void syncDirectory(int directory, const std::string& what) {
    if (::fsync(directory) != 0 && errno != EINVAL) throwErrno("fsync directory " + what);
}

void forEachName(int directory, const std::string& what,
                 const std::function<void(const std::string& name)>& visit) {
    std::unique_ptr<DIR, CloseDirectory> stream = openStream(directory, what);
    for (;;) {
        errno = 0;
        const struct dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) {
            if (errno != 0) throwErrno("read " + what);
            return;
        }
        std::string name = entry->d_name;
        if (!isDots(name)) visit(name);
    }
}

}  // namespace ociproxy
