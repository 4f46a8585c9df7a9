#ifndef OCIPROXY_SRC_STORE_CONTENT_READER_H
#define OCIPROXY_SRC_STORE_CONTENT_READER_H

#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/store/store.h"

struct stat;

namespace ociproxy {

class Log;
class Tree;

// Finds committed content. A file counts only together with a metadata record of its
// size; anything else is absent and will be fetched again. Any thread; tree and log
// outlive it. Methods throw SysError.
class ContentReader {
public:
    ContentReader(Tree& tree, Log* log) : tree_(tree), log_(log) {}
    ContentReader(const ContentReader&) = delete;
    ContentReader& operator=(const ContentReader&) = delete;

    // As Store::open(), info() and amend().
    std::optional<StoredContent> open(const Digest& digest, ContentKind kind);
    std::optional<ContentInfo> info(const Digest& digest);
    bool amend(const Digest& digest, const ContentInfo& addition);

private:
    struct Found;
    std::optional<Found> find(const Digest& digest);
    void reportSize(const Digest& digest, const struct stat& status, const ContentInfo& info);

    Tree& tree_;
    Log* const log_;
    std::mutex mutex_;  // guards reported_
    std::set<std::string> reported_;
};

}  // namespace ociproxy

#endif
