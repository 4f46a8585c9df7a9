#include "store/metadata.h"

#include <cerrno>
#include <sys/file.h>
#include <thread>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr Millis kLockPatience{2000};
constexpr Millis kLockPoll{2};

// Serializes reading, merging and writing. The lock goes with the descriptor, so a killed
// holder leaves none; a stopped one is waited for only so long, because no more than an
// addition can be lost, and that is fetched or confirmed again.
Fd lockMetadataOf(Tree& tree, const Digest& digest) {
    Fd directory = tree.makeDirectory(metadataPath(digest).directory);
    TimePoint end = now() + kLockPatience;
    while (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) break;  // no locks on this file system
        if (now() >= end) break;
        std::this_thread::sleep_for(kLockPoll);
    }
    return directory;
}

void writeMetadata(Tree& tree, const Digest& digest, const ContentInfo& info) {
    tree.writeSmall(metadataPath(digest), formatMetadata(info), Sync::kYes);
}

bool sameRecord(const ContentInfo& a, const ContentInfo& b) {
    return formatMetadata(a) == formatMetadata(b);
}

}  // namespace

std::string formatMetadata(const ContentInfo& info) {
    Record record;
    record.setNumber("size", info.size);
    if (info.blobType) record.setText("blobType", *info.blobType);
    if (info.manifestType) record.setText("manifestType", *info.manifestType);
    record.setText("origin", info.origin);
    record.setTime("fetched", info.fetchedAt);
    record.setFlag("public", info.isPublic);
    return record.text();
}

std::optional<ContentInfo> parseMetadata(const std::string& text) {
    std::optional<Record> record = Record::parse(text);
    if (!record) return std::nullopt;
    std::optional<std::uint64_t> size = record->getNumber("size");
    if (!size) return std::nullopt;
    ContentInfo info;
    info.size = *size;
    info.blobType = record->getText("blobType");
    info.manifestType = record->getText("manifestType");
    info.origin = record->getText("origin").value_or("");
    info.fetchedAt = record->getTime("fetched").value_or(0);
    info.isPublic = record->getFlag("public");
    return info;
}

std::optional<ContentInfo> readMetadata(Tree& tree, const Digest& digest) {
    std::optional<std::string> text = tree.readSmall(metadataPath(digest));
    if (!text) return std::nullopt;
    return parseMetadata(*text);
}

ContentInfo mergeInfo(const ContentInfo& first, const ContentInfo& second) {
    ContentInfo merged = first;
    if (!merged.blobType) merged.blobType = second.blobType;
    if (!merged.manifestType) merged.manifestType = second.manifestType;
    if (merged.origin.empty()) merged.origin = second.origin;
    if (merged.fetchedAt == 0) merged.fetchedAt = second.fetchedAt;
    merged.isPublic = first.isPublic || second.isPublic;
    return merged;
}

void recordFetched(Tree& tree, const Digest& digest, const ContentInfo& fetched) {
    Fd lock = lockMetadataOf(tree, digest);
    std::optional<ContentInfo> known = readMetadata(tree, digest);
    if (!known || known->size != fetched.size) {
        writeMetadata(tree, digest, fetched);
        return;
    }
    ContentInfo merged = mergeInfo(*known, fetched);
    merged.fetchedAt = fetched.fetchedAt;
    // Written even if it says nothing new: whoever wrote it may not have synced it.
    writeMetadata(tree, digest, merged);
}

bool recordAddition(Tree& tree, const Digest& digest, std::uint64_t size,
                    const ContentInfo& addition) {
    Fd lock = lockMetadataOf(tree, digest);
    std::optional<ContentInfo> known = readMetadata(tree, digest);
    if (!known || known->size != size) return false;
    ContentInfo merged = mergeInfo(*known, addition);
    if (!sameRecord(*known, merged)) writeMetadata(tree, digest, merged);
    return true;
}

}  // namespace ociproxy
