#include "store/content_reader.h"

#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <utility>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "store/layout.h"
#include "store/metadata.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::int64_t kUseInterval = 60;  // seconds
// Beyond that the log has said enough: a disk this broken is seen anyway.
constexpr std::size_t kMaxReported = 1024;

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

}  // namespace

struct ContentReader::Found {
    Fd file;
    struct stat status;
    ContentInfo info;
};

std::optional<StoredContent> ContentReader::open(const Digest& digest, ContentKind kind) {
    std::optional<Found> found = find(digest);
    if (!found || !found->info.servesAs(kind)) return std::nullopt;
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
    found.file = tree_.openFile(contentPath(digest), O_RDONLY, &found.status);
    if (!found.file) return std::nullopt;
    std::optional<ContentInfo> info = readMetadata(tree_, digest);
    if (!info) return std::nullopt;
    if (static_cast<std::uint64_t>(found.status.st_size) != info->size) {
        reportSize(digest, found.status, *info);
        return std::nullopt;
    }
    found.info = std::move(*info);
    return found;
}

// Once per file: the same digest may be hurt again after it was fetched again.
void ContentReader::reportSize(const Digest& digest, const struct stat& status,
                               const ContentInfo& info) {
    if (log_ == nullptr) return;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        if (reported_.size() >= kMaxReported) return;
        if (!reported_.insert(cat(digest.text(), ' ', status.st_ino)).second) return;
    }
    log_->warning(cat("stored ", digest.text(), " has ", status.st_size, " bytes instead of ",
                      info.size, ": it counts as absent and is fetched again when asked for"));
}

}  // namespace ociproxy
