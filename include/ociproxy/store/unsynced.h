// What Durability::kNone needs so that a power cut cannot show damaged content: a mark in the
// cache that says up to when everything in it is known to be on disk. A run that finds the
// mark of one before it, which did not end in order, drops the content written after that.
// Ages are those of the wall clock: a power cut within a minute of its being put back may leave
// something unseen. Functions without state; callers hold the lock of the cache. All
// throw SysError, and Error as Store::prepare() does.
#ifndef OCIPROXY_STORE_UNSYNCED_H
#define OCIPROXY_STORE_UNSYNCED_H

#include <cstdint>
#include <string>

namespace ociproxy {

// Before content of the cache is served: drops what is not known to be on disk, and takes the
// mark away. Returns how much content that was; without a mark none.
std::uint64_t dropUnsynced(const std::string& directory);

// Syncs the file system and sets the mark. Before content is written, and now and then.
void markSynced(const std::string& directory);

// Syncs the file system and takes the mark away: at the end.
void endUnsynced(const std::string& directory);

}  // namespace ociproxy

#endif
