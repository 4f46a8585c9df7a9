#ifndef OCIPROXY_SRC_PROC_PROGRESS_BAR_H
#define OCIPROXY_SRC_PROC_PROGRESS_BAR_H

#include <cstdint>
#include <string>

#include "ociproxy/base/clock.h"

namespace ociproxy {

// "[======>             ]  34 %  120M/s  2min left".
std::string progressText(std::uint64_t done, std::uint64_t total, Millis elapsed);

// One line on stderr that is written over and over, a few times a second. One thread.
class ProgressBar {
public:
    // `visible` false: says nothing.
    explicit ProgressBar(bool visible) : visible_(visible), began_(now()) {}
    ~ProgressBar() { clear(); }
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    void show(std::uint64_t done, std::uint64_t total);
    // Makes room for another line.
    void clear();

private:
    const bool visible_;
    const TimePoint began_;
    TimePoint next_{};
    bool shown_ = false;
};

}  // namespace ociproxy

#endif
