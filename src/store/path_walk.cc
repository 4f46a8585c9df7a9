#include "store/cache_directory.h"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/account.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/open_file.h"

namespace ociproxy {

namespace {

constexpr int kMaxLinks = 40;  // as many as the kernel follows
constexpr std::size_t kMaxTarget = 4096;

bool meansForbidden(int code) noexcept {
    return code == EACCES || code == EPERM;
}

// The command with which an administrator gives us the directory.
std::string howToOwn(const std::string& path) {
    return cat("install -d -o ", userName(::geteuid()), " -m 700 ", path);
}

// One walk from the root to a directory. Once it has passed a directory that everybody
// may write to, somebody else may have put there what comes next: then links are
// refused and owners count.
class PathWalk {
public:
    explicit PathWalk(const std::string& path) : path_(path) {
        if (!startsWith(path, "/")) refuse("is not an absolute path");
        prepend(path);
        restart();
    }

    // The directory, as O_PATH; invalid when it is missing and may not be made.
    Fd run(IfMissing ifMissing) {
        while (!rest_.empty()) {
            std::string name = rest_.front();
            rest_.pop_front();
            if (!step(name, ifMissing)) return Fd();
        }
        return std::move(at_);
    }

private:
    bool step(const std::string& name, IfMissing ifMissing);
    void enter(Fd next, const struct stat& status);
    void expand(const Fd& link);
    void prepend(std::string_view path);
    void restart();
    void make(const std::string& name);
    [[noreturn]] void failOpening(const std::string& name, int code) const;
    [[noreturn]] void refuse(const std::string& why) const;

    const std::string& path_;
    std::deque<std::string> rest_;
    Fd at_;
    bool exposed_ = false;  // passed a directory that everybody may write to
    int links_ = 0;
};

bool PathWalk::step(const std::string& name, IfMissing ifMissing) {
    if (name == ".." && exposed_) refuse("goes up with \"..\" from where everybody may write");
    Fd next(::openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next && errno == ENOENT) {
        if (ifMissing == IfMissing::kLeave) return false;
        make(name);
        next.reset(::openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!next) failOpening(name, errno);
    struct stat status = statusOf(next.get(), path_);
    if (!S_ISLNK(status.st_mode)) {
        enter(std::move(next), status);
    } else if (exposed_) {
        refuse(cat("leads through the symbolic link ", name,
                   " below a directory that everybody may write to: remove the link or choose "
                   "another cache_dir"));
    } else {
        expand(next);
    }
    return true;
}

void PathWalk::enter(Fd next, const struct stat& status) {
    if (!S_ISDIR(status.st_mode)) refuse("leads through something that is not a directory");
    if (exposed_ && status.st_uid != ::geteuid() && status.st_uid != 0) {
        refuse(cat("leads through a directory of another user (", userName(status.st_uid),
                   ") below a directory that everybody may write to: choose another cache_dir"));
    }
    if ((status.st_mode & S_IWOTH) != 0) exposed_ = true;
    at_ = std::move(next);
}

void PathWalk::expand(const Fd& link) {
    if (++links_ > kMaxLinks) refuse("leads through too many symbolic links");
    std::string target(kMaxTarget, '\0');
    ssize_t size = ::readlinkat(link.get(), "", target.data(), target.size());
    if (size < 0) throwErrno(cat("readlink of cache directory ", path_));
    target.resize(static_cast<std::size_t>(size));
    prepend(target);
    if (startsWith(target, "/")) restart();
}

void PathWalk::prepend(std::string_view path) {
    std::deque<std::string> parts;
    for (std::string_view part : split(path, '/')) {
        if (!part.empty() && part != ".") parts.emplace_back(part);
    }
    rest_.insert(rest_.begin(), parts.begin(), parts.end());
}

void PathWalk::restart() {
    Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) throwErrno("open /");
    struct stat status = statusOf(root.get(), "/");
    enter(std::move(root), status);
}

void PathWalk::make(const std::string& name) {
    try {
        makeDirectoryAt(at_.get(), name, path_);
    } catch (const SysError& failure) {
        if (!meansForbidden(failure.code())) throw;
        refuse(cat("is missing and cannot be made: ", errnoText(failure.code()), "; ",
                   howToOwn(path_), " makes it"));
    }
    // As far as we may: the directory above need not be readable for us.
    Fd readable(::openat(at_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (readable) syncDirectory(readable.get(), path_);
}

void PathWalk::failOpening(const std::string& name, int code) const {
    if (!meansForbidden(code)) throwErrno(cat("open ", name, " of cache directory ", path_), code);
    refuse(cat("lies below a directory that ", userName(::geteuid()), " may not search, above ",
               name, ": ", errnoText(code), "; choose another cache_dir, or chmod a+x it"));
}

void PathWalk::refuse(const std::string& why) const {
    throw Error(cat("cache directory ", path_, ' ', why));
}

// A mode of ours that keeps even us out is mended through the descriptor: the name
// might mean something else by now.
Fd openForReading(const Fd& directory, const std::string& path) {
    Fd readable(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (readable || errno != EACCES) return readable;
    std::string name = cat("/proc/self/fd/", directory.get());
    if (::chmod(name.c_str(), 0700) != 0) throwErrno(cat("chmod cache directory ", path));
    readable.reset(::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return readable;
}

}  // namespace

Fd openCacheDirectory(const std::string& path, IfMissing ifMissing) {
    Fd found = PathWalk(path).run(ifMissing);
    if (!found) return Fd();
    struct stat status = statusOf(found.get(), path);
    if (status.st_uid != ::geteuid()) {
        const std::string us = userName(::geteuid());
        throw Error(cat("cache directory ", path, " belongs to another user (",
                        userName(status.st_uid), ", we are ", us, "): choose another cache_dir or "
                        "user; ", howToOwn(path), " makes it ours, chown -R ", us, " one in use"));
    }
    Fd readable = openForReading(found, path);
    if (!readable) throwErrno(cat("open cache directory ", path));
    return readable;
}

}  // namespace ociproxy
