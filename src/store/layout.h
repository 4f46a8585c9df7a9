// Names below the cache directory (ociproxy-store(5)). Every one is built of
// validated digests, hashes and fixed words, never of what a client or an upstream
// wrote. Pure functions; any thread.
#ifndef OCIPROXY_SRC_STORE_LAYOUT_H
#define OCIPROXY_SRC_STORE_LAYOUT_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ociproxy/base/digest.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

constexpr const char* kBlobsDirectory = "blobs";
constexpr const char* kMetadataDirectory = "meta";
constexpr const char* kRepositoriesDirectory = "repos";
constexpr const char* kTemporaryDirectory = "tmp";
constexpr const char* kQuarantineDirectory = "quarantine";
constexpr const char* kLinksDirectory = "links";
constexpr const char* kTagsDirectory = "tags";
constexpr const char* kLockFile = "lock";
constexpr const char* kVersionFile = "version";
constexpr const char* kUnsyncedFile = "unsynced";  // only with Durability::kNone
constexpr const char* kNameFile = "name";

// Directories of content and of metadata are named after the digest's first byte.
constexpr unsigned kFanOut = 256;

// A file below the cache directory: its directory, relative to that, and its name there.
struct StorePath {
    std::string directory;
    std::string name;

    std::string text() const { return directory + '/' + name; }
};

std::string fanOutName(unsigned index);  // "00" to "ff"

StorePath contentPath(const Digest& digest);
StorePath metadataPath(const Digest& digest);
StorePath temporaryPath(const Digest& digest, std::uint64_t lineage);
std::string repositoryDirectory(const RepositoryKey& where);
StorePath linkPath(const RepositoryKey& where, ContentKind kind, const Digest& digest);
StorePath tagPath(const RepositoryKey& where, const std::string& tag);

// The lineage in the name of a temporary file; nullopt when the name is not ours.
std::optional<std::uint64_t> lineageOf(std::string_view temporaryName);

// Whether `name` is that of content below blobs/<algorithm>/<fanOut>.
bool isContentName(DigestAlgorithm algorithm, std::string_view fanOut, std::string_view name);

// The name under which a small file is written before it is renamed to `name`:
// ".<name>.<16 random hex>".
std::string scratchName(const std::string& name);
bool isScratchName(std::string_view name) noexcept;

}  // namespace ociproxy

#endif
