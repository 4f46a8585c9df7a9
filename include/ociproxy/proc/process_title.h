#ifndef OCIPROXY_PROC_PROCESS_TITLE_H
#define OCIPROXY_PROC_PROCESS_TITLE_H

#include <cstddef>
#include <string_view>

namespace ociproxy {

// What ps(1) shows of this process. The kernel shows the memory in which it once
// put argv and environ; titles are written over it, up to its size.
//
// Not synchronized: set it before threads are started. A child inherits a copy.
class ProcessTitle {
public:
    // Moves environ elsewhere (for the life of the process) and takes the memory of
    // argv and environ. Afterwards argv's strings are gone once a title is set.
    // REQUIRES: no thread; nobody keeps pointers into argv or environ.
    static ProcessTitle over(int argc, char** argv);

    // Over `size` bytes at `area`, which must outlive this.
    ProcessTitle(char* area, std::size_t size) noexcept : area_(area), size_(size) {}

    // Shows `title` in full command lines and `name` (at most 15 bytes) where only
    // the program's name is shown. Longer ones are cut.
    void set(std::string_view title, std::string_view name) noexcept;
    std::size_t size() const noexcept { return size_; }

private:
    char* area_;
    std::size_t size_;
};

}  // namespace ociproxy

#endif
