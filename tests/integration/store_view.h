#ifndef OCIPROXY_TESTS_INTEGRATION_STORE_VIEW_H
#define OCIPROXY_TESTS_INTEGRATION_STORE_VIEW_H

#include <string>
#include <vector>

namespace ociproxy::itest {

// A cache directory as seen from outside, by its documented layout. Knows nothing of
// the product's code.
class StoreView {
public:
    explicit StoreView(std::string directory) : directory_(std::move(directory)) {}

    const std::string& directory() const { return directory_; }
    // Where a committed digest ("sha256:...") is.
    std::string blobPath(const std::string& digest) const;
    bool has(const std::string& digest) const;
    std::vector<std::string> blobFiles() const;
    std::vector<std::string> tempFiles() const;
    std::vector<std::string> linkFiles() const;
    // Files under blobs/ whose content does not hash to their name, or whose name is
    // no digest's: must be none, whatever happened.
    std::vector<std::string> damaged() const;

private:
    std::vector<std::string> filesBelow(const std::string& name) const;

    std::string directory_;
};

}  // namespace ociproxy::itest

#endif
