#ifndef OCIPROXY_STORE_EVICTOR_H
#define OCIPROXY_STORE_EVICTOR_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ociproxy/base/clock.h"
#include "ociproxy/registry/pin.h"

namespace ociproxy {

class Log;

// Takes from the store what has not been used for longest, as whole images: a manifest
// before the content that it names, content only when no image keeps it young. Never what
// is pinned. Keeps an index of the store in memory, about 80 bytes for each content; the
// first refresh() reads all of blobs/, later ones what has changed.
//
// One thread of one process at a time on a directory; others may read and commit
// meanwhile: who has a file open keeps it, and a commit of the same digest loses nothing
// (see removeContent()). Bytes of cost are those of diskCost(). Throw SysError.
class Evictor {
public:
    struct Options {
        std::string directory;
        Log* log = nullptr;
        // Raised after content was taken away.
        std::atomic<std::uint64_t>* generation = nullptr;
        std::vector<Pin> pins;
        // After so many names read, files looked at or unlinked others get a turn.
        std::size_t batch = 1024;
        Millis pause{1};
    };

    struct State {
        std::uint64_t files = 0;
        std::uint64_t bytes = 0;      // of content
        std::uint64_t cost = 0;
        std::uint64_t evictable = 0;  // of `cost`: what is not pinned
    };

    struct Result {
        std::uint64_t files = 0;
        std::uint64_t bytes = 0;
        std::uint64_t cost = 0;
    };

    explicit Evictor(const Options& options);
    ~Evictor();
    Evictor(const Evictor&) = delete;
    Evictor& operator=(const Evictor&) = delete;

    // Brings the index up to date.
    void refresh();
    // As of the last refresh or eviction.
    State state() const;
    // Takes away at least `cost`, if there is that much. What cannot be removed is passed
    // over, with a warning for the first. REQUIRES: refresh() a moment ago.
    Result evict(std::uint64_t cost);
    // Removes records and links that have been without content for long; returns how many.
    unsigned sweep();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ociproxy

#endif
