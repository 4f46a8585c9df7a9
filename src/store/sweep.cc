#include "store/sweep.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "ociproxy/base/clock.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/links.h"
#include "store/open_file.h"
#include "store/removal.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

// A link that old has expired; it would have to be confirmed anew with the content.
constexpr std::int64_t kOldLink = 24 * 3600;       // seconds
constexpr std::int64_t kOldTag = 7 * 24 * 3600;

class Sweeper {
public:
    using IsPresent = std::function<bool(const Digest& digest)>;

    Sweeper(Tree& tree, const IsPresent& isPresent) : tree_(tree), isPresent_(isPresent) {}

    // Returns how many there are.
    std::size_t records(DigestAlgorithm algorithm, unsigned fanOut);
    void repository(const std::string& name);
    unsigned count() const noexcept { return count_; }

private:
    template <class IsOver>
    void files(const std::string& path, std::int64_t age, IsOver&& isOver);

    Tree& tree_;
    const IsPresent& isPresent_;
    unsigned count_ = 0;
};

std::size_t Sweeper::records(DigestAlgorithm algorithm, unsigned fanOut) {
    const std::string path =
        cat(kMetadataDirectory, '/', algorithmName(algorithm), '/', fanOutName(fanOut));
    std::size_t names = 0;
    const Fd directory = tree_.findDirectory(path);
    if (!directory) return names;
    forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
        ++names;
        const std::optional<Digest> digest = parseRecordName(algorithm, name);
        if (digest && !isPresent_(*digest) && removeStaleRecord(tree_, *digest)) ++count_;
    });
    return names;
}

// Own files of at least that age for which `isOver` says so, which is asked last.
template <class IsOver>
void Sweeper::files(const std::string& path, std::int64_t age, IsOver&& isOver) {
    const Fd directory = tree_.findDirectory(path);
    if (!directory) return;
    const std::int64_t written = wallSeconds() - age;
    forEachName(directory.get(), tree_.absolute(path), [&](const std::string& name) {
        struct stat status = {};
        if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
        if (!isOwnFile(status) || status.st_mtim.tv_sec > written || !isOver(name)) return;
        if (::unlinkat(directory.get(), name.c_str(), 0) == 0) ++count_;
    });
}

void Sweeper::repository(const std::string& name) {
    const std::string path = cat(kRepositoriesDirectory, '/', name);
    files(cat(path, '/', kLinksDirectory), kOldLink, [&](const std::string& link) {
        const std::optional<LinkName> parsed = parseLinkName(link);
        return parsed && !isPresent_(parsed->digest);
    });
    const std::string tags = cat(path, '/', kTagsDirectory);
    files(tags, kOldTag, [&](const std::string& tag) {
        const std::optional<std::string> text = tree_.readSmall({tags, tag});
        const std::optional<TagEntry> entry = text ? parseTag(*text) : std::nullopt;
        return entry && !isPresent_(entry->digest);
    });
}

}  // namespace

unsigned sweepTree(Tree& tree, const std::function<bool(const Digest& digest)>& isPresent,
                   const std::function<void(std::size_t steps)>& worked) {
    Sweeper sweeper(tree, isPresent);
    for (DigestAlgorithm algorithm : {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                      DigestAlgorithm::kSha512}) {
        for (unsigned i = 0; i < kFanOut; ++i) {
            worked(sweeper.records(algorithm, i));
        }
    }
    const Fd repositories = tree.findDirectory(kRepositoriesDirectory);
    if (!repositories) return sweeper.count();
    forEachName(repositories.get(), tree.absolute(kRepositoriesDirectory),
                [&](const std::string& name) {
        sweeper.repository(name);
        worked(1);
    });
    return sweeper.count();
}

}  // namespace ociproxy
