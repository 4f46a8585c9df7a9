#include "ociproxy/store/disk_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <string_view>
#include <sys/statvfs.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kBlock = 512;  // what st_blocks counts in

}  // namespace

DiskSpace::DiskSpace(const std::string& directory) : tree_(std::make_unique<Tree>(directory)) {}
DiskSpace::~DiskSpace() = default;

DiskSpace::Figures DiskSpace::figures() {
    const Fd directory = tree_->openDirectory(".");
    struct statvfs system = {};
    if (!directory) throwErrno("open " + tree_->absolute("."), ENOENT);
    if (::fstatvfs(directory.get(), &system) != 0) throwErrno("statvfs " + tree_->absolute("."));
    Figures out;
    out.total = system.f_blocks * system.f_frsize;
    out.available = system.f_bavail * system.f_frsize;
    return out;
}

std::uint64_t DiskSpace::inFlight() {
    std::uint64_t bytes = 0;
    const Fd directory = tree_->findDirectory(kTemporaryDirectory);
    if (!directory) return bytes;
    forEachName(directory.get(), tree_->absolute(kTemporaryDirectory),
                [&](const std::string& name) {
        struct stat status = {};
        if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        if (isOwnFile(status)) bytes += static_cast<std::uint64_t>(status.st_blocks) * kBlock;
    });
    return bytes;
}

std::optional<std::uint64_t> DiskSpace::rememberedBound() {
    const Fd directory = tree_->openDirectory(".");
    if (!directory) return std::nullopt;
    const std::string what = tree_->absolute(kBoundFile);
    const std::optional<std::string> text = readSmallFile(directory.get(), kBoundFile, what);
    if (!text) return std::nullopt;
    const std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
    const std::optional<std::uint64_t> bytes = parseUnsigned(line);
    return bytes && *bytes > 0 ? bytes : std::nullopt;
}

void DiskSpace::rememberBound(std::uint64_t bytes) {
    tree_->writeSmall({".", kBoundFile}, cat(bytes, '\n'), Sync::kYes);
}

}  // namespace ociproxy
