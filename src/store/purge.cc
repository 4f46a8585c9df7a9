#include "ociproxy/store/purge.h"

#include <fcntl.h>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/image_graph.h"
#include "store/layout.h"
#include "store/links.h"
#include "store/removal.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::uint64_t kMaxManifest = 4 * 1024 * 1024;  // what the proxy stores as one

using Digests = std::set<Digest>;

// A tag as it lies on disk.
struct StoredTag {
    std::string file;
    TagEntry entry;
};

// One repository's directory. Methods throw SysError.
class Repository {
public:
    Repository(Tree& tree, std::string directory)
        : tree_(tree), directory_(std::move(directory)) {}

    std::vector<LinkName> links() const {
        std::vector<LinkName> out;
        forEachFile(kLinksDirectory, [&](const std::string& name) {
            if (const std::optional<LinkName> link = parseLinkName(name)) out.push_back(*link);
        });
        return out;
    }

    std::vector<StoredTag> tags() const {
        std::vector<StoredTag> out;
        forEachFile(kTagsDirectory, [&](const std::string& name) {
            const std::optional<std::string> text = tree_.readSmall({path(kTagsDirectory), name});
            const std::optional<TagEntry> entry = text ? parseTag(*text) : std::nullopt;
            if (entry) out.push_back({name, *entry});
        });
        return out;
    }

    bool removeTag(const std::string& file) {
        return tree_.remove({path(kTagsDirectory), file});
    }
    // Returns how many there were.
    unsigned removeLinks(const Digest& digest) {
        unsigned removed = 0;
        for (const ContentKind kind : {ContentKind::kBlob, ContentKind::kManifest}) {
            if (tree_.remove({path(kLinksDirectory), linkName(kind, digest)})) ++removed;
        }
        return removed;
    }

    const std::string& directory() const noexcept { return directory_; }

private:
    std::string path(const char* part) const { return cat(directory_, '/', part); }

    void forEachFile(const char* part,
                     const std::function<void(const std::string& name)>& visit) const {
        const Fd directory = tree_.findDirectory(path(part));
        if (directory) forEachName(directory.get(), tree_.absolute(path(part)), visit);
    }

    Tree& tree_;
    const std::string directory_;
};

void forEachRepository(Tree& tree, const std::function<void(Repository& repository)>& visit) {
    const Fd directory = tree.findDirectory(kRepositoriesDirectory);
    if (!directory) return;
    forEachName(directory.get(), tree.absolute(kRepositoriesDirectory),
                [&](const std::string& name) {
        Repository repository(tree, cat(kRepositoriesDirectory, '/', name));
        visit(repository);
    });
}

// What a manifest names; nothing for what is not stored or too large to be one.
std::vector<Digest> partsOf(Tree& tree, const Digest& digest) {
    struct stat status = {};
    const StorePath path = contentPath(digest);
    const Fd file = tree.openFile(path, O_RDONLY | O_NOATIME, &status);
    if (!file || static_cast<std::uint64_t>(status.st_size) > kMaxManifest) return {};
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    text.resize(preadAll(file.get(), text.data(), text.size(), 0, tree.absolute(path.text())));
    return digestsIn(text);
}

// The digests and all that they refer to; only what the repository links to as a manifest
// is read as one.
Digests withParts(Tree& tree, Digests open, const Digests& manifests) {
    Digests seen;
    while (!open.empty()) {
        const Digest digest = *open.begin();
        open.erase(open.begin());
        if (!seen.insert(digest).second || manifests.count(digest) == 0) continue;
        for (const Digest& part : partsOf(tree, digest)) open.insert(part);
    }
    return seen;
}

Digests manifestsOf(const Repository& repository) {
    Digests out;
    for (const LinkName& link : repository.links()) {
        if (link.kind == ContentKind::kManifest) out.insert(link.digest);
    }
    return out;
}

bool links(const Repository& repository, const Digest& digest) {
    for (const LinkName& link : repository.links()) {
        if (link.digest == digest) return true;
    }
    return false;
}

// Removes contents of one repository and counts.
class Remover {
public:
    Remover(Tree& tree, PurgeReport* report) : tree_(tree), report_(*report) {}

