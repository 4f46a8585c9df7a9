#include "store/write_check.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "store/layout.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr mode_t kFileMode = 0600;

bool cannotBeUnnamed(int code) noexcept {
    return code == EOPNOTSUPP || code == EISDIR || code == EINVAL;
}

// Where there are no unnamed files, one whose name goes at once. What a death in between
// leaves is reaped as a download that nobody claims: no lineage is 0.
Fd namedFile(const Fd& directory) {
    const Digest digest = digestOf(DigestAlgorithm::kSha256, "");
    const std::string name = temporaryPath(digest, 0).name;
    Fd file(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                     kFileMode));
    if (file) ::unlinkat(directory.get(), name.c_str(), 0);
    return file;
}

Fd passingFile(const Fd& directory) {
    Fd file(::openat(directory.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kFileMode));
    return !file && cannotBeUnnamed(errno) ? namedFile(directory) : std::move(file);
}

}  // namespace

// A page: so much does a file system that is full not take.
void checkTreeWritable(Tree& tree) {
    const std::string what = tree.absolute(kTemporaryDirectory);
    const Fd directory = tree.makeDirectory(kTemporaryDirectory);
    const Fd file = passingFile(directory);
    if (!file) throwErrno("create a file in " + what);
    const std::array<char, 4096> page{};
    writeAll(file.get(), page.data(), page.size(), "write to a file in " + what);
}

}  // namespace ociproxy
