// Taking things out of a store by hand, beside whoever runs on it.
#ifndef OCIPROXY_STORE_PURGE_H
#define OCIPROXY_STORE_PURGE_H

#include <cstdint>
#include <memory>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

class Tree;

struct PurgeReport {
    std::uint64_t tags = 0;
    std::uint64_t links = 0;
    std::uint64_t files = 0;   // of content
    std::uint64_t bytes = 0;   // of these
    std::uint64_t shared = 0;  // contents that stay, because another repository links to them

    bool nothing() const noexcept { return tags + links + files == 0; }
};

// Unlinks names only: who has a file open keeps it, and a download of the same digest that
// is under way is stored as ever. An image is its manifest and all that it refers to, as
// far as no other image of the repository does. Any process; one thread. Methods throw
// SysError.
class Purge {
public:
    // nullptr when there is no store in the directory. Throws Error when what is there is
    // none of ours.
    static std::unique_ptr<Purge> open(const std::string& directory);
    ~Purge();
    Purge(const Purge&) = delete;
    Purge& operator=(const Purge&) = delete;

    // Content and its links, in whatever repository.
    PurgeReport digest(const Digest& digest);
    // Tags and links of the repository, and content that no other one links to.
    PurgeReport repository(const RepositoryKey& where);
    // The tag; and its image, if no other tag has it.
    PurgeReport tag(const RepositoryKey& where, const std::string& tag);
    // The image of that manifest with all tags that have it, or one blob.
    PurgeReport image(const RepositoryKey& where, const Digest& digest);

private:
    explicit Purge(std::unique_ptr<Tree> tree);
    std::unique_ptr<Tree> tree_;
};

}  // namespace ociproxy

#endif
