#ifndef OCIPROXY_STORE_DISK_SPACE_H
#define OCIPROXY_STORE_DISK_SPACE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace ociproxy {

class Tree;

// What the file system of the cache has, and what the cache has been promised of it. Any
// thread; any process. Methods throw SysError.
class DiskSpace {
public:
    explicit DiskSpace(const std::string& directory);
    ~DiskSpace();
    DiskSpace(const DiskSpace&) = delete;
    DiskSpace& operator=(const DiskSpace&) = delete;

    struct Figures {
        std::uint64_t total = 0;
        std::uint64_t available = 0;  // to us: not what is reserved for root
    };
    Figures figures();

    // Bytes that files in tmp/ take, space that is reserved included.
    std::uint64_t inFlight();

    // The bound that was worked out when this cache was first used; nullopt: none yet, or
    // nothing sensible in the file.
    std::optional<std::uint64_t> rememberedBound();
    void rememberBound(std::uint64_t bytes);

private:
    std::unique_ptr<Tree> tree_;
};

}  // namespace ociproxy

#endif
