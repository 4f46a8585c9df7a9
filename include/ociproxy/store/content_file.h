// Looking again at committed content that is held open, without opening it anew.
#ifndef OCIPROXY_STORE_CONTENT_FILE_H
#define OCIPROXY_STORE_CONTENT_FILE_H

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "ociproxy/base/digest.h"
#include "ociproxy/base/fd.h"

namespace ociproxy {

// What a file was like at a look: its size and when its bytes were last written.
struct FileState {
    std::uint64_t size = 0;
    std::int64_t writtenNs = 0;  // wall time

    friend bool operator==(const FileState& a, const FileState& b) noexcept {
        return a.size == b.size && a.writtenNs == b.writtenNs;
    }
};

// Which file, as it was when its bytes were last written: nothing else has the same.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    FileState state;

    friend bool operator<(const FileIdentity& a, const FileIdentity& b) noexcept {
        return std::tie(a.device, a.inode, a.state.size, a.state.writtenNs) <
               std::tie(b.device, b.inode, b.state.size, b.state.writtenNs);
    }
};
// Throws SysError.
FileIdentity identityOf(const Fd& file);

// nullopt: it has been removed, by eviction or by hand, was given a further name, or cannot
// be looked at. One system call, which does not wait for the disk.
std::optional<FileState> lookAtFile(const Fd& file) noexcept;

// All of it, if it hashes to the digest. May wait for the disk. Throws SysError.
std::optional<std::string> readVerified(const Fd& file, std::uint64_t size, const Digest& digest);

// Appends `size` bytes at `offset` to `*out`, if all of them are in memory: never waits
// for the disk. False leaves `*out` as it was: not resident, fewer bytes, or a file
// system that cannot tell.
bool readResident(const Fd& file, std::uint64_t offset, std::size_t size, std::string* out);

// Whether the first `size` bytes of the file are in memory, which costs reading them.
// Never waits for the disk; false also where the file system cannot tell.
bool isResident(const Fd& file, std::uint64_t size) noexcept;

}  // namespace ociproxy

#endif
