// What is known of content besides its bytes: meta/<algorithm>/<2 hex>/<hex>.json.
// Functions without state; any thread and any number of processes at once: changes of
// one file are serialized by a lock on its directory.
#ifndef OCIPROXY_SRC_STORE_METADATA_H
#define OCIPROXY_SRC_STORE_METADATA_H

#include <optional>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

class Tree;

// Serializes changes of the records in one directory between processes. It goes with the
// descriptor, so a killed holder leaves none; a stopped one is waited for only so long.
// Who adds goes on without: no more than an addition can be lost, and that is fetched or
// confirmed again. Who removes must not.
class MetadataLock {
public:
    // Makes the directory. Throws SysError.
    MetadataLock(Tree& tree, const Digest& digest);
    MetadataLock(const MetadataLock&) = delete;
    MetadataLock& operator=(const MetadataLock&) = delete;

    // False: it could not be had, or the file system has no locks.
    bool held() const noexcept { return held_; }

private:
    Fd directory_;
    bool held_ = false;
};

std::string formatMetadata(const ContentInfo& info);
// nullopt when the text is not a record of a size.
std::optional<ContentInfo> parseMetadata(const std::string& text);

// nullopt when there is none that can be read. Throws SysError.
std::optional<ContentInfo> readMetadata(Tree& tree, const Digest& digest);

// The same, but a record that the disk does not give (EIO) counts as one that is none.
std::optional<ContentInfo> tryReadMetadata(Tree& tree, const Digest& digest);

// Both at once: `first` wins where both say something, "public" is kept from either.
// REQUIRES: both are of content of one size.
ContentInfo mergeInfo(const ContentInfo& first, const ContentInfo& second);

// Records what has just been fetched, durably; what is there of the same size is merged
// and wins. Throws SysError.
void recordFetched(Tree& tree, const Digest& digest, const ContentInfo& fetched);

// Adds kinds and "public" to what is there, durably. False when nothing of size `size`
// is there. Throws SysError.
bool recordAddition(Tree& tree, const Digest& digest, std::uint64_t size,
                    const ContentInfo& addition);

}  // namespace ociproxy

#endif
