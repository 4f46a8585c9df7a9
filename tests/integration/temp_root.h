#ifndef OCIPROXY_TESTS_INTEGRATION_TEMP_ROOT_H
#define OCIPROXY_TESTS_INTEGRATION_TEMP_ROOT_H

#include <string>
#include <vector>

namespace ociproxy::itest {

// A directory of its own, removed with all it holds: below TMPDIR if that is set,
// else in memory (/dev/shm) where there is room, because starting on an empty cache
// costs disks half a second, or below /tmp.
class TempRoot {
public:
    enum class Place { kMemory, kDisk };
    explicit TempRoot(Place place = Place::kMemory);
    ~TempRoot();
    TempRoot(const TempRoot&) = delete;
    TempRoot& operator=(const TempRoot&) = delete;

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// A whole file, or as much of it as can be read; empty if there is none.
std::string readFile(const std::string& path);
void writeFile(const std::string& path, const std::string& text);
bool exists(const std::string& path);
std::vector<std::string> linesOf(const std::string& text);

}  // namespace ociproxy::itest

#endif
