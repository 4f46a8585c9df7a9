#ifndef OCIPROXY_SRC_STORE_WRITER_H
#define OCIPROXY_SRC_STORE_WRITER_H

#include <cstdint>
#include <memory>
#include <string>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"
#include "ociproxy/store/store.h"
#include "store/layout.h"
#include "store/write_back.h"

namespace ociproxy {

class Tree;

// The one ContentWriter: a file in tmp/ that is renamed under blobs/ once it is verified.
// One thread; the tree outlives it.
class FileWriter : public ContentWriter {
public:
    // As Store::create() and Store::adopt().
    static std::unique_ptr<FileWriter> create(Tree& tree, const Digest& digest,
                                              std::uint64_t lineage);
    static std::unique_ptr<FileWriter> adopt(Tree& tree, const Digest& digest,
                                             std::uint64_t lineage, std::uint64_t bytes);
    ~FileWriter() override;

    std::uint64_t size() const noexcept override { return size_; }
    void reserve(std::uint64_t total) override;
    void append(const void* data, std::size_t size) override;
    bool matches() override;
    void commit(const ContentInfo& info) override;
    void keep() noexcept override { ownsName_ = false; }

private:
    enum class State { kWriting, kFailed, kRefused, kVerified, kCommitted };

    FileWriter(Tree& tree, const Digest& digest, const StorePath& path, Fd file);
    bool rehash(std::uint64_t bytes);
    void complete();
    void syncData();
    void publish();
    void checkStillOurs(const Fd& directory) const;
    void removeName() noexcept;
    std::string what() const;

    Tree& tree_;
    const Digest digest_;
    const StorePath path_;
    Fd file_;
    Hasher hasher_;
    std::uint64_t size_ = 0;
    std::uint64_t reserved_ = 0;
    WriteBack writeBack_;
    State state_ = State::kWriting;
    bool ownsName_ = true;  // to be unlinked at the end
};

}  // namespace ociproxy

#endif
