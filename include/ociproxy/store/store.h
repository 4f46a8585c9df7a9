#ifndef OCIPROXY_STORE_STORE_H
#define OCIPROXY_STORE_STORE_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

class Log;

// In which role a digest was fetched. One file may serve in both.
enum class ContentKind : std::uint8_t { kBlob, kManifest };
const char* contentKindName(ContentKind kind) noexcept;  // "blob", "manifest"

// What is known of committed content besides its bytes.
struct ContentInfo {
    std::uint64_t size = 0;
    std::optional<std::string> blobType;      // media type; set if it was fetched as a blob
    std::optional<std::string> manifestType;  // likewise as a manifest
    std::string origin;                       // upstream it came from first
    std::int64_t fetchedAt = 0;               // wall seconds
    bool isPublic = false;                    // fetched without credentials from a public address

    bool servesAs(ContentKind kind) const noexcept {
        return kind == ContentKind::kBlob ? blobType.has_value() : manifestType.has_value();
    }
};

// Committed content, open: eviction does not hurt who holds it.
struct StoredContent {
    std::shared_ptr<const Fd> file;
    ContentInfo info;
};

// Where a digest belongs: the answer of one upstream for one repository.
struct RepositoryKey {
    std::string upstream;    // canonical name
    std::string repository;  // as the upstream knows it
};

// The record that an upstream confirmed a digest for a repository.
struct Link {
    std::int64_t confirmedAt = 0;  // wall seconds
};

// What a tag pointed to when it was last asked for.
struct TagEntry {
    Digest digest;
    std::string mediaType;
    std::uint64_t size = 0;
    std::int64_t checkedAt = 0;    // wall seconds
    // Seen upstream but its manifest is not stored yet; `digest` stays what is served.
    std::optional<Digest> next;
};

// What a commit waits for. Whatever it is, content gets its name only when it is whole
// and verified: a crash of a process never shows, the end of the machine may.
enum class Durability : std::uint8_t {
    kFull,  // bytes, name, metadata and link are on disk
    kData,  // the bytes are on disk; after a power cut some content may be absent
    kNone,  // nothing is
};

// A file in tmp/ while it is written: hashes what it writes. One thread. Dies
// with its file unless commit() or keep() was called.
class ContentWriter {
public:
    virtual ~ContentWriter() = default;
    virtual std::uint64_t size() const noexcept = 0;
    // Reserves space without changing the size, so that ENOSPC shows before the
    // first header goes out; a file system that cannot is no failure. Throws SysError.
    virtual void reserve(std::uint64_t total) = 0;
    // Writes and hashes. Throws SysError; the file is then of no use.
    virtual void append(const void* data, std::size_t size) = 0;
    // Whether everything written hashes to the digest. Called once, at the end.
    virtual bool matches() = 0;
    // Makes it visible under blobs/: metadata durable, fsync, rename, fsync of the
    // directory, as far as the store's durability asks for them. The kinds and "public" of
    // metadata that is already there are kept. REQUIRES: matches() was true. Throws
    // SysError.
    virtual void commit(const ContentInfo& info) = 0;
    // Leaves the file to whoever goes on with its lineage.
    virtual void keep() noexcept = 0;
};

// Our disk: content by digest, what is known of it, links and tags. One instance
// per process on the same directory; any thread. Nothing partial is ever visible
// below blobs/; content without metadata, of another size, not a regular file, not
// ours or reached through a link is absent. The layout is in ociproxy-store(5):
//
//   blobs/<algorithm>/<2 hex>/<hex>          meta/<algorithm>/<2 hex>/<hex>.json
//   repos/<sha256 of upstream NUL repository>/{name, links/<kind>-<algorithm>-<hex>,
//         tags/<sha256 of tag>.json}
//   tmp/<algorithm>-<hex>.<lineage, 16 hex>  quarantine/  lock  version
//
// Methods throw SysError for what the disk does wrong; absence is a value.
class Store {
public:
    struct Options {
        std::string directory;
        Log* log = nullptr;
        // Raised when a link was taken away; all processes on the directory share it.
        std::atomic<std::uint64_t>* generation = nullptr;
        Durability durability = Durability::kFull;
    };

    // Makes the directories (0700), checks that nothing on the way below a world-
    // writable directory is a link or another user's, writes or checks `version`, and
    // takes the lock, which lives as long as the returned descriptor (and its copies:
    // workers must close theirs). Waits up to `patience` for the lock. Called by the
    // master before anything else. Throws Error saying what to do.
    static Fd prepare(const std::string& directory, Millis patience);

    explicit Store(const Options& options);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Content that serves in the role `kind`; nullopt when absent.
    std::optional<StoredContent> open(const Digest& digest, ContentKind kind);
    std::optional<ContentInfo> info(const Digest& digest);
    // Marks the content public, or as serving in a further role: metadata only.
    // False when the content is absent.
    bool amend(const Digest& digest, const ContentInfo& addition);

    // A new temporary file for `lineage`; what is there under that name is lost.
    std::unique_ptr<ContentWriter> create(const Digest& digest, std::uint64_t lineage);
    // Goes on with the file of a dead owner: keeps the first `bytes` bytes, hashed
    // anew. nullptr when the file is gone, shorter, or not ours.
    std::unique_ptr<ContentWriter> adopt(const Digest& digest, std::uint64_t lineage,
                                         std::uint64_t bytes);
    // The temporary file for reading; invalid when there is none.
    Fd openTemporary(const Digest& digest, std::uint64_t lineage);

    // Links and tags. Writing is a rename without fsync; what does not parse is absent.
    std::optional<Link> link(const RepositoryKey& where, ContentKind kind, const Digest& digest);
    // `durable`: before the first commit of content; for Durability::kFull alone.
    void putLink(const RepositoryKey& where, ContentKind kind, const Digest& digest, bool durable);
    // Makes a link durable that was put without; one that was dropped since stays away.
    void syncLink(const RepositoryKey& where, ContentKind kind, const Digest& digest);
    void dropLink(const RepositoryKey& where, ContentKind kind, const Digest& digest) noexcept;
    std::optional<TagEntry> tag(const RepositoryKey& where, const std::string& tag);
    void putTag(const RepositoryKey& where, const std::string& tag, const TagEntry& entry);
    void dropTag(const RepositoryKey& where, const std::string& tag) noexcept;

    // For the janitor.
    struct Usage {
        std::uint64_t bytes = 0;
        std::uint64_t files = 0;
    };
    Usage measure();
    // Tries whether a download could be written now. Throws SysError saying why not.
    void checkWritable();
    // Unlinks temporary files whose lineage is not in `inUse` and that were not
    // written to for `idle`; also left-overs of atomic writes. Returns how many.
    unsigned reapTemporary(const std::set<std::uint64_t>& inUse, Millis idle);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
