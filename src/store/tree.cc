#include "store/tree.h"

#include <cerrno>
#include <fcntl.h>
#include <utility>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "store/cache_directory.h"
#include "store/directory.h"
#include "store/open_file.h"

namespace ociproxy {

namespace {

// How often something is made again that others remove at the same time.
constexpr int kAttempts = 3;
constexpr std::size_t kMaxSynced = 4096;

// While running, a directory that may not be used any more is a fault of the disk.
Fd reopenDirectory(const std::string& path, IfMissing ifMissing) {
    try {
        return openCacheDirectory(path, ifMissing);
    } catch (const SysError&) {
        throw;
    } catch (const Error& error) {
        throw SysError(error.what(), ESTALE);
    }
}

std::string topOf(const std::string& path) {
    return path.substr(0, path.find('/'));
}

}  // namespace

Tree::Tree(const std::string& directory, Durability durability)
    : directory_(directory), durability_(durability),
      root_(std::make_shared<const Fd>(openCacheDirectory(directory, IfMissing::kMake))) {}

std::shared_ptr<const Fd> Tree::root() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return root_;
}

bool Tree::reopenIfRemoved(bool make) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (statusOf(root_->get(), directory_).st_nlink > 0) return false;
    Fd fresh = reopenDirectory(directory_, make ? IfMissing::kMake : IfMissing::kLeave);
    if (!fresh) return false;
    root_ = std::make_shared<const Fd>(std::move(fresh));
    synced_.clear();
    return true;
}

Fd Tree::openFile(const StorePath& path, int access, struct stat* status) {
    std::string text = path.text();
    std::string what = absolute(text);
    Fd file = openOwnFile(root()->get(), text, access, status, what);
    if (!file && errno == ENOENT && reopenIfRemoved(false)) {
        file = openOwnFile(root()->get(), text, access, status, what);
    }
    return file;
}

Fd Tree::openDirectory(const std::string& path) {
    Fd directory = openDirectoryBelow(root()->get(), path, absolute(path));
    if (!directory && reopenIfRemoved(false)) {
        directory = openDirectoryBelow(root()->get(), path, absolute(path));
    }
    return directory;
}

Fd Tree::findDirectory(const std::string& path) {
    try {
        return openDirectory(path);
    } catch (const SysError& error) {
        if (!meansAbsent(error.code())) throw;
        return Fd();
    }
}

Fd Tree::makeDirectory(const std::string& path, Sync sync) {
    for (int i = 0; i < kAttempts; ++i) {
        Fd directory = openDirectory(path);
        // One that is open but removed looks well until something is made in it.
        if (directory && statusOf(directory.get(), absolute(path)).st_nlink > 0) return directory;
        makePath(path, sync);
    }
    throwErrno("mkdir " + absolute(path), ENOENT);
}

void Tree::makePath(const std::string& path, Sync sync) {
    try {
        reopenIfRemoved(true);
        std::shared_ptr<const Fd> root = this->root();
        // Then more than this path is gone.
        if (!openDirectoryBelow(root->get(), topOf(path), absolute(path))) {
            makeTree(root->get(), directory_);
        }
        makeDirectoriesBelow(root->get(), path, absolute(path),
                             durability_ == Durability::kFull ? sync : Sync::kNo);
    } catch (const SysError& error) {
        // Removed meanwhile: the caller looks again.
        if (error.code() != ENOENT) throw;
    }
}

bool Tree::syncFile(const StorePath& path) {
    struct stat status = {};
    const Fd file = openFile(path, O_RDONLY, &status);
    if (!file) return false;
    if (::fsync(file.get()) != 0) throwErrno("fsync " + absolute(path.text()));
    return true;
}

void Tree::syncOnce(const StorePath& path) {
    const Fd directory = openDirectory(path.directory);
    if (!directory) return;
    const ino_t inode = statusOf(directory.get(), absolute(path.directory)).st_ino;
    if (wasSynced(path.directory, inode)) return;
    const std::string above = path.directory.substr(0, path.directory.rfind('/'));
    const Fd parent = openDirectory(above);
    if (!parent || !syncFile(path)) return;
    syncDirectory(directory.get(), absolute(path.directory));
    syncDirectory(parent.get(), absolute(above));
    noteSynced(path.directory, inode);
}

bool Tree::wasSynced(const std::string& path, ino_t inode) {
    std::lock_guard<std::mutex> lock(mutex_);
    const std::map<std::string, ino_t>::const_iterator found = synced_.find(path);
    return found != synced_.end() && found->second == inode;
}

void Tree::noteSynced(const std::string& path, ino_t inode) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (synced_.size() >= kMaxSynced) synced_.clear();  // costs a few syncs
    synced_[path] = inode;
}

std::optional<std::string> Tree::readSmall(const StorePath& path) {
    std::string text = path.text();
    std::optional<std::string> content = readSmallFile(root()->get(), text, absolute(text));
    if (!content && errno == ENOENT && reopenIfRemoved(false)) {
        content = readSmallFile(root()->get(), text, absolute(text));
    }
    return content;
}

void Tree::writeSmall(const StorePath& path, std::string_view content, Sync sync) {
    std::string what = absolute(path.text());
    for (int i = 1;; ++i) {
        Fd directory = makeDirectory(path.directory, sync);
        try {
            replaceSmallFile(directory.get(), path.name, content,
                             durability_ == Durability::kFull ? sync : Sync::kNo, what);
            return;
        } catch (const SysError& error) {
            // The directory or the scratch file was removed under our hands.
            if (error.code() != ENOENT || i == kAttempts) throw;
        }
    }
}

bool Tree::remove(const StorePath& path) {
    Fd directory = openDirectory(path.directory);
    if (!directory) return false;
    if (::unlinkat(directory.get(), path.name.c_str(), 0) == 0) return true;
    if (errno != ENOENT) throwErrno("unlink " + absolute(path.text()));
    return false;
}

}  // namespace ociproxy