    void tag(Repository& repository, const std::string& file) {
        if (repository.removeTag(file)) ++report_.tags;
    }

    // The links first: what is unlinked afterwards is nobody's any more.
    void contents(Repository& repository, const Digests& digests) {
        for (const Digest& digest : digests) report_.links += repository.removeLinks(digest);
        const Digests others = linkedElsewhere(repository, digests);
        for (const Digest& digest : digests) {
            if (others.count(digest) > 0) ++report_.shared;
            else content(digest);
        }
    }

    void content(const Digest& digest) {
        const std::optional<struct stat> status = tree_.look(contentPath(digest));
        if (!status) return;
        constexpr std::int64_t kHoweverUsed = std::numeric_limits<std::int64_t>::max();
        if (removeContent(tree_, digest, kHoweverUsed) != Removal::kRemoved) return;
        ++report_.files;
        report_.bytes += static_cast<std::uint64_t>(status->st_size);
    }

private:
    Digests linkedElsewhere(const Repository& own, const Digests& digests) {
        Digests out;
        forEachRepository(tree_, [&](Repository& other) {
            if (other.directory() == own.directory()) return;
            for (const LinkName& link : other.links()) {
                if (digests.count(link.digest) > 0) out.insert(link.digest);
            }
        });
        return out;
    }

    Tree& tree_;
    PurgeReport& report_;
};

// The images of `doomed` without what other images of the repository need.
Digests imagesOf(Tree& tree, const Repository& repository, const Digests& doomed) {
    const Digests manifests = manifestsOf(repository);
    Digests images = withParts(tree, doomed, manifests);
    Digests others;
    for (const Digest& manifest : manifests) {
        if (images.count(manifest) == 0) others.insert(manifest);
    }
    for (const StoredTag& tag : repository.tags()) others.insert(tag.entry.digest);
    for (const Digest& needed : withParts(tree, others, manifests)) images.erase(needed);
    return images;
}

}  // namespace

std::unique_ptr<Purge> Purge::open(const std::string& directory) {
    std::unique_ptr<Tree> tree = openExistingTree(directory);
    if (!tree) return nullptr;
    return std::unique_ptr<Purge>(new Purge(std::move(tree)));
}

Purge::Purge(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Purge::~Purge() = default;

PurgeReport Purge::digest(const Digest& digest) {
    PurgeReport report;
    forEachRepository(*tree_, [&](Repository& repository) {
        report.links += repository.removeLinks(digest);
    });
    Remover(*tree_, &report).content(digest);
    return report;
}

PurgeReport Purge::repository(const RepositoryKey& where) {
    PurgeReport report;
    Repository repository(*tree_, repositoryDirectory(where));
    Remover remover(*tree_, &report);
    for (const StoredTag& tag : repository.tags()) remover.tag(repository, tag.file);
    Digests all;
    for (const LinkName& link : repository.links()) all.insert(link.digest);
    remover.contents(repository, all);
    return report;
}

PurgeReport Purge::tag(const RepositoryKey& where, const std::string& tag) {
    PurgeReport report;
    Repository repository(*tree_, repositoryDirectory(where));
    const std::optional<TagEntry> entry = readTag(*tree_, where, tag);
    Remover remover(*tree_, &report);
    remover.tag(repository, tagPath(where, tag).name);
    if (!entry) return report;
    Digests doomed{entry->digest};
    if (entry->next) doomed.insert(*entry->next);
    remover.contents(repository, imagesOf(*tree_, repository, doomed));
    return report;
}

PurgeReport Purge::image(const RepositoryKey& where, const Digest& digest) {
    PurgeReport report;
    Repository repository(*tree_, repositoryDirectory(where));
    Remover remover(*tree_, &report);
    for (const StoredTag& tag : repository.tags()) {
        if (tag.entry.digest == digest) remover.tag(repository, tag.file);
    }
    if (!links(repository, digest)) return report;  // not this repository's affair
    Digests doomed = imagesOf(*tree_, repository, {digest});
    doomed.insert(digest);  // also if another image needs it: it was named
    remover.contents(repository, doomed);
    return report;
}

}  // namespace ociproxy
