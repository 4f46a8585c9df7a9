#include "store/usage.h"

#include <fcntl.h>
#include <string>
#include <sys/stat.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// The regular file of ours of that name; false when it is gone or something else.
bool statOwnFile(const Fd& directory, const std::string& name, struct stat* status) noexcept {
    return ::fstatat(directory.get(), name.c_str(), status, AT_SYMLINK_NOFOLLOW) == 0 &&
           isOwnFile(*status);
}

void countFanOut(Tree& tree, DigestAlgorithm algorithm, const std::string& fanOut,
                 Store::Usage* usage) {
    std::string path = cat(kBlobsDirectory, '/', algorithmName(algorithm), '/', fanOut);
    Fd directory = tree.findDirectory(path);
    if (!directory) return;
    forEachName(directory.get(), tree.absolute(path), [&](const std::string& name) {
        struct stat status = {};
        if (!isContentName(algorithm, fanOut, name)) return;
        if (!statOwnFile(directory, name, &status)) return;
        usage->bytes += static_cast<std::uint64_t>(status.st_size);
        usage->files += 1;
    });
}

}  // namespace

Store::Usage measureContent(Tree& tree) {
    Store::Usage usage;
    for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                      DigestAlgorithm::kSha512}) {
        std::string top = cat(kBlobsDirectory, '/', algorithmName(algorithm));
        if (!tree.findDirectory(top)) continue;
        for (unsigned i = 0; i < kFanOut; ++i) countFanOut(tree, algorithm, fanOutName(i), &usage);
    }
    return usage;
}

}  // namespace ociproxy
