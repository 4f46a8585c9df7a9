#ifndef OCIPROXY_TESTS_INTEGRATION_MOUNTS_H
#define OCIPROXY_TESTS_INTEGRATION_MOUNTS_H

#include <string>
#include <vector>

namespace ociproxy::itest {

// A file system of its own at a directory, until the end of the scope. Skips the running
// test where mounting is not permitted.
class Mount {
public:
    // A tmpfs; `options` as of mount(8): "size=2m".
    static Mount memory(const std::string& directory, const std::string& options);
    // An ext4 in the file `image` of that size, which need not be backed by blocks.
    static Mount image(const std::string& directory, const std::string& image,
                       const std::string& size);
    ~Mount();
    Mount(Mount&& other) noexcept;
    Mount(const Mount&) = delete;
    Mount& operator=(const Mount&) = delete;

    // False: the file system is busy.
    bool remount(const std::string& options);

private:
    explicit Mount(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
};

}  // namespace ociproxy::itest

#endif
