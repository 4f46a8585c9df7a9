#ifndef OCIPROXY_SRC_STORE_CONTENT_INDEX_H
#define OCIPROXY_SRC_STORE_CONTENT_INDEX_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ociproxy/base/digest.h"
#include "store/id_table.h"

namespace ociproxy {

class Tree;

// What the store holds, in memory: for each digest its size, when it was last used and
// what decides when it is evicted. Learned from the names and inodes below blobs/; nothing
// else is read. About 75 bytes for each content. One thread.
//
// Times of use may be older than the files say, never younger: whoever wants to evict
// looks at the file again (Evictor).
class ContentIndex {
public:
    using Id = IdTable::Id;
    using Worked = std::function<void(std::size_t steps)>;
    static constexpr Id kNone = IdTable::kNone;

    struct Entry {
        std::uint64_t size = 0;
        std::uint32_t usedAt = 0;      // wall seconds
        std::uint32_t youngest = 0;    // of it and of all images that it is part of
        std::uint32_t references = 0;  // who keeps the entry though its content is absent
        std::uint8_t depth = 0;        // how far below an image: 0 is evicted first
        bool present = false;
        bool seen = false;     // by the walk that is under way
        bool shelved = false;  // the index itself still has the entry in its lists
        bool pinned = false;
        bool verified = false;  // usedAt is what the file says, in this pass
    };

    // Looks at the directories that have changed since. `worked` hears of each name that
    // was read. Throws SysError.
    void refresh(Tree& tree, const Worked& worked);

    Id find(const Digest& digest) const;
    // Makes an entry for content that need not be there, and refers to it.
    Id refer(const Digest& digest);
    void release(Id id);
    // The content is gone; the entry, too, when nobody refers to it any more and its
    // directory has been looked at again.
    void vanish(Id id);

    Entry& operator[](Id id) { return entries_[id]; }
    const Entry& operator[](Id id) const { return entries_[id]; }
    Digest digest(Id id) const;

    void forEachPresent(const std::function<void(Id id, Entry& entry)>& visit);
    std::uint64_t files() const noexcept { return files_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    std::uint64_t cost() const noexcept { return cost_; }  // of diskCost()

private:
    // A directory of content, as it was at the last look.
    struct Shelf {
        DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
        unsigned fanOut = 0;
        std::int64_t changedNs = 0;
        bool settled = false;  // no later change can have the same time
        std::vector<Id> ids;
    };

    Id place(const Digest& digest);
    void refreshShelf(Tree& tree, Shelf* shelf, const Worked& worked);
    void readShelf(int directory, const std::string& what, Shelf* shelf);
    void note(int directory, const std::string& name, Shelf* shelf);
    void appear(Id id, std::uint64_t size, std::int64_t usedAt);
    void unshelve(Id id);
    void forgetIfUnused(Id id);

    std::deque<Entry> entries_;
    IdTable table_;
    std::vector<Shelf> shelves_;
    std::uint64_t files_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t cost_ = 0;
};

// Of a file's time of use: what lies in the future counts as now.
std::uint32_t usedAtOf(std::int64_t accessed, std::int64_t present) noexcept;

}  // namespace ociproxy

#endif
