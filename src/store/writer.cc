#include "store/writer.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "ociproxy/base/error.h"
#include "store/directory.h"
#include "store/metadata.h"
#include "store/open_file.h"
#include "store/tree.h"

namespace ociproxy {

namespace {

constexpr std::size_t kRehashStep = 256 * 1024;
constexpr int kAttempts = 3;
constexpr mode_t kFileMode = 0600;

// Takes the name from whoever has it. -1 with errno.
int createAnew(int directory, const std::string& name) noexcept {
    for (int i = 0; i < kAttempts; ++i) {
        if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) return -1;
        int fd = ::openat(directory, name.c_str(),
                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

Fd createIn(Tree& tree, const StorePath& path) {
    std::string what = tree.absolute(path.text());
    for (int i = 1;; ++i) {
        Fd directory = tree.makeDirectory(path.directory);
        Fd file(createAnew(directory.get(), path.name));
        if (!file && errno == ENOENT && i < kAttempts) continue;  // directory removed meanwhile
        if (!file) throwErrno("create " + what);
        // The umask may have taken bits away.
        if (::fchmod(file.get(), kFileMode) != 0) throwErrno("chmod " + what);
        return file;
    }
}

// Whether the file system just cannot reserve.
bool cannotReserve(int code) noexcept {
    return code == EOPNOTSUPP || code == ENOSYS || code == EINVAL;
}

}  // namespace

FileWriter::FileWriter(Tree& tree, const Digest& digest, const StorePath& path, Fd file)
    : tree_(tree), digest_(digest), path_(path), file_(std::move(file)),
      hasher_(digest.algorithm()), writeBack_(tree.durability() != Durability::kNone) {}

std::unique_ptr<FileWriter> FileWriter::create(Tree& tree, const Digest& digest,
                                               std::uint64_t lineage) {
    StorePath path = temporaryPath(digest, lineage);
    return std::unique_ptr<FileWriter>(
        new FileWriter(tree, digest, path, createIn(tree, path)));
}

std::unique_ptr<FileWriter> FileWriter::adopt(Tree& tree, const Digest& digest,
                                              std::uint64_t lineage, std::uint64_t bytes) {
    StorePath path = temporaryPath(digest, lineage);
    struct stat status = {};
    Fd file = tree.openFile(path, O_RDWR, &status);
    if (!file || static_cast<std::uint64_t>(status.st_size) < bytes) return nullptr;
    std::unique_ptr<FileWriter> writer(new FileWriter(tree, digest, path, std::move(file)));
    // Until it is taken over whole, the file stays what it was: another may try.
    writer->ownsName_ = false;
    if (!writer->rehash(bytes)) return nullptr;
    writer->ownsName_ = true;
    return writer;
}

FileWriter::~FileWriter() {
    if (ownsName_) removeName();
}

bool FileWriter::rehash(std::uint64_t bytes) {
    // What the dead owner wrote beyond its last announcement was seen by nobody.
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) throwErrno("truncate " + what());
    // It counts as written to now, for whoever reaps idle files.
    if (::futimens(file_.get(), nullptr) != 0) throwErrno("utimens " + what());
    std::vector<char> buffer(kRehashStep);
    while (size_ < bytes) {
        std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(kRehashStep,
                                                                            bytes - size_));
        std::size_t count = preadAll(file_.get(), buffer.data(), step, size_, "read " + what());
        if (count == 0) return false;  // somebody else cut it
        hasher_.update(buffer.data(), count);
        size_ += count;
    }
    return true;
}

void FileWriter::reserve(std::uint64_t total) {
    if (total <= size_) return;
    if (total > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
        throwErrno("reserve " + what(), EFBIG);
    }
    int result;
    do {
        result = ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(total));
    } while (result != 0 && errno == EINTR);
    if (result != 0 && !cannotReserve(errno)) throwErrno("reserve " + what());
    reserved_ = std::max(reserved_, total);
}

void FileWriter::append(const void* data, std::size_t size) {
    OCIPROXY_ASSERT(state_ == State::kWriting);
    state_ = State::kFailed;  // unless the end of this is reached
    pwriteAll(file_.get(), data, size, size_, "write " + what());
    hasher_.update(data, size);
    size_ += size;
    writeBack_.written(file_.get(), size_);
    state_ = State::kWriting;
}

bool FileWriter::matches() {
    if (state_ == State::kFailed) return false;
    OCIPROXY_ASSERT(state_ == State::kWriting);
    state_ = hasher_.finish() == digest_ ? State::kVerified : State::kRefused;
    return state_ == State::kVerified;
}

void FileWriter::commit(const ContentInfo& info) {
    OCIPROXY_ASSERT(state_ == State::kVerified);
    ContentInfo fetched = info;
    fetched.size = size_;
    // The order is what makes a crash harmless: metadata alone is nothing, content
    // alone is absent, and content is complete on disk before it gets its name.
    recordFetched(tree_, digest_, fetched);
    complete();
    publish();
}

// All bytes on disk.
void FileWriter::complete() {
    // Gives back what was reserved beyond the end.
    if (reserved_ > size_ && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
        throwErrno("truncate " + what());
    }
    state_ = State::kFailed;
    syncData();
    struct stat status = statusOf(file_.get(), what());
    if (static_cast<std::uint64_t>(status.st_size) != size_) {
        throwErrno("size of " + what() + " changed", EIO);
    }
    state_ = State::kVerified;
}

// A failed fsync is final: the kernel has dropped the pages, and a second one would lie.
void FileWriter::syncData() {
    if (tree_.durability() == Durability::kNone) return;
    if (::fsync(file_.get()) != 0) throwErrno("fsync " + what());
}

void FileWriter::publish() {
    StorePath target = contentPath(digest_);
    std::string what = tree_.absolute(target.text());
    Fd from = tree_.openDirectory(path_.directory);
    if (!from) throwErrno("rename to " + what, ENOENT);
    checkStillOurs(from);
    Fd to = tree_.makeDirectory(target.directory);
    if (::renameat(from.get(), path_.name.c_str(), to.get(), target.name.c_str()) != 0) {
        throwErrno("rename to " + what);
    }
    state_ = State::kCommitted;
    ownsName_ = false;
    if (tree_.durability() == Durability::kFull) syncDirectory(to.get(), what);
}

void FileWriter::checkStillOurs(const Fd& directory) const {
    struct stat named = {};
    if (::fstatat(directory.get(), path_.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
        throwErrno("stat " + what());
    }
    if (!isSameFile(named, statusOf(file_.get(), what()))) {
        throwErrno(what() + " was replaced", ESTALE);
    }
}

// Somebody may have begun the same lineage anew; their file is not ours to remove.
void FileWriter::removeName() noexcept {
    try {
        Fd directory = tree_.openDirectory(path_.directory);
        if (!directory) return;
        checkStillOurs(directory);
        ::unlinkat(directory.get(), path_.name.c_str(), 0);
    } catch (const std::exception&) {
        // Left to Store::reapTemporary().
    }
}

std::string FileWriter::what() const {
    return tree_.absolute(path_.text());
}

}  // namespace ociproxy
