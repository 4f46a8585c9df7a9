#include "store/quarantine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "ociproxy/base/error.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::size_t kRandomBytes = 8;
// Beyond that the log has said enough: a disk this broken is seen anyway.
constexpr std::size_t kMaxReported = 1024;

constexpr std::array<const char*, 6> kWords = {"size",     "digest", "unread",
                                               "metadata", "linked", "foreign"};

bool statAt(const Fd& directory, const std::string& name, struct stat* status) noexcept {
    return ::fstatat(directory.get(), name.c_str(), status, AT_SYMLINK_NOFOLLOW) == 0;
}

// Whoever holds it open sees by this that it is not what it was, in all processes, also
// those that know no generation: a verification by hand.
void stamp(const Fd& directory, const std::string& name) noexcept {
    struct timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    (void)::utimensat(directory.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

bool moveAside(Tree& tree, const Fd& from, const std::string& name,
               const std::string& target) {
    const Fd to = tree.makeDirectory(kQuarantineDirectory);
    if (::renameat(from.get(), name.c_str(), to.get(), target.c_str()) != 0) return false;
    stamp(to, target);
    return true;
}

bool removeAt(const Fd& directory, const std::string& name) noexcept {
    if (::unlinkat(directory.get(), name.c_str(), 0) == 0) return true;
    return errno == EISDIR && ::unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR) == 0;
}

SetAside freeName(Tree& tree, const Digest& digest, const StorePath& path, Damage damage,
                  const struct stat* seen) {
    const Fd directory = tree.findDirectory(path.directory);
    struct stat status = {};
    if (!directory || !statAt(directory, path.name, &status)) return SetAside::kGone;
    if (seen != nullptr && !isSameFile(*seen, status)) return SetAside::kGone;
    try {
        if (moveAside(tree, directory, path.name, quarantineName(digest, damage))) {
            return SetAside::kMoved;
        }
    } catch (const SysError&) {
        // No quarantine to be had; the name is to be free all the same.
    }
    if (removeAt(directory, path.name)) return SetAside::kRemoved;
    return errno == ENOENT ? SetAside::kGone : SetAside::kStays;
}

struct Kept {
    std::string name;
    std::int64_t at;
    std::uint64_t bytes;
};

std::vector<Kept> listQuarantine(const Fd& directory, const std::string& what) {
    std::vector<Kept> all;
    forEachName(directory.get(), what, [&](const std::string& name) {
        const std::optional<std::int64_t> at = quarantinedAt(name);
        struct stat status = {};
        if (!at || !statAt(directory, name, &status)) return;
        all.push_back({name, *at, static_cast<std::uint64_t>(status.st_size)});
    });
    std::sort(all.begin(), all.end(),
              [](const Kept& a, const Kept& b) { return a.at > b.at; });
    return all;
}

}  // namespace

const char* damageWord(Damage damage) noexcept {
    return kWords[static_cast<std::size_t>(damage)];
}

std::optional<Damage> judgeFile(const struct stat& status) noexcept {
    if (S_ISLNK(status.st_mode)) return Damage::kLinked;
    if (!isOwnFile(status)) return Damage::kForeign;
    if (status.st_nlink > 1) return Damage::kLinked;
    return std::nullopt;
}

std::string quarantineName(const Digest& digest, Damage damage) {
    return cat(digest.algorithmText(), '-', digest.hex(), '.', wallSeconds(), '.',
               damageWord(damage), '.', randomHex(kRandomBytes));
}

std::optional<std::int64_t> quarantinedAt(std::string_view name) {
    const std::vector<std::string_view> parts = split(name, '.');
    if (parts.size() != 4 || parts[3].size() != 2 * kRandomBytes) return std::nullopt;
    std::string digest(parts[0]);
    const std::size_t dash = digest.find('-');
    if (dash == std::string::npos) return std::nullopt;
    digest[dash] = ':';
    if (!Digest::parse(digest)) return std::nullopt;
    if (std::find(kWords.begin(), kWords.end(), parts[2]) == kWords.end()) return std::nullopt;
    const std::optional<std::uint64_t> at = parseUnsigned(parts[1]);
    if (!at || *at > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<std::int64_t>(*at);
}

SetAside setAside(Tree& tree, const Digest& digest, const StorePath& path, Damage damage,
                  const struct stat* seen) noexcept {
    try {
        return freeName(tree, digest, path, damage, seen);
    } catch (const SysError& error) {
        errno = error.code();
        return SetAside::kStays;
    } catch (const std::exception&) {
        errno = ENOMEM;
        return SetAside::kStays;
    }
}

unsigned trimQuarantine(Tree& tree, const QuarantineBounds& bounds) {
    const Fd directory = tree.findDirectory(kQuarantineDirectory);
    if (!directory) return 0;
    const std::int64_t oldest = wallSeconds() - bounds.seconds;
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    unsigned removed = 0;
    for (const Kept& kept : listQuarantine(directory, tree.absolute(kQuarantineDirectory))) {
        ++files;
        bytes += kept.bytes;
        if (files <= bounds.files && bytes <= bounds.bytes && kept.at >= oldest) continue;
        if (removeAt(directory, kept.name)) ++removed;
    }
    return removed;
}

void Quarantine::take(const Digest& digest, const StorePath& path, Damage damage,
                      const struct stat* seen, const std::string& detail) {
    const SetAside result = setAside(tree_, digest, path, damage, seen);
    const int cause = errno;
    if (result == SetAside::kGone) return;
    if (result == SetAside::kStays && !isNews(digest, path, seen)) return;
    if (generation_ != nullptr) generation_->fetch_add(1);
    if (damaged_ != nullptr) damaged_->fetch_add(1, std::memory_order_relaxed);
    errno = cause;
    report(digest, path, result, detail);
}

// Once per file that cannot be moved: the same digest may be hurt again after it was
// fetched again.
bool Quarantine::isNews(const Digest& digest, const StorePath& path, const struct stat* seen) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stuck_.size() >= kMaxReported) return false;
    const std::uint64_t inode = seen != nullptr ? seen->st_ino : 0;
    return stuck_.insert(cat(path.directory, ' ', digest.hex(), ' ', inode)).second;
}

void Quarantine::report(const Digest& digest, const StorePath& path, SetAside result,
                        const std::string& detail) {
    if (log_ == nullptr) return;
    const std::string found =
        cat(startsWith(path.directory, kMetadataDirectory) ? "metadata of " : "stored ",
            digest.text(), ' ', detail, ": ");
    if (result == SetAside::kStays) {
        log_->warning(cat(found, "it cannot be moved to ", kQuarantineDirectory, "/ (",
                          errnoText(errno), ") and counts as absent"));
        return;
    }
    log_->warning(cat(found, result == SetAside::kMoved ? "it was moved to " : "it was removed, "
                      "not moved to ", kQuarantineDirectory, "/ and is fetched again when asked "
                      "for"));
}

}  // namespace ociproxy
