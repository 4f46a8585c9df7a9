#include "ociproxy/store/unsynced.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/record.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// Times of files come from a clock that ticks as slowly as that, and are cut to seconds.
constexpr std::int64_t kSlack = 1;

StorePath markPath() {
    return {".", kUnsyncedFile};
}

void syncFileSystem(Tree& tree) {
    const Fd root = tree.openDirectory(".");
    if (!root || ::syncfs(root.get()) != 0) throwErrno("syncfs " + tree.absolute("."));
}

// A mark that says nothing is as if nothing had ever been synced.
std::int64_t syncedUntil(const std::string& mark) {
    const std::optional<Record> record = Record::parse(mark);
    return record ? record->getTime("synced").value_or(0) : 0;
}

std::uint64_t dropIn(Tree& tree, DigestAlgorithm algorithm, const std::string& fanOut,
                     std::int64_t since) {
    const std::string path = cat(kBlobsDirectory, '/', algorithmName(algorithm), '/', fanOut);
    const Fd directory = tree.findDirectory(path);
    if (!directory) return 0;
    std::uint64_t count = 0;
    forEachName(directory.get(), tree.absolute(path), [&](const std::string& name) {
        struct stat status = {};
        if (!isContentName(algorithm, fanOut, name)) return;
        if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        if (!isOwnFile(status) || status.st_mtim.tv_sec < since) return;
        if (tree.remove({path, name})) ++count;
    });
    return count;
}

}  // namespace

std::uint64_t dropUnsynced(const std::string& directory) {
    Tree tree(directory);
    const std::optional<std::string> mark = tree.readSmall(markPath());
    if (!mark) return 0;
    const std::int64_t since = syncedUntil(*mark) - kSlack;
    std::uint64_t count = 0;
    for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                      DigestAlgorithm::kSha512}) {
        for (unsigned i = 0; i < kFanOut; ++i) {
            count += dropIn(tree, algorithm, fanOutName(i), since);
        }
    }
    // What was dropped must not come back without the mark.
    syncFileSystem(tree);
    tree.remove(markPath());
    return count;
}

void markSynced(const std::string& directory) {
    Tree tree(directory);
    Record record;
    record.setTime("synced", wallSeconds());
    syncFileSystem(tree);
    tree.writeSmall(markPath(), record.text(), Sync::kYes);
}

void endUnsynced(const std::string& directory) {
    Tree tree(directory);
    syncFileSystem(tree);
    tree.remove(markPath());
}

}  // namespace ociproxy
