#include "proc/progress_bar.h"

#include <algorithm>
#include <cstdio>

#include "ociproxy/base/text.h"

namespace ociproxy {

namespace {

constexpr Millis kEvery{200};
constexpr std::uint64_t kWidth = 30;
constexpr std::uint64_t kMega = 1024 * 1024;

std::string padded(const std::string& text, std::size_t width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace

std::string progressText(std::uint64_t done, std::uint64_t total, Millis elapsed) {
    done = std::min(done, total);  // what was committed meanwhile comes on top
    const double part = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
    const std::size_t filled = static_cast<std::size_t>(part * static_cast<double>(kWidth));
    const std::uint64_t percent = static_cast<std::uint64_t>(part * 100);
    const std::uint64_t millis = static_cast<std::uint64_t>(std::max(elapsed, Millis{1}).count());
    const std::uint64_t perSecond = done * 1000 / millis;
    std::string text = cat('[', std::string(filled, '='), std::string(kWidth - filled, ' '), "] ",
                           padded(cat(percent), 3), " %  ", perSecond / kMega, "M/s");
    if (perSecond > 0) {
        text += cat("  ", formatDuration((total - done) / perSecond * 1000), " left");
    }
    return text;
}

void ProgressBar::show(std::uint64_t done, std::uint64_t total) {
    const TimePoint present = now();
    if (!visible_ || present < next_) return;
    next_ = present + kEvery;
    const Millis elapsed = std::chrono::duration_cast<Millis>(present - began_);
    std::fprintf(stderr, "\r%s\x1b[K", progressText(done, total, elapsed).c_str());
    std::fflush(stderr);
    shown_ = true;
}

void ProgressBar::clear() {
    if (!shown_) return;
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    shown_ = false;
}

}  // namespace ociproxy
