#ifndef OCIPROXY_SRC_STORE_TREE_H
#define OCIPROXY_SRC_STORE_TREE_H

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include "ociproxy/base/fd.h"
#include "store/layout.h"
#include "store/small_file.h"

namespace ociproxy {

// The cache directory of a running process, and every access to what is below it: all
// names are resolved beneath one descriptor and never through a link. When somebody has
// removed the directory, it is made again by the next write; the lock of the master then
// still lies in the removed one. Any thread; several processes may hold the same
// directory. Methods throw SysError; absence is a value.
class Tree {
public:
    // Throws Error as openCacheDirectory() does.
    explicit Tree(const std::string& directory, Durability durability = Durability::kFull);
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    // What the process waits for; kYes below counts for kFull alone.
    Durability durability() const noexcept { return durability_; }
    // For messages.
    std::string absolute(const std::string& path) const { return directory_ + '/' + path; }

    // A regular file of ours; invalid when absent. `access` is O_RDONLY or O_RDWR.
    Fd openFile(const StorePath& path, int access, struct stat* status);
    // Invalid when absent.
    Fd openDirectory(const std::string& path);
    // Likewise, but a link or a file in its place is absent, too: for walks over the tree.
    Fd findDirectory(const std::string& path);
    // Makes what is missing; kYes: durably.
    Fd makeDirectory(const std::string& path, Sync sync = Sync::kYes);
    // fsync(2) of a file. False when it is absent.
    bool syncFile(const StorePath& path);
    // Syncs the file, its directory, and that one's name in the directory above; once for as
    // long as this process sees the same directory there.
    void syncOnce(const StorePath& path);

    std::optional<std::string> readSmall(const StorePath& path);
    // Makes missing directories, as durable as the file.
    void writeSmall(const StorePath& path, std::string_view content, Sync sync);

    // Unlinks a file; false: it was not there.
    bool remove(const StorePath& path);

private:
    std::shared_ptr<const Fd> root() const;
    // True when the directory had been removed and there is a new one now.
    bool reopenIfRemoved(bool make);
    void makePath(const std::string& path, Sync sync);
    bool wasSynced(const std::string& path, ino_t inode);
    void noteSynced(const std::string& path, ino_t inode);

    const std::string directory_;
    const Durability durability_;
    mutable std::mutex mutex_;          // guards what follows
    std::shared_ptr<const Fd> root_;
    std::map<std::string, ino_t> synced_;
};

}  // namespace ociproxy

#endif
