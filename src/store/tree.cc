#include "store/tree.h"

#include <cerrno>
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

Fd Tree::makeDirectory(const std::string& path) {
    for (int i = 0; i < kAttempts; ++i) {
        Fd directory = openDirectory(path);
        // One that is open but removed looks well until something is made in it.
        if (directory && statusOf(directory.get(), absolute(path)).st_nlink > 0) return directory;
        makePath(path);
    }
    throwErrno("mkdir " + absolute(path), ENOENT);
}

void Tree::makePath(const std::string& path) {
    try {
        reopenIfRemoved(true);
        std::shared_ptr<const Fd> root = this->root();
        // Then more than this path is gone.
        if (!openDirectoryBelow(root->get(), topOf(path), absolute(path))) {
            makeTree(root->get(), directory_);
        }
        makeDirectoriesBelow(root->get(), path, absolute(path),
                             durability_ == Durability::kFull ? Sync::kYes : Sync::kNo);
    } catch (const SysError& error) {
        // Removed meanwhile: the caller looks again.
        if (error.code() != ENOENT) throw;
    }
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
        Fd directory = makeDirectory(path.directory);
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
