#include "integration/store_view.h"

#include <filesystem>

#include "integration/temp_root.h"
#include "ociproxy/base/digest.h"
#include "ociproxy/base/text.h"

namespace ociproxy::itest {

namespace fs = std::filesystem;

namespace {

bool hashesToName(const fs::path& path) {
    const std::string hex = path.filename().string();
    const std::string algorithm = path.parent_path().parent_path().filename().string();
    const std::optional<DigestAlgorithm> known = parseAlgorithm(algorithm);
    if (!known || path.parent_path().filename().string() != hex.substr(0, 2)) return false;
    return digestOf(*known, readFile(path.string())).hex() == hex;
}

}  // namespace

std::string StoreView::blobPath(const std::string& digest) const {
    const std::size_t colon = digest.find(':');
    const std::string hex = digest.substr(colon + 1);
    return cat(directory_, "/blobs/", digest.substr(0, colon), "/", hex.substr(0, 2), "/", hex);
}

bool StoreView::has(const std::string& digest) const { return exists(blobPath(digest)); }

std::vector<std::string> StoreView::filesBelow(const std::string& name) const {
    std::vector<std::string> files;
    std::error_code error;
    fs::recursive_directory_iterator it(directory_ + "/" + name, error);
    for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
        std::error_code gone;
        if (!it->is_directory(gone)) files.push_back(it->path().string());
    }
    return files;
}

std::vector<std::string> StoreView::blobFiles() const { return filesBelow("blobs"); }

std::vector<std::string> StoreView::tempFiles() const { return filesBelow("tmp"); }

std::vector<std::string> StoreView::linkFiles() const {
    std::vector<std::string> links;
    for (const std::string& file : filesBelow("repos")) {
        if (file.find("/links/") != std::string::npos) links.push_back(file);
    }
    return links;
}

std::vector<std::string> StoreView::damaged() const {
    std::vector<std::string> damaged;
    for (const std::string& file : blobFiles()) {
        if (!hashesToName(file)) damaged.push_back(file);
    }
    return damaged;
}

}  // namespace ociproxy::itest
