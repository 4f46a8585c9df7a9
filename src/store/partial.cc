#include "store/partial.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/open_file.h"
#include "store/tree.h"
#include "store/usage.h"

namespace ociproxy {

namespace {

constexpr int kLockTries = 20;
constexpr Millis kLockPause{10};
constexpr std::uint64_t kBlock = 512;  // the unit of st_blocks

struct Partial {
    std::string name;
    std::uint64_t bytes = 0;  // on the disk
    Millis age{0};
    bool stored = false;      // there is content of its digest
};

bool isStored(Tree& tree, const Digest& digest) {
    struct stat status = {};
    return static_cast<bool>(tree.openFile(contentPath(digest), O_RDONLY, &status));
}

std::vector<Partial> findPartials(Tree& tree, const Fd& directory) {
    std::vector<Partial> found;
    forEachName(directory.get(), tree.absolute(kTemporaryDirectory), [&](const std::string& name) {
        const std::optional<Digest> digest = partialDigestOf(name);
        struct stat status = {};
        if (!digest ||
            ::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !isOwnFile(status)) {
            return;
        }
        found.push_back({name, static_cast<std::uint64_t>(status.st_blocks) * kBlock,
                         sinceWritten(status), isStored(tree, *digest)});
    });
    return found;
}

// One that nobody claims and nobody writes to.
bool keepOne(Tree& tree, const std::string& name, Millis idle) {
    const StorePath path{kTemporaryDirectory, name};
    struct stat status = {};
    const Fd file = tree.openFile(path, O_RDWR, &status);
    if (!file || sinceWritten(status) < idle || !lockFile(file)) return false;
    return makePartial(tree, path, *temporaryDigestOf(name), file,
                       static_cast<std::uint64_t>(status.st_size));
}

bool hasLonger(Tree& tree, const Digest& digest, std::uint64_t size) {
    struct stat status = {};
    const Fd present = tree.openFile(partialPath(digest), O_RDONLY, &status);
    return present && static_cast<std::uint64_t>(status.st_size) >= size;
}

}  // namespace

bool lockFile(const Fd& file) noexcept {
    return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool lockFileSoon(const Fd& file) noexcept {
    for (int i = 1; !lockFile(file); ++i) {
        if (i == kLockTries) return false;
        std::this_thread::sleep_for(kLockPause);
    }
    return true;
}

bool makePartial(Tree& tree, const StorePath& from, const Digest& digest, const Fd& file,
                 std::uint64_t size) {
    if (size < kLeastPartial || hasLonger(tree, digest, size)) return false;
    const std::string what = tree.absolute(from.text());
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) throwErrno("truncate " + what);
    const Fd directory = tree.openDirectory(from.directory);
    if (!directory) return false;
    const std::string name = partialPath(digest).name;
    if (::renameat(directory.get(), from.name.c_str(), directory.get(), name.c_str()) != 0) {
        throwErrno("keep " + what);
    }
    return true;
}

std::uint64_t takePartial(Tree& tree, const Digest& digest, std::uint64_t lineage) {
    const StorePath from = partialPath(digest);
    const StorePath to = temporaryPath(digest, lineage);
    const Fd directory = tree.openDirectory(from.directory);
    if (!directory) return 0;
    if (::renameat(directory.get(), from.name.c_str(), directory.get(), to.name.c_str()) != 0) {
        if (errno == ENOENT) return 0;
        throwErrno("take " + tree.absolute(from.text()));
    }
    struct stat status = {};
    const Fd file = tree.openFile(to, O_RDONLY, &status);
    return file ? static_cast<std::uint64_t>(status.st_size) : 0;
}

unsigned keepPartials(Tree& tree, const std::set<std::uint64_t>& inUse, Millis idle) {
    const Fd directory = tree.findDirectory(kTemporaryDirectory);
    if (!directory) return 0;
    unsigned count = 0;
    forEachName(directory.get(), tree.absolute(kTemporaryDirectory), [&](const std::string& name) {
        const std::optional<std::uint64_t> lineage = lineageOf(name);
        if (lineage && inUse.count(*lineage) == 0 && keepOne(tree, name, idle)) ++count;
    });
    return count;
}

// The youngest stay, as many as there is room for.
unsigned reapPartials(Tree& tree, Millis maxAge, std::uint64_t maxBytes) {
    const Fd directory = tree.findDirectory(kTemporaryDirectory);
    if (!directory) return 0;
    std::vector<Partial> found = findPartials(tree, directory);
    std::sort(found.begin(), found.end(),
              [](const Partial& a, const Partial& b) { return a.age < b.age; });
    unsigned count = 0;
    std::uint64_t bytes = 0;
    for (const Partial& partial : found) {
        const bool stays = !partial.stored && partial.age < maxAge &&
                           partial.bytes <= maxBytes - std::min(bytes, maxBytes);
        if (stays) bytes += partial.bytes;
        if (!stays && ::unlinkat(directory.get(), partial.name.c_str(), 0) == 0) ++count;
    }
    return count;
}

}  // namespace ociproxy
