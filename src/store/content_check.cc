#include "store/content_check.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ociproxy/base/error.h"
#include "ociproxy/base/text.h"
#include "store/directory.h"
#include "store/layout.h"
#include "store/metadata.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::size_t kStep = 256 * 1024;

// Hashes one file piece by piece.
class Reading {
public:
    Reading(const Fd& file, DigestAlgorithm algorithm)
        : file_(file), hasher_(algorithm), buffer_(kStep) {
        // What we do not ask for must not come: it would look as if others had wanted it.
        ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_RANDOM);
    }

    // Bytes of the next piece; 0 at the end. Throws SysError.
    std::size_t next() {
        const iovec place{buffer_.data(), buffer_.size()};
        const ssize_t resident = ::preadv2(file_.get(), &place, 1, offset(), RWF_NOWAIT);
        std::size_t count = resident > 0 ? static_cast<std::size_t>(resident) : 0;
        if (count == 0) {
            count = preadAll(file_.get(), buffer_.data(), buffer_.size(), read_, "read");
            ::posix_fadvise(file_.get(), offset(), static_cast<off_t>(count),
                            POSIX_FADV_DONTNEED);
        }
        hasher_.update(buffer_.data(), count);
        read_ += count;
        return count;
    }
    Digest finish() { return hasher_.finish(); }
    std::uint64_t read() const noexcept { return read_; }

private:
    off_t offset() const noexcept { return static_cast<off_t>(read_); }

    const Fd& file_;
    Hasher hasher_;
    std::vector<char> buffer_;
    std::uint64_t read_ = 0;
};

void blame(CheckedContent* out, Damage damage, std::string detail) {
    out->damage = damage;
    out->detail = std::move(detail);
}

// What can be said without opening it. True: it is to be read.
bool judge(Tree& tree, const Digest& digest, CheckedContent* out) {
    out->status = tree.look(contentPath(digest));
    if (!out->status) return false;
    if (const std::optional<Damage> damage = judgeFile(*out->status)) {
        blame(out, *damage, "is no regular file of ours with this name alone");
        return false;
    }
    // Looked at before it is read: one that is written meanwhile is not to blame.
    out->record = tree.look(metadataPath(digest));
    const std::optional<ContentInfo> info = tryReadMetadata(tree, digest);
    if (!info) {
        blame(out, Damage::kMetadata, "has no valid record in meta/");
        return false;
    }
    const std::uint64_t size = static_cast<std::uint64_t>(out->status->st_size);
    if (size == info->size) return true;
    blame(out, Damage::kSize, cat("has ", size, " bytes instead of ", info->size));
    return false;
}

void readAll(const Fd& file, const Digest& digest, const Spend& spend, CheckedContent* out) {
    Reading reading(file, digest.algorithm());
    try {
        while (const std::size_t count = reading.next()) {
            out->bytes = reading.read();
            spend(count);
        }
    } catch (const SysError& error) {
        blame(out, Damage::kUnread, cat("cannot be read: ", errnoText(error.code())));
        return;
    }
    if (reading.finish() != digest) blame(out, Damage::kDigest, "does not hash to its name");
}

}  // namespace

FanOutNames namesInFanOut(Tree& tree, DigestAlgorithm algorithm, unsigned fanOut) {
    FanOutNames out;
    const std::string part = fanOutName(fanOut);
    const std::string path = cat(kBlobsDirectory, '/', algorithmName(algorithm), '/', part);
    const Fd directory = tree.findDirectory(path);
    if (!directory) return out;
    forEachName(directory.get(), tree.absolute(path), [&](const std::string& name) {
        if (isContentName(algorithm, part, name)) {
            out.content.push_back(*Digest::parse(cat(algorithmName(algorithm), ':', name)));
        } else {
            out.foreign.push_back(cat(path, '/', name));
        }
    });
    std::sort(out.content.begin(), out.content.end());
    return out;
}

CheckedContent checkContent(Tree& tree, const Digest& digest, const Spend& spend) {
    CheckedContent out;
    try {
        if (!judge(tree, digest, &out)) return out;
        struct stat status = {};
        const Fd file = tree.openFile(contentPath(digest), O_RDONLY | O_NOATIME, &status);
        if (!file && errno == ENOENT) out.status.reset();
        if (!file && errno != ENOENT) blame(&out, Damage::kUnread, "cannot be opened");
        if (!file) return out;
        out.status = status;
        readAll(file, digest, spend, &out);
        // Whoever evicts it while it is read has settled the matter.
        if (statusOf(file.get(), digest.text()).st_nlink == 0) out.status.reset();
    } catch (const SysError& error) {
        if (error.code() != EIO) throw;
        blame(&out, Damage::kUnread, "cannot be opened: input/output error");
    }
    if (!out.status) out.damage.reset();
    return out;
}

void setAsideChecked(Quarantine& quarantine, const Digest& digest, const CheckedContent& found) {
    if (!found.damage) return;
    quarantine.take(digest, contentPath(digest), *found.damage, &*found.status, found.detail);
    if (*found.damage != Damage::kMetadata || !found.record) return;
    quarantine.take(digest, metadataPath(digest), Damage::kMetadata, &*found.record,
                    "is no record of ours");
}

}  // namespace ociproxy
