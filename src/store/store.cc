#include "ociproxy/store/store.h"

#include <exception>
#include <fcntl.h>
#include <sys/stat.h>

#include "ociproxy/base/log.h"
#include "ociproxy/base/text.h"
#include "store/content_reader.h"
#include "store/layout.h"
#include "store/links.h"
#include "store/tree.h"
#include "store/usage.h"
#include "store/write_check.h"
#include "store/writer.h"

namespace ociproxy {

class Store::Impl {
public:
    explicit Impl(const Options& options)
        : log(options.log),
          generation(options.generation),
          tree(options.directory, options.durability),
          reader(tree, options.log) {}

    // Whether something was there. What an upstream has taken back and stays all the
    // same is worth a line.
    bool drop(const StorePath& path) noexcept {
        try {
            return tree.remove(path);
        } catch (const std::exception& error) {
            if (log != nullptr) log->warning(error.what());
            return false;
        }
    }

    Log* const log;
    std::atomic<std::uint64_t>* const generation;
    Tree tree;
    ContentReader reader;
};

Store::Store(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Store::~Store() = default;

std::optional<StoredContent> Store::open(const Digest& digest, ContentKind kind) {
    return impl_->reader.open(digest, kind);
}

std::optional<ContentInfo> Store::info(const Digest& digest) {
    return impl_->reader.info(digest);
}

bool Store::amend(const Digest& digest, const ContentInfo& addition) {
    return impl_->reader.amend(digest, addition);
}

std::unique_ptr<ContentWriter> Store::create(const Digest& digest, std::uint64_t lineage) {
    return FileWriter::create(impl_->tree, digest, lineage);
}

std::unique_ptr<ContentWriter> Store::adopt(const Digest& digest, std::uint64_t lineage,
                                            std::uint64_t bytes) {
    return FileWriter::adopt(impl_->tree, digest, lineage, bytes);
}

Fd Store::openTemporary(const Digest& digest, std::uint64_t lineage) {
    struct stat status = {};
    return impl_->tree.openFile(temporaryPath(digest, lineage), O_RDONLY, &status);
}

std::optional<Link> Store::link(const RepositoryKey& where, ContentKind kind,
                                const Digest& digest) {
    return readLink(impl_->tree, where, kind, digest);
}

void Store::putLink(const RepositoryKey& where, ContentKind kind, const Digest& digest,
                    bool durable) {
    writeLink(impl_->tree, where, kind, digest,
              durable ? Sync::kYes : Sync::kNo);
}

void Store::syncLink(const RepositoryKey& where, ContentKind kind, const Digest& digest) {
    makeLinkDurable(impl_->tree, where, kind, digest);
}

void Store::dropLink(const RepositoryKey& where, ContentKind kind,
                     const Digest& digest) noexcept {
    const bool dropped = impl_->drop(linkPath(where, kind, digest));
    if (dropped && impl_->generation != nullptr) impl_->generation->fetch_add(1);
}

std::optional<TagEntry> Store::tag(const RepositoryKey& where, const std::string& tag) {
    return readTag(impl_->tree, where, tag);
}

void Store::putTag(const RepositoryKey& where, const std::string& tag, const TagEntry& entry) {
    writeTag(impl_->tree, where, tag, entry);
}

void Store::dropTag(const RepositoryKey& where, const std::string& tag) noexcept {
    impl_->drop(tagPath(where, tag));
}

Store::Usage Store::measure() {
    return measureContent(impl_->tree);
}

void Store::checkWritable() {
    checkTreeWritable(impl_->tree);
}

unsigned Store::reapTemporary(const std::set<std::uint64_t>& inUse, Millis idle) {
    return reapTemporaryFiles(impl_->tree, inUse, idle);
}

}  // namespace ociproxy
