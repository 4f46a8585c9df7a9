#include "store/content_reader.h"

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/layout.h"
#include "store/metadata.h"
#include "store/quarantine.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::int64_t kUseInterval = 60;  // seconds

bool wasUsedJustNow(const struct stat& status) noexcept {
    std::int64_t age = wallSeconds() - static_cast<std::int64_t>(status.st_atime);
    // One in the future counts as now, but not for longer than that: a file stamped by
    // a clock that was years ahead would never grow old.
    return age < kUseInterval && age > -kUseInterval;
}

// Only for eviction to know: failing, on a read-only disk say, hurts nobody.
void markUsed(const Fd& file, const struct stat& status) noexcept {
    if (wasUsedJustNow(status)) return;
    struct timespec times[2] = {};
    times[0].tv_nsec = UTIME_NOW;
    times[1].tv_nsec = UTIME_OMIT;
    (void)::futimens(file.get(), times);
}

const char* damageText(Damage damage) noexcept {
    switch (damage) {
        case Damage::kLinked: return "is a link or has further names";
        case Damage::kForeign: return "is no regular file of ours";
        default: return "cannot be opened";
    }
}

}  // namespace

struct ContentReader::Found {
    Fd file;
    struct stat status;
    ContentInfo info;
};

std::optional<StoredContent> ContentReader::open(const Digest& digest, ContentKind kind) {
    std::optional<Found> found = find(digest);
    if (!found || !found->info.servesAs(kind)) return std::nullopt;
    if (!givesBytes(digest, *found)) return std::nullopt;
    markUsed(found->file, found->status);
    return StoredContent{std::make_shared<const Fd>(std::move(found->file)),
                         std::move(found->info)};
}

std::optional<ContentInfo> ContentReader::info(const Digest& digest) {
    std::optional<Found> found = find(digest);
    if (!found) return std::nullopt;
    return std::move(found->info);
}

bool ContentReader::amend(const Digest& digest, const ContentInfo& addition) {
    std::optional<Found> found = find(digest);
    return found && recordAddition(tree_, digest, found->info.size, addition);
}

std::optional<ContentReader::Found> ContentReader::find(const Digest& digest) {
    Found found = {};
    found.file = openContent(digest, &found.status);
    if (!found.file) return std::nullopt;
    std::optional<ContentInfo> info = readInfo(digest);
    if (!info) return std::nullopt;
    if (static_cast<std::uint64_t>(found.status.st_size) != info->size) {
        quarantine_.take(digest, contentPath(digest), Damage::kSize, &found.status,
                         cat("has ", found.status.st_size, " bytes instead of ", info->size));
        return std::nullopt;
    }
    found.info = std::move(*info);
    return found;
}

// What reads it must not look like a use: that is marked, and only then.
Fd ContentReader::openContent(const Digest& digest, struct stat* status) {
    try {
        Fd file = tree_.openFile(contentPath(digest), O_RDONLY | O_NOATIME, status);
        if (file && !judgeFile(*status)) return file;
        if (file || errno != ENOENT) setAsideUnopened(digest);
    } catch (const SysError& error) {
        if (error.code() != EIO && error.code() != EPERM) throw;
        setAsideUnopened(digest);  // EPERM: O_NOATIME is for the owner alone
    }
    return Fd();
}

// What is under the name and no regular file of ours with this name alone.
void ContentReader::setAsideUnopened(const Digest& digest) {
    const StorePath path = contentPath(digest);
    const std::optional<struct stat> status = tree_.look(path);
    if (!status) return;  // something on the way there is wrong, or it is gone
    // Ours, and yet it could not be opened: its mode keeps us out, or the disk.
    const Damage damage = judgeFile(*status).value_or(Damage::kUnread);
    quarantine_.take(digest, path, damage, &*status, damageText(damage));
}

std::optional<ContentInfo> ContentReader::readInfo(const Digest& digest) {
    std::optional<ContentInfo> info = tryReadMetadata(tree_, digest);
    if (info) return info;
    const StorePath path = metadataPath(digest);
    const std::optional<struct stat> status = tree_.look(path);
    if (!status) return std::nullopt;  // content that is just being evicted has none
    // Once more: what was read need not be what was looked at, but a fresh one.
    info = tryReadMetadata(tree_, digest);
    if (!info) {
        quarantine_.take(digest, path, judgeFile(*status).value_or(Damage::kMetadata), &*status,
                         "is no record of ours");
    }
    return info;
}

// A disk that gives nothing is better found before the headers than after them.
bool ContentReader::givesBytes(const Digest& digest, const Found& found) {
    char byte;
    ssize_t got;
    do {
        got = ::pread(found.file.get(), &byte, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got >= 0) return true;
    quarantine_.take(digest, contentPath(digest), Damage::kUnread, &found.status,
                     cat("cannot be read: ", errnoText(errno)));
    return false;
}

}  // namespace ociproxy
