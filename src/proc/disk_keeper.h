#ifndef OCIPROXY_SRC_PROC_DISK_KEEPER_H
#define OCIPROXY_SRC_PROC_DISK_KEEPER_H

#include <cstdint>
#include <optional>

#include "ociproxy/base/clock.h"
#include "ociproxy/store/disk_space.h"
#include "ociproxy/store/evictor.h"

namespace ociproxy {

class Log;
class SharedState;

// Keeps the disk within its bounds: measures what the cache takes into the budget and the
// gauges, and evicts when that is more than 95 % of the bound or the file system has less
// than the minimum free, down to 90 % or a tenth above the minimum. What fails is logged
// and tried again. One thread, with which nothing waits for a slow disk.
class DiskKeeper {
public:
    struct Options {
        Evictor* evictor = nullptr;
        DiskSpace* space = nullptr;
        SharedState* shared = nullptr;
        Log* log = nullptr;
        std::optional<std::uint64_t> maxSize;  // bytes; nullopt: auto; 0: no bound
        std::optional<std::uint64_t> minFree;  // likewise
        Millis refreshEvery{60'000};
        // After a pass that freed nothing, or whose files others may still hold open.
        Millis retryEvery{5'000};
        Millis sayEvery{60'000};
        Millis sweepEvery{3'600'000};  // a twelfth of it after the start for the first time
    };

    explicit DiskKeeper(const Options& options) noexcept;

    // Looks, and does what is due. To be called every second or so, and when the budget
    // rings.
    void work(TimePoint now);

private:
    void look(TimePoint now);
    void findBounds();
    void setBound(std::uint64_t bytes);
    void refresh(TimePoint now);
    std::uint64_t excess(TimePoint now) const noexcept;
    bool lacksSpace() const noexcept;
    void makeRoom(TimePoint now);
    void evict(std::uint64_t cost);
    void judge(TimePoint now);
    void sweep(TimePoint now);
    void publish();

    Options options_;
    DiskSpace::Figures figures_;
    std::uint64_t minFree_ = 0;
    bool bounded_ = false;  // the bound is known
    bool full_ = false;
    TimePoint refreshAt_ = TimePoint::min();
    TimePoint retryAt_ = TimePoint::min();
    TimePoint freeAt_ = TimePoint::min();  // when free space counts again
    TimePoint sayAt_ = TimePoint::min();
    TimePoint failedAt_ = TimePoint::min();
    std::optional<TimePoint> sweepAt_;
};

}  // namespace ociproxy

#endif
