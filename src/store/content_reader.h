#ifndef OCIPROXY_SRC_STORE_CONTENT_READER_H
#define OCIPROXY_SRC_STORE_CONTENT_READER_H

#include <optional>
#include <sys/stat.h>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/store/store.h"

namespace ociproxy {

class Quarantine;
class Tree;

// Finds committed content. A file counts only together with a metadata record of its
// size; what else is under its name is set aside (Quarantine), so that the request that
// finds it fetches it again. Any thread; tree and quarantine outlive it. Methods throw
// SysError.
class ContentReader {
public:
    ContentReader(Tree& tree, Quarantine& quarantine) : tree_(tree), quarantine_(quarantine) {}
    ContentReader(const ContentReader&) = delete;
    ContentReader& operator=(const ContentReader&) = delete;

    // As Store::open(), info() and amend().
    std::optional<StoredContent> open(const Digest& digest, ContentKind kind);
    std::optional<ContentInfo> info(const Digest& digest);
    bool amend(const Digest& digest, const ContentInfo& addition);

private:
    struct Found;
    std::optional<Found> find(const Digest& digest);
    Fd openContent(const Digest& digest, struct stat* status);
    std::optional<ContentInfo> readInfo(const Digest& digest);
    bool givesBytes(const Digest& digest, const Found& found);
    void setAsideUnopened(const Digest& digest);

    Tree& tree_;
    Quarantine& quarantine_;
};

}  // namespace ociproxy

#endif
