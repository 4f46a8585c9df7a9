#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/cache_directory.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/small_file.h"

namespace ociproxy {

namespace {

constexpr const char* kLayoutVersion = "1";

const char* const kTopDirectories[] = {kBlobsDirectory, kMetadataDirectory,
                                       kRepositoriesDirectory, kTemporaryDirectory,
                                       kQuarantineDirectory};

// Names that a cache directory may hold before its version file is written.
bool isOurName(const std::string& name) {
    for (const char* ours : kTopDirectories) {
        if (name == ours) return true;
    }
    return name == kLockFile || name == kVersionFile || name == kUnsyncedFile ||
           name == "seal.key" || name == "lost+found" || isScratchName(name);
}

bool holdsForeignNames(int directory, const std::string& path) {
    bool foreign = false;
    forEachName(directory, path, [&](const std::string& name) {
        foreign = foreign || !isOurName(name);
    });
    return foreign;
}

bool exists(int directory, const char* name) {
    struct stat status = {};
    return ::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

// What was there a moment ago; a link or a file in its place shows here, not at the
// first request.
Fd openMade(int parent, const std::string& name, const std::string& what) {
    Fd directory = openDirectoryBelow(parent, name, what);
    if (!directory) throwErrno("open directory " + what, ENOENT);
    return directory;
}

bool makeAll(int directory, const std::string& what) {
    bool made = false;
    for (unsigned i = 0; i < kFanOut; ++i) {
        if (makeDirectoryAt(directory, fanOutName(i), what)) made = true;
    }
    return made;
}

// The tree below one of the top directories, as far as it is made in advance: then a
// commit has none to make and sync first. Collects what is to be synced.
void makeFanOut(int root, const char* top, const std::string& path, bool fresh,
                std::vector<Fd>* toSync) {
    std::string what = cat(path, '/', top);
    Fd directory = openMade(root, top, what);
    const char* algorithm = algorithmName(DigestAlgorithm::kSha256);
    bool made = makeDirectoryAt(directory.get(), algorithm, what);
    Fd inner = openMade(directory.get(), algorithm, cat(what, '/', algorithm));
    if (made || fresh) toSync->push_back(std::move(directory));
    if (makeAll(inner.get(), what) || fresh) toSync->push_back(std::move(inner));
}

}  // namespace

void checkLayoutVersion(int directory, const std::string& path) {
    std::string file = cat(path, '/', kVersionFile);
    std::optional<std::string> content = readSmallFile(directory, kVersionFile, file);
    if (!content) {
        if (!exists(directory, kVersionFile)) return;
        throw Error(cat(file, " is not a regular file of ours: choose another cache_dir"));
    }
    if (*content == cat(kLayoutVersion, '\n')) return;
    std::string_view found(*content);
    found = found.substr(0, std::min<std::size_t>(found.find('\n'), 32));
    throw Error(cat("cache directory ", path, " has layout version \"", logEscape(found),
                    "\", this ociproxy knows only ", kLayoutVersion,
                    ": choose another cache_dir or run the ociproxy that made it"));
}

void restrictToOwner(int directory, const std::string& path) {
    struct stat status = statusOf(directory, path);
    if ((status.st_mode & 0777) == 0700) return;
    if (!exists(directory, kVersionFile) && holdsForeignNames(directory, path)) {
        throw Error(cat("cache directory ", path, " is open to other users and holds files that "
                        "are not ours: choose an empty directory as cache_dir"));
    }
    if (::fchmod(directory, 0700) != 0) throwErrno(cat("chmod cache directory ", path));
}

void makeTree(int directory, const std::string& path) {
    bool made = false;
    for (const char* name : kTopDirectories) {
        std::string what = cat(path, '/', name);
        if (makeDirectoryAt(directory, name, what)) made = true;
        openMade(directory, name, what);
    }
    // Synced together, at the end: journalling file systems do it in one go.
    // Without a version file, whoever began may not have come to that.
    bool fresh = !exists(directory, kVersionFile);
    std::vector<Fd> toSync;
    makeFanOut(directory, kBlobsDirectory, path, fresh, &toSync);
    makeFanOut(directory, kMetadataDirectory, path, fresh, &toSync);
    for (const Fd& each : toSync) syncDirectory(each.get(), path);
    if (fresh) {
        replaceSmallFile(directory, kVersionFile, cat(kLayoutVersion, '\n'),
                         Sync::kYes, cat(path, '/', kVersionFile));
    } else if (made) {
        syncDirectory(directory, path);
    }
}

}  // namespace ociproxy
